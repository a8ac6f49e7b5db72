# SPDX-License-Identifier: GPL-3.0-or-later
"""What a voxel looks like: where each small mesh goes, and all of them as one mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .arrays import Bools, Bytes, Floats, Ints
from .errors import GapOutOfRange, TooManyFaces
from .faces import QuadMesh
from .lattice import Lattice
from .pieces import Piece, cube, rounded_cube, sphere, stud
from .shell import Shell

Shape = Literal["CUBE", "ROUNDED", "BRICK", "SPHERE"]

MOST_FACES = 1_000_000  # of a figure whose voxels are meshes of their own: Blender draws it, and edits it slowly
WIDEST_GAP = 0.5  # of a voxel: with more, what is behind would be all that is seen
BRICK_SEAM = 0.03  # of a voxel between bricks, as 0.2 of 8 mm: without, they could not be told apart
BRICK_LENGTH, BRICK_WIDTH = 4, 2  # voxels of the largest brick
CORE_DEPTH, SPHERE_CORE_DEPTH = 0.15, 0.35  # of a piece, how far below its top what is behind the pieces lies
UP = 4  # the direction of DIRECTIONS that leads to the voxel above


@dataclass(frozen=True)
class VoxelStyle:
    """gap: between voxels, as a share of the voxel, 0 to WIDEST_GAP."""

    shape: Shape = "CUBE"
    gap: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.gap <= WIDEST_GAP:
            raise GapOutOfRange(self.gap, WIDEST_GAP)

    @property
    def is_plain(self) -> bool:
        """Whether voxels are cubes that touch: then the figure is one surface and needs no pieces."""
        return self.shape == "CUBE" and self.gap == 0

    @property
    def edge(self) -> float:
        """Of a piece, in voxels."""
        return 1 - (max(self.gap, BRICK_SEAM) if self.shape == "BRICK" else self.gap)

    @property
    def core_inset(self) -> float:
        """How far below the voxels' own surface what is behind the pieces lies, in voxels."""
        depth = SPHERE_CORE_DEPTH if self.shape == "SPHERE" else CORE_DEPTH
        return (1 - self.edge) / 2 + depth * self.edge

    @property
    def body(self) -> Piece:
        """The mesh of every voxel."""
        made = {"CUBE": cube, "BRICK": cube, "ROUNDED": rounded_cube, "SPHERE": sphere}[self.shape]
        return made(self.edge)

    @property
    def stud(self) -> Piece:
        """What stands on a brick with nothing above it."""
        return stud(self.edge)


@dataclass(frozen=True)
class Instances:
    """Where pieces stand. centres: float64 (N, 3), the mesh's frame and unit. sizes: float64 (N, 3), factors along the
    axes. is_stud: bool (N,), ascending: the style's stud and not its body. voxels: int64 (N,), the voxel, of those that
    the pieces were made for, that each stands for.
    """

    centres: Floats
    sizes: Floats
    is_stud: Bools
    voxels: Ints


@dataclass(frozen=True)
class PiecesMesh:
    """All pieces as one mesh. vertex_voxels: int64 (V,) and quad_voxels: int64 (Q,), as Instances.voxels. normals:
    float64 (V, 3), None where faces are flat.
    """

    mesh: QuadMesh
    vertex_voxels: Ints
    quad_voxels: Ints
    normals: Floats | None


def open_above(shell: Shell) -> Bools:
    """(N,): which voxels of the shell have nothing above them."""
    return np.asarray((shell.sides >> UP & 1).astype(bool))


def separate_pieces(lattice: Lattice, cells: Ints, is_open: Bools, style: VoxelStyle) -> Instances:
    """A piece for every voxel, and after them the studs. cells: (N,), flat. is_open: (N,), nothing is above."""
    studs = np.flatnonzero(is_open) if style.shape == "BRICK" else np.zeros(0, np.int64)
    voxels = np.concatenate([np.arange(len(cells)), studs])
    return Instances(
        lattice.to_points(lattice.unflat(cells[voxels]) + 0.5),
        np.ones((len(voxels), 3)),
        np.arange(len(voxels)) >= len(cells),
        voxels,
    )


