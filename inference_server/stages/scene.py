# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the meshes of a file, through the bpy worker, into the house frame. What was read once is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from inference_server.core.cache import StageCache
from inference_server.core.chains import MESH_SUFFIXES
from inference_server.core.digest import digest
from inference_server.core.exchange import Exchange
from inference_server.core.frames import from_blender
from inference_server.core.types import (
    MOST_FACES,
    Kind,
    Mesh,
    MeshLayout,
    OwnRig,
    Rig,
    SceneMesh,
    SceneObject,
    Skeleton,
    Skin,
)
from inference_server.core.validate import mesh_problems, skeleton_problems
from inference_server.errors import MeshInvalid, UnsupportedMedia
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.face_count import announced_faces

# More says nothing that a texture of 4096 pixels could show.
MOST_TEXTURED_FACES = 1_000_000
# Raised whenever the same file would be read as other arrays.
_VERSION = 3
# A body with these parts is taken for one that stands on two legs.
_HUMANOID = {"hips", "head", "leftUpperArm", "rightUpperArm", "leftUpperLeg", "rightUpperLeg"}
# Its vertices lie in files beside it.
_SPREAD_OUT = ".gltf"


def read_scene(
    path: Path,
    blender: BlenderProcess,
    cache: StageCache,
    check: Callable[[], None],
    label: str = "",
    most_faces: int | None = None,
) -> SceneMesh:
    """All mesh objects of the file as one mesh, where they stand in it. label: what messages call the file. most_faces:
    a mesh with more is refused, before Blender reads it where the file tells; None for MOST_FACES.

    The same file is not read a second time by the same Blender, unless it is spread over several files or lacked a
    picture: what is beside it may have changed.

    Raises MeshInvalid (missing, empty, damaged, no faces, not finite, too large), UnsupportedMedia, and what the
    worker raises.
    """
    name = label or str(path)
    require_mesh_file(path, name)
    most = MOST_FACES if most_faces is None else most_faces
    with _reading_errors(name):
        _require_fewer(announced_faces(path), most, name)
        key = digest(["scene", _VERSION, blender.identity(), path.name, path])  # importers name objects after the file
    kept = cache.get(key)
    if kept is None:
        kept, is_lasting = _read(path, blender, check, name)
        if is_lasting:
            kept = cache.put(key, kept)
    _require_fewer(len(kept["mesh"].faces), most, name)
    return SceneMesh(kept["mesh"], kept["objects"], path, kept["notes"], kept["own_rig"], kept["layout"])


@contextmanager
def _reading_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MeshInvalid(f"{name} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _require_fewer(faces: int, most: int, name: str) -> None:
    if faces > most:
        raise MeshInvalid(f"{name} has {faces:,} triangles; {most:,} are the most.", "Decimate the mesh first.")


def _read(path: Path, blender: BlenderProcess, check: Callable[[], None], name: str) -> tuple[dict[str, Any], bool]:
    """Mesh, objects and notes, and whether the next reading of the same bytes gives the same."""
    request = Exchange(document={"path": str(path.resolve())})
    with blender.call("read", request, check) as result:
        arrays, document = result.arrays, result.document
    mesh = Mesh(from_blender(arrays["vertices"]), arrays["faces"])
    problems = mesh_problems(mesh)
    if problems:
        raise MeshInvalid(f"{name}: {' '.join(problems)}", "Repair the mesh and try again.")
    objects = tuple(SceneObject(item["name"], item["vertex_count"]) for item in document["objects"])
    is_lasting = path.suffix.lower() != _SPREAD_OUT and not document["missing_pictures"]
    kept = {
        "mesh": mesh,
        "objects": objects,
        "notes": tuple(_notes(document)),
        "own_rig": None if document["rig"] is None else _own_rig(document["rig"], arrays),
        "layout": MeshLayout(arrays["corners"], arrays["polygons"], arrays.get("uv", np.zeros((0, 3, 2), np.float32))),
    }
    return kept, is_lasting


def require_mesh_file(path: Path, label: str = "") -> None:
    """Raises MeshInvalid (missing, a folder, empty) or UnsupportedMedia where Blender need not be asked."""
    name = label or str(path)
    if path.is_dir():
        raise MeshInvalid(f"{name} is a folder.", "Name one mesh file.")
    if not path.is_file():
        raise MeshInvalid(f"{name} does not exist.", "Check the path of the mesh.")
    if path.suffix.lower() not in MESH_SUFFIXES:
        raise UnsupportedMedia(
            f"{name} is not a mesh file that Figurine reads.", "Use an OBJ, GLB, glTF, FBX, PLY or STL file."
        )
    if path.stat().st_size == 0:
        raise MeshInvalid(f"{name} is empty (zero bytes).", "Export it again.")


def _own_rig(document: Mapping[str, Any], arrays: Mapping[str, Any]) -> OwnRig:
    """The file's rig, or why it cannot be kept."""
    bone_count = document["bone_count"]
    if document["armature_count"] > 1:
        return OwnRig(bone_count, None, f"The file has {document['armature_count']} armatures; a figure has one.")
    roles = document["roles"]
    kind: Kind = "humanoid" if _HUMANOID <= set(roles) else "generic"
    skeleton = Skeleton(
        names=tuple(document["bones"]),
        roles=tuple(roles),
        parents=arrays["rig_parents"],
        heads=from_blender(arrays["rig_heads"]),
        tails=from_blender(arrays["rig_tails"]),
        rolls=arrays["rig_rolls"],
        kind=kind,
    )
    problems = skeleton_problems(skeleton)
    if problems:
        return OwnRig(bone_count, None, " ".join(problems))
    return OwnRig(
        bone_count, Rig(skeleton, Skin(arrays["rig_indices"], arrays["rig_weights"])), "", document["cut_count"]
    )


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    for name in document["dropped"]:
        yield f"The object {name} has no faces and was left out."
    for name in document["missing_pictures"]:
        yield f"The picture {name}, which a material uses, is missing."
