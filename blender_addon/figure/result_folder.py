# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a finished job, as they lie in its folder: NAME.fbx, rig.json, report.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ImportFailed
from ..phrases import phrase

RIG_FORMAT, RIG_VERSION = "figurine-rig", 1
RIG_FILE, REPORT_FILE = "rig.json", "report.json"
# A bone of Blender has no more; what is longer would be renamed without a word.
_LONGEST_NAME_bytes = 63
# Blender drops shorter bones when it leaves edit mode.
_SHORTEST_BONE_m = 1e-6
_FETCH_AGAIN = "Import it again from the job list: the files are fetched again."

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Bone:
    """One bone of rig.json: Blender's frame, metres, radians. parent: "" for the root."""

    name: str
    role: str
    parent: str
    head: Point
    tail: Point
    roll: float
    is_guessed: bool


@dataclass(frozen=True)
class ResultFiles:
    """What is imported. kind: of the body, as in rig.json. report: report.json, empty where there is none."""

    fbx: Path
    bones: tuple[Bone, ...]
    kind: str
    report: Mapping[str, Any]

    @property
    def has_texture(self) -> bool:
        """Whether the job painted a texture; a result without a report is taken for one that did."""
        return not self.report or "texture" in self.report["digests"]


def read_result(folder: Path) -> ResultFiles:
    """Find the FBX and read the documents beside it. Raises ImportFailed."""
    models = sorted(folder.glob("*.fbx"))
    if len(models) != 1:
        found = "no FBX file" if not models else phrase("{count} FBX files and not one", count=len(models))
        raise ImportFailed(
            phrase("The result cannot be imported: its folder holds {found}.", found=phrase(found)), _FETCH_AGAIN
        )
    bones, kind = read_skeleton(folder)
    return ResultFiles(models[0], bones, kind, read_report(folder))


def read_report(folder: Path) -> Mapping[str, Any]:
    """report.json, empty where there is none. Raises ImportFailed."""
    report = _read_json(folder / REPORT_FILE) if (folder / REPORT_FILE).exists() else {}
    if report and not {"digests", "stages"} <= report.keys():
        raise ImportFailed(phrase("{report_file} is not the report of a job.", report_file=REPORT_FILE), _FETCH_AGAIN)
    return report


def read_skeleton(folder: Path) -> tuple[tuple[Bone, ...], str]:
    """The bones of rig.json, parents in any order, and the kind of the body. Raises ImportFailed."""
    rig = _read_json(folder / RIG_FILE)
    if rig.get("format") != RIG_FORMAT or rig.get("version") != RIG_VERSION:
        raise ImportFailed(
            phrase("{rig_file} is not a skeleton that this version of the add-on reads.", rig_file=RIG_FILE),
            "Use the add-on and the server of the same version.",
        )
    try:
        bones = tuple(_bone(entry) for entry in rig["bones"])
    except (KeyError, TypeError, ValueError) as error:
        raise ImportFailed(
            phrase("{rig_file} has a bone that cannot be read: {error!r}.", rig_file=RIG_FILE, error=error),
            _FETCH_AGAIN,
        ) from error
    _check_tree(bones)
    return bones, str(rig.get("kind", "generic"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ImportFailed(phrase("{path} is missing in the result's folder.", path=path.name), _FETCH_AGAIN) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ImportFailed(phrase("{name} cannot be read: {why}.", name=path.name, why=error), _FETCH_AGAIN) from error
    if not isinstance(document, dict):
        raise ImportFailed(phrase("{path} is not a document of Figurine.", path=path.name), _FETCH_AGAIN)
    return document


def _bone(entry: Mapping[str, Any]) -> Bone:
    name = entry["name"]
    if not isinstance(name, str) or not 0 < len(name.encode()) <= _LONGEST_NAME_bytes:
        raise ValueError(f"bone name {name!r}")
    head, tail = _point(entry["head"]), _point(entry["tail"])
    if math.dist(head, tail) < _SHORTEST_BONE_m:
        raise ValueError(f"bone {name} has no length")
    return Bone(
        name=name,
        role=str(entry.get("role", "chain")),
        parent=entry["parent"] or "",
        head=head,
        tail=tail,
        roll=_number(entry.get("roll", 0.0)),
        is_guessed=bool(entry.get("guessed", False)),
    )


def _point(values: Any) -> Point:
    x, y, z = values
    return _number(x), _number(y), _number(z)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"number {value!r}")
    return number


def _check_tree(bones: tuple[Bone, ...]) -> None:
    """Raises ImportFailed unless the bones are one tree of unique names."""
    parents = {bone.name: bone.parent for bone in bones}
    if len(parents) != len(bones) or [bone.parent for bone in bones].count("") != 1:
        raise ImportFailed(
            phrase("{rig_file} does not hold one skeleton with a name for each bone.", rig_file=RIG_FILE), _FETCH_AGAIN
        )
    for name in parents:
        above, steps = parents[name], 0
        while above:
            if above not in parents or steps > len(bones):
                raise ImportFailed(
                    phrase("{rig_file} names a parent for {name} that cannot be one.", rig_file=RIG_FILE, name=name),
                    _FETCH_AGAIN,
                )
            above, steps = parents[above], steps + 1