def shell_pieces(lattice: Lattice, shell: Shell, colour: Bytes, style: VoxelStyle) -> Instances:
    """The pieces of a figure that does not move: bricks of one colour are joined to larger ones.

    colour: (N,), of the shell's rows, which are the voxels.
    """
    single = separate_pieces(lattice, shell.cells, open_above(shell), style)
    if style.shape != "BRICK":
        return single
    studs = np.flatnonzero(single.is_stud)
    places, spans, rows = _joined(lattice.unflat(shell.cells), colour)
    return Instances(
        np.concatenate([lattice.to_points(places + spans / 2), single.centres[studs]]),
        np.concatenate([(spans - 1 + style.edge) / style.edge, single.sizes[studs]]),
        np.arange(len(rows) + len(studs)) >= len(rows),
        np.concatenate([rows, single.voxels[studs]]),
    )


def pieces_mesh(lattice: Lattice, instances: Instances, style: VoxelStyle) -> PiecesMesh:
    """The pieces as one mesh. Raises TooManyFaces."""
    parts = [
        (style.body, np.flatnonzero(~instances.is_stud)),
        (style.stud, np.flatnonzero(instances.is_stud)),
    ]
    count = sum(len(piece.quads) * len(own) for piece, own in parts)
    if count > MOST_FACES:
        raise TooManyFaces(count, MOST_FACES)
    vertices, quads, vertex_owner, quad_owner, normals, total = [], [], [], [], [], 0
    for piece, own in parts:
        spread = piece.vertices * instances.sizes[own][:, None] * lattice.pitch
        vertices.append((instances.centres[own][:, None] + spread).reshape(-1, 3))
        first = total + np.arange(len(own)) * len(piece.vertices)
        quads.append((piece.quads + first[:, None, None]).reshape(-1, 4))
        vertex_owner.append(np.repeat(own, len(piece.vertices)))
        quad_owner.append(np.repeat(own, len(piece.quads)))
        if piece.normals is not None:
            normals.append(np.tile(piece.normals, (len(own), 1)))
        total += len(own) * len(piece.vertices)
    cells = lattice.flat(np.floor(lattice.to_cells(instances.centres)).astype(np.int64))
    owner = np.concatenate(quad_owner)
    return PiecesMesh(
        QuadMesh(np.concatenate(vertices), np.concatenate(quads), cells[owner]),
        instances.voxels[np.concatenate(vertex_owner)],
        instances.voxels[owner],
        np.concatenate(normals) if normals else None,
    )


def _joined(places: Ints, colour: Bytes) -> tuple[Ints, Ints, Ints]:
    """Voxels of one colour and layer as bricks of up to BRICK_LENGTH × BRICK_WIDTH, laid across from layer to layer.

    places: (N, 3) cells. Returns the lowest cells (B, 3), spans (B, 3) and one of the rows (B,) of each.
    """
    turned = places[:, 2] % 2
    along = np.where(turned, places[:, 1], places[:, 0])
    across = np.where(turned, places[:, 0], places[:, 1])
    rows = np.lexsort((along, across, places[:, 2]))
    starts, lengths = _short_runs(along[rows], [across[rows], places[rows, 2], colour[rows]], BRICK_LENGTH)
    rows = rows[starts]
    order = np.lexsort((across[rows], lengths, along[rows], places[rows, 2]))
    rows, lengths = rows[order], lengths[order]
    starts, widths = _short_runs(across[rows], [along[rows], lengths, places[rows, 2], colour[rows]], BRICK_WIDTH)
    rows, lengths = rows[starts], lengths[starts]
    spans = np.ones((len(rows), 3), np.int64)
    flip = turned[rows].astype(bool)
    spans[:, 0], spans[:, 1] = np.where(flip, widths, lengths), np.where(flip, lengths, widths)
    return places[rows], spans, rows


def _short_runs(moving: Ints, equal: list[Ints | Bytes], longest: int) -> tuple[Ints, Ints]:
    """First row and length of the runs of rows in which `moving` grows by one and the others stay, cut at `longest`."""
    goes_on = moving[1:] == moving[:-1] + 1
    for column in equal:
        goes_on &= column[1:] == column[:-1]
    begins = np.concatenate([[True], ~goes_on])
    place = np.arange(len(moving)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    starts = np.flatnonzero(place % longest == 0)
    return starts, np.diff(starts, append=len(moving))
