# SPDX-License-Identifier: GPL-3.0-or-later
"""rig.json: the skeleton as a document that people and programs can read, edit and hand back.

FBX stores neither the tails of inner bones nor rolls; this file does. Blender's frame (+Z up, the character faces
-Y), metres, radians. The published schema is rig.schema.json beside this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from inference_server.core.correction import Box
from inference_server.core.frames import from_blender, to_blender
from inference_server.core.types import Float32, Kind, Skeleton
from inference_server.core.validate import skeleton_problems
from inference_server.errors import SkeletonInvalid

FORMAT = "figurine-rig"
VERSION = 1
SCHEMA_PATH = Path(__file__).with_name("rig.schema.json")
_MAX_FILE_BYTES = 16 * 1024 * 1024
# Lengths of larger numbers overflow single precision.
_LARGEST_NUMBER = 1e9
# Of a name in a message; usable names are shorter.
_LONGEST_SHOWN = 80
_HINT = "Start from the rig.json of an earlier run; docs/rig-json.md describes its fields."
_TREE_HINT = "Give every bone of the skeleton but one a parent, with no circle."


def skeleton_to_document(
    skeleton: Skeleton, bounds: tuple[Float32, Float32], *, name: str, seed: int, versions: dict[str, str]
) -> dict[str, Any]:
    """The document of a skeleton. bounds: lowest and highest corner of the mesh, (3,) each, house frame."""
    heads, tails = to_blender(skeleton.heads).tolist(), to_blender(skeleton.tails).tolist()
    corners = to_blender(np.stack(bounds))
    bones = [
        {
            "name": bone,
            "role": skeleton.roles[index],
            "parent": skeleton.names[skeleton.parents[index]] if skeleton.parents[index] >= 0 else None,
            "head": heads[index],
            "tail": tails[index],
            "roll": float(skeleton.rolls[index]),
            "guessed": bone in skeleton.guessed,
        }
        for index, bone in enumerate(skeleton.names)
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "frame": "blender",
        "unit": "metre",
        "name": name,
        "kind": skeleton.kind,
        "confidence": round(float(skeleton.confidence), 3),
        "seed": seed,
        "versions": versions,
        "bounding_box": {"min": corners.min(axis=0).tolist(), "max": corners.max(axis=0).tolist()},
        "bones": bones,
    }


@dataclass(frozen=True, eq=False)
class RigDocument:
    """What a rig.json says of a skeleton and its mesh. box: of the mesh, Blender's frame."""

    skeleton: Skeleton
    box: Box

    @property
    def bounds(self) -> tuple[Float32, Float32]:
        """Lowest and highest corner of the mesh, (3,) each, house frame."""
        corners = from_blender(np.array([self.box.min, self.box.max], dtype=np.float32))
        return corners.min(axis=0), corners.max(axis=0)


def read_rig(path: Path, label: str = "") -> RigDocument:
    """Read a rig.json that Figurine wrote, with its bounding_box. label: what messages call the file.

    Raises SkeletonInvalid.
    """
    name = label or str(path)
    document = load_document(path, name)
    skeleton = skeleton_from_document(document, name)
    try:
        corners = [tuple(map(_number, document["bounding_box"][corner])) for corner in ("min", "max")]
        low, high = ((x, y, z) for x, y, z in corners)
    except (KeyError, TypeError, ValueError) as error:
        raise SkeletonInvalid(f"{name} has no bounding_box that can be read: {error!r}.", _HINT) from error
    return RigDocument(skeleton, Box(low, high))


def read_skeleton(path: Path, label: str = "") -> Skeleton:
    """Read a rig.json, edited by hand or not; bones may stand in any order. label: what messages call the file.

    Raises SkeletonInvalid.
    """
    name = label or str(path)
    return skeleton_from_document(load_document(path, name), name)


