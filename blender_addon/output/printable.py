# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure as it is posed, as one closed solid for a printer.

A figure's meshes go through each other and have holes. Holes are filled, and then what is inside of any part becomes
one solid by OpenVDB's remeshing, which Blender has as a modifier and whose surface is closed by construction. A flat
base is cut, or a plate put under, before that; afterwards what is below a voxel's height is made exactly flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import bmesh
import bpy
import numpy as np

from ..phrases import joined, phrase
from .errors import ExportFailed, FigureUnusable
from .mesh_files import Solid
from .solid import is_watertight, sized, solids_of, volume_of, welded
from .subject import Subject
from .workshop import open_workshop

Base = Literal["NONE", "FLAT", "PLATE"]

# More voxels along the longest side take minutes and gigabytes.
MOST_VOXELS = 800
_WELD = 0.02  # of a voxel: corners that are so near are one
_FILL_ROUNDS = 3  # filling holes that touch makes others
_PLATE_SIDES = 128
_PLATE_MARGIN = 0.04  # of the figure's height, around its feet
_FOOTPRINT = 0.08  # of the figure's height: what is so low stands on the plate
_SUNK = 2.0  # voxels that the soles are in the plate
# Voxels: remeshing rounds the underside's rim off by so much. Where flattening it folds a thin wall, less is tried.
_RIMS = (0.5, 0.25, 0.1)
_MM3_PER_CM3 = 1000.0


@dataclass(frozen=True)
class PrintSettings:
    """height_mm: of the whole print, with its base. detail_mm: edge of a voxel. plate_mm: how thick the plate is.
    cut_mm: how much of the height is cut off below.
    """

    height_mm: float = 100.0
    detail_mm: float = 0.4
    base: Base = "PLATE"
    plate_mm: float = 3.0
    cut_mm: float = 1.0

    @property
    def floor_mm(self) -> float | None:
        """Height of the flat underside above the soles; None for none."""
        return {"NONE": None, "FLAT": self.cut_mm, "PLATE": -self.plate_mm}[self.base]

    @property
    def body_mm(self) -> float:
        """Of the figure alone, before anything is cut off."""
        return self.height_mm + (self.floor_mm or 0.0)


@dataclass(frozen=True)
class Print:
    """size_mm: of its box. pieces: that do not touch. detail_mm: as it was made, coarser where the figure is large."""

    solid: Solid
    size_mm: tuple[float, float, float]
    volume_cm3: float
    pieces: int
    detail_mm: float

    @property
    def sentence(self) -> str:
        """What the artist is told."""
        width, depth, height = self.size_mm
        said = phrase(
            "{width:.1f} × {depth:.1f} × {height:.1f} mm, {volume:.1f} cm³, detail {detail:.2f} mm.",
            width=width,
            depth=depth,
            height=height,
            volume=self.volume_cm3,
            detail=self.detail_mm,
        )
        if self.pieces == 1:
            return said
        return joined((said, phrase("{count} pieces that do not touch each other.", count=self.pieces)), " ")


def make_printable(subject: Subject, settings: PrintSettings) -> Print:
    """Of the meshes as they are seen now. Raises FigureUnusable, ExportFailed."""
    vertices, triangles = seen_surface(subject)
    height = float(np.ptp(vertices[:, 2]))
    if settings.body_mm <= 0 or settings.cut_mm >= settings.height_mm:
        raise FigureUnusable("The base is as high as the whole print.", "Make the base thinner, or the print higher.")
    vertices = (vertices - [0.0, 0.0, vertices[:, 2].min()]) * (settings.body_mm / height)
    detail_mm = max(settings.detail_mm, float(np.ptp(vertices, axis=0).max()) / MOST_VOXELS)
    floor_mm = settings.floor_mm
    if settings.base == "PLATE":
        vertices, triangles = _on_plate(vertices, triangles, settings.plate_mm, detail_mm)
    with open_workshop():
        solid = _united(vertices, triangles, detail_mm, floor_mm)
    for rim in _RIMS if floor_mm is not None else _RIMS[:1]:
        found, pieces = solids_of(solid if floor_mm is None else _flattened(solid, floor_mm, rim * detail_mm))
        found = welded(sized(found, settings.height_mm)) if len(found.triangles) else found
        if len(found.triangles) and is_watertight(found.triangles):
            break
    else:
        raise ExportFailed(
            phrase(
                "{name} did not become a closed solid at a detail of {detail:.2f} mm.",
                name=subject.name,
                detail=detail_mm,
            ),
            "Choose another detail, or close the mesh's large holes first.",
        )
    size = np.ptp(found.vertices, axis=0)
    return Print(found, tuple(size.tolist()), volume_of(found) / _MM3_PER_CM3, pieces, detail_mm)


