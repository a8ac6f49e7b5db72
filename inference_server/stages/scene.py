# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the meshes of a file, through the bpy worker, into the house frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from inference_server.core.chains import MESH_SUFFIXES
from inference_server.core.exchange import Exchange
from inference_server.core.frames import from_blender
from inference_server.core.types import Mesh, SceneMesh, SceneObject
from inference_server.core.validate import mesh_problems
from inference_server.errors import MeshInvalid, UnsupportedMedia
from inference_server.stages.blender import BlenderProcess

_MAX_FACES = 3_000_000


def read_scene(path: Path, blender: BlenderProcess, check: Callable[[], None], label: str = "") -> SceneMesh:
    """All mesh objects of the file as one mesh, where they stand in it. label: what messages call the file.

    Raises MeshInvalid (missing, empty, damaged, no faces, not finite, too large), UnsupportedMedia, and what the
    worker raises.
    """
    name = label or str(path)
    require_mesh_file(path, name)
    request = Exchange(document={"path": str(path.resolve())})
    with blender.call("read", request, check) as result:
        arrays, document = result.arrays, result.document
    mesh = Mesh(from_blender(arrays["vertices"]), arrays["faces"])
    problems = mesh_problems(mesh)
    if problems:
        raise MeshInvalid(f"{name}: {' '.join(problems)}", "Repair the mesh and try again.")
    if len(mesh.faces) > _MAX_FACES:
        raise MeshInvalid(
            f"{name} has {len(mesh.faces):,} triangles; {_MAX_FACES:,} are the most.", "Decimate the mesh first."
        )
    objects = tuple(SceneObject(item["name"], item["vertex_count"]) for item in document["objects"])
    return SceneMesh(mesh, objects, path, tuple(_notes(document)))


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


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    if document["has_armature"]:
        yield "The file had a rig of its own; it was replaced."
    for name in document["dropped"]:
        yield f"The object {name} has no faces and was left out."
    for name in document["missing_pictures"]:
        yield f"The picture {name}, which a material uses, is missing."
