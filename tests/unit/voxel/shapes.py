# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes whose exact cells are known, and a look at voxels that shares nothing with the product."""

from __future__ import annotations

import numpy as np
import trimesh

from blender_addon.voxel.fill import VoxelGrid, occupy
from blender_addon.voxel.lattice import fit_lattice
from blender_addon.voxel.mesh import Influences, Material, SurfaceMesh, check_mesh


def of(mesh: trimesh.Trimesh) -> SurfaceMesh:
    return SurfaceMesh(np.asarray(mesh.vertices), np.asarray(mesh.faces))


def sphere(radius: float = 1.0, finer: int = 5) -> SurfaceMesh:
    return of(trimesh.creation.icosphere(subdivisions=finer, radius=radius))


def box(extents: tuple[float, float, float], bounds_low: tuple[float, float, float] = (0, 0, 0)) -> SurfaceMesh:
    made = trimesh.creation.box(extents)
    made.apply_translation(np.array(extents) / 2 + bounds_low)
    return of(made)


def join(*meshes: SurfaceMesh) -> SurfaceMesh:
    counts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return SurfaceMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + count for mesh, count in zip(meshes, counts, strict=False)]),
    )


def voxels(mesh: SurfaceMesh, size: int, **options: str) -> VoxelGrid:
    checked = check_mesh(mesh)
    return occupy(checked, fit_lattice(checked.vertices, checked.triangles, size), **options)


def centres(grid: VoxelGrid) -> np.ndarray:
    """(X, Y, Z, 3) middles of all cells in the mesh's frame."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.lattice.shape], indexing="ij"), axis=-1)
    return grid.lattice.origin + (index + 0.5) * grid.lattice.pitch


def touches_box(triangle: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether a triangle and a box meet, by the thirteen axes that could part them."""
    middle, half = (low + high) / 2, (high - low) / 2
    corners = triangle - middle
    edges = np.roll(corners, -1, axis=0) - corners
    axes = [*np.eye(3), np.cross(edges[0], edges[1])]
    axes += [np.cross(edge, axis) for edge in edges for axis in np.eye(3)]
    for axis in axes:
        shadow, reach = corners @ axis, np.abs(axis) @ half
        if shadow.min() > reach or shadow.max() < -reach:
            return False
    return True


def limb(bend_axis: int = 1, sections: int = 24) -> tuple[SurfaceMesh, np.ndarray, np.ndarray]:
    """An upright limb of radius 1 from z = 0 to 8 with two bones that meet at z = 4: mesh, heads, parents."""
    made = trimesh.creation.capsule(height=6.0, radius=1.0, count=[sections, sections])
    made.apply_translation([0, 0, -made.bounds[0, 2]])
    made = made.subdivide_to_size(0.5)
    vertices = np.asarray(made.vertices)
    upper = np.clip((vertices[:, 2] - 3.5) / 1.0, 0, 1)
    bones = np.tile([0, 1], (len(vertices), 1))
    weights = np.stack([1 - upper, upper], axis=1).astype(np.float32)
    mesh = SurfaceMesh(
        vertices, np.asarray(made.faces), materials=(Material((0.8, 0.2, 0.1)),), influences=Influences(bones, weights)
    )
    return mesh, np.array([[0, 0, 0], [0, 0, 4.0]]), np.array([-1, 0])
