# SPDX-License-Identifier: GPL-3.0-or-later
"""The small meshes that stand for one voxel: a cube, a rounded one, a sphere, and the stud of a brick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Floats, Ints

ROUNDING = 0.18  # radius of a rounded cube's edges, of its own edge
SPHERE_FACES = 4  # along each of the six sides of the cube that is blown up to a sphere
STUD_RADIUS = 0.3  # of a voxel, as of the common toy brick: 4.8 of 8 mm
STUD_HEIGHT = 0.2  # of a voxel
STUD_SUNK = 0.02  # how deep it begins below the top, so that it leaves no slit
STUD_SIDES = 12
HALF = 0.5


@dataclass(frozen=True)
class Piece:
    """vertices: float64 (V, 3), in voxels from the voxel's middle. quads: int64 (Q, 4), counter-clockwise from outside,
    closed. normals: float64 (V, 3) where it is to look round, None where its faces are flat.
    """

    vertices: Floats
    quads: Ints
    normals: Floats | None = None


def cube(edge: float) -> Piece:
    """A cube with flat faces. edge: in voxels."""
    places, quads = _cube_surface(1)
    return Piece((places - HALF) * edge, quads)


def rounded_cube(edge: float) -> Piece:
    """A cube whose edges are round: a flat middle and two faces around each edge."""
    places, quads = _cube_surface(3)
    radius = ROUNDING * edge
    ticks = np.array([-HALF * edge, radius - HALF * edge, HALF * edge - radius, HALF * edge])
    corners = ticks[places]
    inner = np.clip(corners, ticks[1], ticks[2])
    normals = _unit(corners - inner)
    return Piece(inner + radius * normals, quads, normals)


def sphere(diameter: float) -> Piece:
    """A sphere of even faces. diameter: in voxels."""
    places, quads = _cube_surface(SPHERE_FACES)
    angles = (places / SPHERE_FACES - HALF) * np.pi / 2
    normals = _unit(np.tan(angles))
    return Piece(normals * diameter / 2, quads, normals)


def stud(edge: float) -> Piece:
    """The knob on a brick of this edge: a low upright prism."""
    angle = (np.arange(STUD_SIDES) + HALF) / STUD_SIDES * 2 * np.pi
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * STUD_RADIUS * edge
    low, high = HALF * edge - STUD_SUNK, HALF * edge + STUD_HEIGHT
    vertices = np.concatenate([np.column_stack([ring, np.full(STUD_SIDES, z)]) for z in (low, high)])
    side = np.arange(STUD_SIDES)
    after = (side + 1) % STUD_SIDES
    walls = np.stack([side, after, after + STUD_SIDES, side + STUD_SIDES], axis=1)
    # A disc of quads: from one side of the ring to the other, two corners at each end.
    strip = np.arange(STUD_SIDES // 2 - 1)
    disc = np.stack([(-strip) % STUD_SIDES, strip + 1, strip + 2, (-strip - 1) % STUD_SIDES], axis=1)
    return Piece(vertices, np.concatenate([walls, disc + STUD_SIDES, disc[:, ::-1]]))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _cube_surface(faces: int) -> tuple[Ints, Ints]:
    """The surface of a cube of `faces`³ cells: places (V, 3) of its corners, 0 to `faces`, and quads (Q, 4)."""
    i, j = (index.reshape(-1) for index in np.meshgrid(np.arange(faces), np.arange(faces), indexing="ij"))
    corners = []
    for axis in range(3):
        for level, order in ((0, slice(None, None, -1)), (faces, slice(None))):
            ring = np.zeros((faces * faces, 4, 3), np.int64)
            ring[:, :, axis] = level
            ring[:, :, (axis + 1) % 3] = i[:, None] + [0, 1, 1, 0]
            ring[:, :, (axis + 2) % 3] = j[:, None] + [0, 0, 1, 1]
            corners.append(ring[:, order])
    distinct, quads = np.unique(np.concatenate(corners).reshape(-1, 3), axis=0, return_inverse=True)
    return distinct, quads.reshape(-1, 4)
