# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of an animation as voxels: of one lattice, so that they do not swim, in the colours of the rest pose."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .arrays import Bools, Bytes, Floats, Ints, corners_of, distinct, taken, unit_normals
from .colour import blend
from .errors import MeshUnusable, SizeOutOfRange
from .faces import QuadMesh, merged_quads
from .fill import occupy
from .lattice import MOST_CELLS, Lattice, PAD_cells, TOLERANCE_cells
from .mesh import SurfaceMesh, check_mesh
from .palette import MOST_COLOURS
from .samples import Samples, borrow, rows_near, sample_surface
from .shell import find_shell
from .transparency import opaque_samples, without_transparent_faces
from .voxelize import VoxelFigure, VoxelSettings, voxelize


@dataclass(frozen=True, eq=False)
class Actor:
    """What plays the animation. mesh: its rest pose, checked. figure: the voxels of that."""

    mesh: SurfaceMesh
    figure: VoxelFigure
    settings: VoxelSettings


@dataclass(frozen=True, eq=False)
class VoxelFrame:
    """quads: rectangles of one colour. colour: uint8 (Q,), the index in the actor's palette."""

    quads: QuadMesh
    colour: Bytes


def cast(mesh: SurfaceMesh, settings: VoxelSettings) -> Actor:
    """The mesh in its rest pose, ready to be voxelized in others. Raises VoxelError."""
    figure = voxelize(mesh, settings)
    return Actor(without_transparent_faces(check_mesh(mesh)), figure, settings)


def voxel_frame(actor: Actor, vertices: Floats) -> VoxelFrame:
    """The voxels of one pose. vertices: float64 (V, 3), where the rest pose's are now, in the same frame and unit.

    Every point of the surface has the colour of the voxel that it lies in at rest, so colours move with it and never
    change. Raises MeshUnusable, SizeOutOfRange.
    """
    if np.shape(vertices) != actor.mesh.vertices.shape:
        raise MeshUnusable("a modifier changes the number of its vertices from frame to frame", "Apply it first.")
    mesh = check_mesh(replace(actor.mesh, vertices=vertices, influences=None))
    lattice = lattice_around(actor.figure.grid.lattice, mesh.vertices[mesh.triangles])
    grid = occupy(mesh, lattice, actor.settings.openings)
    shell = find_shell(grid)
    samples = opaque_samples(mesh, sample_surface(mesh, lattice, shell))
    colour, has = _voted(samples, _rest_colours(actor, samples), len(shell.cells))
    if not has.any():
        raise MeshUnusable("none of its faces can be seen from outside")
    colour = colour[borrow(lattice, shell, has)]
    quads = merged_quads(lattice, shell, colour)
    return VoxelFrame(quads, colour[shell.rows(quads.cells)])


def lattice_around(fixed: Lattice, corners: Floats) -> Lattice:
    """The part of the endless lattice through `fixed` that holds the corners (F, 3, 3). Raises SizeOutOfRange."""
    places = fixed.to_cells(corners)
    low = np.floor(places.min((0, 1)) + TOLERANCE_cells).astype(np.int64) - PAD_cells
    high = np.ceil(places.max((0, 1)) - TOLERANCE_cells).astype(np.int64) + PAD_cells
    shape = np.maximum(high - low, 1 + 2 * PAD_cells)
    total = int(np.prod(shape, dtype=object))
    if total > MOST_CELLS:
        raise SizeOutOfRange.too_wide(total, MOST_CELLS)
    return Lattice(fixed.to_points(low), fixed.pitch, (int(shape[0]), int(shape[1]), int(shape[2])))


def _rest_colours(actor: Actor, samples: Samples) -> Ints:
    """The palette's index (S,) of the voxel that each point lies in at rest; -1 where it is hidden there."""
    lattice, shell = actor.figure.grid.lattice, actor.figure.shell
    corners = corners_of(lattice.to_cells(actor.mesh.vertices), actor.mesh.triangles)
    normals, _ = unit_normals(corners)
    points = np.asarray(blend(corners.astype(np.float32), samples), np.float64)
    row = rows_near(points, taken(normals, samples.face), lattice, shell)
    return np.where(row >= 0, actor.figure.colour[row].astype(np.int64), -1)


def _voted(samples: Samples, colours: Ints, count: int) -> tuple[Bytes, Bools]:
    """For each of `count` rows the colour of most of its surface, and whether it has one."""
    told = np.flatnonzero(colours >= 0)
    keys, which = distinct(samples.row[told] * (MOST_COLOURS + 1) + colours[told])
    row, colour = np.divmod(keys, MOST_COLOURS + 1)
    order = np.lexsort((np.bincount(which, samples.weight[told], len(keys)), row))
    chosen = np.zeros(count, np.uint8)
    chosen[row[order]] = colour[order]  # the last, the heaviest, stays
    has = np.zeros(count, bool)
    has[row] = True
    return chosen, has