def load_document(path: Path, label: str = "") -> Any:
    """The file's JSON, whatever it says. Raises SkeletonInvalid."""
    name = label or str(path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise SkeletonInvalid(f"{name} is larger than {_MAX_FILE_BYTES >> 20} MiB.", _HINT)
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SkeletonInvalid(f"{name} cannot be read: {error.strerror}.", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise SkeletonInvalid(f"{name} is not JSON: {error}.", _HINT) from error


def skeleton_from_document(document: Any, name: str = "The skeleton") -> Skeleton:
    """The skeleton of a document; `name` is what messages call it. Raises SkeletonInvalid."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SkeletonInvalid(f"{name} is not a {FORMAT} document.", _HINT)
    if document.get("version") != VERSION:
        raise SkeletonInvalid(f"{name} is of version {document.get('version')}, not {VERSION}.", _HINT)
    try:
        skeleton = _build(document, name)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SkeletonInvalid(f"{name} has a bone that cannot be read: {error!r}.", _HINT) from error
    problems = skeleton_problems(skeleton)
    if problems:
        raise SkeletonInvalid(f"{name} is no usable skeleton. {' '.join(problems)}", _HINT)
    return skeleton


def _build(document: dict[str, Any], label: str) -> Skeleton:
    bones = document["bones"]
    by_name = {_text(bone["name"]): bone for bone in bones}
    if len(by_name) != len(bones):
        raise SkeletonInvalid(f"Bone names of {label} occur twice.", "Give every bone its own name.")
    ordered = _parents_first(by_name, label)
    index = {bone["name"]: place for place, bone in enumerate(ordered)}
    kind = document.get("kind", "generic")
    if kind not in get_args(Kind):
        raise ValueError(f"kind {kind!r}")
    confidence = _number(document.get("confidence", 1.0))
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence {confidence!r}")
    return Skeleton(
        names=tuple(bone["name"] for bone in ordered),
        roles=tuple(_text(bone.get("role", "chain")) for bone in ordered),
        parents=np.array([-1 if bone["parent"] is None else index[bone["parent"]] for bone in ordered], dtype=np.int32),
        heads=_points(ordered, "head"),
        tails=_points(ordered, "tail"),
        rolls=np.array([_number(bone.get("roll", 0.0)) for bone in ordered], dtype=np.float32),
        kind=kind,
        confidence=confidence,
        guessed=tuple(bone["name"] for bone in ordered if bone.get("guessed", False)),
    )


def _parents_first(by_name: dict[str, dict[str, Any]], label: str) -> list[dict[str, Any]]:
    """The bones in the order given, each that stands before its parent moved behind it. Raises SkeletonInvalid where a
    parent is missing or bones descend from each other.
    """
    ordered: dict[str, dict[str, Any]] = {}
    for name in by_name:
        line = {name: by_name[name]}  # from this bone up to the first ancestor that has its place
        child = name
        while (parent := by_name[child]["parent"]) is not None and parent not in ordered:
            if parent not in by_name:
                fault = f"the bone {_cut(child)} has the parent {_cut(_text(parent))}, and no bone has that name"
                raise SkeletonInvalid(f"{label} is no tree: {fault}.", _TREE_HINT)
            if parent in line:
                raise SkeletonInvalid(f"{label} is no tree: the bone {_cut(child)} descends from itself.", _TREE_HINT)
            line[parent] = by_name[parent]
            child = parent
        for ancestor in reversed(line):
            ordered.setdefault(ancestor, line[ancestor])
    return list(ordered.values())


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"


def _points(bones: list[dict[str, Any]], end: str) -> Float32:
    rows = [[_number(coordinate) for coordinate in bone[end]] for bone in bones]
    return from_blender(np.array(rows, dtype=np.float32).reshape(-1, 3))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if not abs(value) <= _LARGEST_NUMBER:
        raise ValueError(f"{value!r} is out of range")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    value.encode()  # JSON can name half a character; nothing can store it
    return value