def seen_surface(subject: Subject) -> tuple[np.ndarray, np.ndarray]:
    """vertices (V, 3) float64 in the world, triangles (T, 3) of all meshes as they are seen. Raises FigureUnusable."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    vertices, triangles, count = [], [], 0
    for item in subject.meshes:
        seen = item.evaluated_get(depsgraph)
        data = seen.to_mesh()
        try:
            data.calc_loop_triangles()
            points, corners = _read(data.vertices, "co", np.float32), _read(data.loop_triangles, "vertices", np.int32)
        finally:
            seen.to_mesh_clear()
        place = np.array(seen.matrix_world)
        vertices.append(points @ place[:3, :3].T + place[:3, 3])
        triangles.append(corners[:, ::-1] + count if np.linalg.det(place[:3, :3]) < 0 else corners + count)
        count += len(points)
    points, corners = np.concatenate(vertices), np.concatenate(triangles).astype(np.int64)
    if not len(corners) or not np.isfinite(points).all() or np.ptp(points[:, 2]) <= 0:
        raise FigureUnusable(
            phrase("{name} has no faces, or no height.", name=subject.name),
            "Select a figure or a mesh with a body.",
        )
    used, renumbered = np.unique(corners, return_inverse=True)
    return points[used], renumbered.reshape(-1, 3)


def _read(collection: bpy.types.bpy_prop_collection, name: str, kind: type) -> np.ndarray:
    values = np.empty(3 * len(collection), kind)
    collection.foreach_get(name, values)
    return values.reshape(-1, 3)


def _on_plate(
    vertices: np.ndarray, triangles: np.ndarray, thickness_mm: float, detail_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """The surface with a round plate below it, whose top is a little above the soles. It is wider than the feet, and
    reaches below the middle of the figure.
    """
    low = vertices[:, 2] <= _FOOTPRINT * np.ptp(vertices[:, 2])
    ground = np.concatenate([vertices[low, :2], vertices[:, :2].mean(axis=0)[None]])
    middle = (ground.min(axis=0) + ground.max(axis=0)) / 2
    radius = np.linalg.norm(ground - middle, axis=1).max() + _PLATE_MARGIN * np.ptp(vertices[:, 2])
    angles = np.arange(_PLATE_SIDES) * 2 * np.pi / _PLATE_SIDES
    ring = middle + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    above, below = _SUNK * detail_mm, -thickness_mm
    corners = np.concatenate(
        [
            np.c_[ring, np.full(len(ring), below)],
            np.c_[ring, np.full(len(ring), above)],
            [[*middle, below], [*middle, above]],
        ]
    )
    here = np.arange(_PLATE_SIDES)
    there, bottom, top = np.roll(here, -1), 2 * _PLATE_SIDES, 2 * _PLATE_SIDES + 1
    sides = np.concatenate(
        [
            np.stack([here, there, there + _PLATE_SIDES], axis=1),
            np.stack([here, there + _PLATE_SIDES, here + _PLATE_SIDES], axis=1),
            np.stack([there, here, np.full_like(here, bottom)], axis=1),
            np.stack([here + _PLATE_SIDES, there + _PLATE_SIDES, np.full_like(here, top)], axis=1),
        ]
    )
    return np.concatenate([vertices, corners]), np.concatenate([triangles, sides + len(vertices)])


def _united(vertices: np.ndarray, triangles: np.ndarray, detail_mm: float, floor_mm: float | None) -> Solid:
    """What is inside of any closed part, its holes filled, above the floor where there is one."""
    mesh = bpy.data.meshes.new("Print")
    mesh.from_pydata(vertices.tolist(), [], triangles.tolist())
    edited = bmesh.new()
    try:
        edited.from_mesh(mesh)
        bmesh.ops.remove_doubles(edited, verts=edited.verts, dist=_WELD * detail_mm)
        if floor_mm is not None:
            parts = [*edited.verts, *edited.edges, *edited.faces]
            level, up = (0.0, 0.0, floor_mm), (0.0, 0.0, 1.0)
            bmesh.ops.bisect_plane(edited, geom=parts, plane_co=level, plane_no=up, clear_inner=True)
        for _ in range(_FILL_ROUNDS):
            edges = [edge for edge in edited.edges if edge.is_boundary]
            if edges:
                bmesh.ops.holes_fill(edited, edges=edges, sides=0)
        bmesh.ops.recalc_face_normals(edited, faces=edited.faces)
        bmesh.ops.triangulate(edited, faces=edited.faces)
        edited.to_mesh(mesh)
    finally:
        edited.free()
    item = bpy.data.objects.new("Print", mesh)
    bpy.context.scene.collection.objects.link(item)
    remesh = item.modifiers.new("Remesh", "REMESH")
    remesh.mode, remesh.voxel_size, remesh.adaptivity = "VOXEL", detail_mm, 0.0
    depsgraph = bpy.context.evaluated_depsgraph_get()
    seen = item.evaluated_get(depsgraph)
    return _solid(seen.data)


def _flattened(solid: Solid, floor_mm: float, rim_mm: float) -> Solid:
    """With an exactly flat underside, whose rim may have been rounded off so far."""
    vertices = solid.vertices.copy()
    vertices[vertices[:, 2] < floor_mm + rim_mm, 2] = floor_mm
    return Solid(vertices, solid.triangles)


def _solid(mesh: bpy.types.Mesh) -> Solid:
    mesh.calc_loop_triangles()
    vertices = _read(mesh.vertices, "co", np.float32).astype(np.float64)
    return Solid(vertices, _read(mesh.loop_triangles, "vertices", np.int32).astype(np.int64))
