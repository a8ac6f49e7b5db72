# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of the file as it is sent to be textured, and what is remembered of it when its texture comes back: which
corner of the mesh each corner that was sent is.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import MeshUnusable
from ..phrases import phrase
from .shape_makers import names_of, outlines_of

MOST_TRIANGLES = 1_000_000  # the server's limit too


@dataclass(frozen=True, eq=False)
class SentMesh:
    """Faces of a mesh, without those that no importer keeps.

    places: (V, 3) float64, in the world or the frame that was asked for. corners: (C,) int64, the place of each face
    corner, face after face. sizes: (P,) int64, corners of each face. loops: (C,) int64, the mesh's own corners. uv:
    (C, 2) float64, no rows where it has none. used: (V,) int64, the mesh's own vertex of each place.
    """

    places: np.ndarray
    corners: np.ndarray
    sizes: np.ndarray
    loops: np.ndarray
    uv: np.ndarray
    used: np.ndarray


def obstacle(context: bpy.types.Context) -> str:
    """Why the active object cannot be textured, for the artist; "" where it can."""
    active = context.object
    if active is None or active.type != "MESH":
        return "Select a mesh: it becomes the active object."
    if context.mode != "OBJECT":
        return "Leave the mode that the object is in first: Texture Selected Mesh works in Object Mode."
    if not active.data.is_editable:
        return phrase("{name} is linked from another file: make it local first.", name=active.name)
    return _shape_obstacle(active)


def _shape_obstacle(item: bpy.types.Object) -> str:
    """Why the mesh alone is not what is seen of the object, for the artist; "" where it is."""
    made = names_of(outlines_of(item))
    if made:
        return phrase(
            "{name} gets its shape from a modifier ({modifiers}): apply that first.",
            name=item.name,
            modifiers=made,
        )
    return ""


def read_mesh(item: bpy.types.Object, frame: Matrix | None = None, shape: bpy.types.Mesh | None = None) -> SentMesh:
    """The object's own mesh, without modifiers and shape keys, where it stands. frame: from the world to where the
    places are wanted. shape: another mesh in the object's place. Raises MeshUnusable.
    """
    mesh = item.data if shape is None else shape
    places = _read(mesh.vertices, "co", 3, np.float32).astype(np.float64)
    broken = int((~np.isfinite(places)).any(axis=1).sum())
    if broken:
        raise MeshUnusable(
            item.name, phrase("{count} of its vertices are not finite numbers", count=broken), "Delete them."
        )
    starts, sizes = _kept_faces(mesh)
    if not len(sizes):
        raise MeshUnusable(item.name, "it has no faces", "Choose a mesh with a surface.")
    triangles = int((sizes - 2).sum())
    if triangles > MOST_TRIANGLES:
        raise MeshUnusable(
            item.name,
            phrase(
                "it has {triangles:,} triangles, and {most:,} are the most",
                triangles=triangles,
                most=MOST_TRIANGLES,
            ),
            "Decimate it first.",
        )
    matrix = place_of(item, frame)
    step = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    if np.linalg.det(matrix[:3, :3]) < 0:  # a mirrored object: its faces are turned over
        step = np.repeat(sizes, sizes) - 1 - step
    loops = np.repeat(starts, sizes) + step
    used, corners = np.unique(_read(mesh.loops, "vertex_index", 1, np.int32).ravel()[loops], return_inverse=True)
    world = places[used] @ matrix[:3, :3].T + matrix[:3, 3]
    layer = mesh.uv_layers.active
    uv = np.zeros((0, 2)) if layer is None else _read(layer.uv, "vector", 2, np.float32)[loops].astype(np.float64)
    return SentMesh(world, corners.reshape(-1), sizes, loops, uv, used)


def place_of(item: bpy.types.Object, frame: Matrix | None) -> np.ndarray:
    """(4, 4) float64, from the object's space to the frame; to the world without one."""
    return np.array(item.matrix_world if frame is None else frame @ item.matrix_world, dtype=np.float64)


def obj_text(sent: SentMesh) -> str:
    """The mesh as a Wavefront OBJ, +Y up, its front toward +Z; faces, corners and places keep their order."""
    x, y, z = sent.places.T
    lines = ["o mesh"]
    lines += [f"v {a:.9g} {b:.9g} {c:.9g}" for a, b, c in zip(x.tolist(), z.tolist(), (-y).tolist(), strict=True)]
    lines += [f"vt {u:.9g} {v:.9g}" for u, v in sent.uv.tolist()]
    names = [str(place) for place in (sent.corners + 1).tolist()]
    if len(sent.uv):
        names = [f"{name}/{corner}" for corner, name in enumerate(names, start=1)]
    start = 0
    for size in sent.sizes.tolist():
        lines.append("f " + " ".join(names[start : start + size]))
        start += size
    return "\n".join(lines) + "\n"


def _kept_faces(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """First corners and sizes of the faces, without those that use a vertex twice or repeat another.

    Mesh.validate would tell them, but before 5.0 it writes into what a copy shares with the artist's mesh.
    """
    starts = _read(mesh.polygons, "loop_start", 1, np.int32).ravel().astype(np.int64)
    sizes = _read(mesh.polygons, "loop_total", 1, np.int32).ravel().astype(np.int64)
    vertices = _read(mesh.loops, "vertex_index", 1, np.int32).ravel()
    is_kept = np.zeros(len(sizes), bool)
    for size in np.unique(sizes[sizes > 2]):
        faces = np.flatnonzero(sizes == size)
        corners = np.sort(vertices[starts[faces, None] + np.arange(size)], axis=1)
        _, first = np.unique(corners, axis=0, return_index=True)
        whole = first[(np.diff(corners[first], axis=1) > 0).all(axis=1)]
        is_kept[faces[whole]] = True
    return starts[is_kept], sizes[is_kept]


def _read(collection: bpy.types.bpy_prop_collection, name: str, width: int, kind: type[np.generic]) -> np.ndarray:
    values = np.empty(len(collection) * width, kind)
    collection.foreach_get(name, values)
    return values.reshape(-1, width)
