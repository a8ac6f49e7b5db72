# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures for a 3D printer: walls in millimetres, holes that drain what is inside, and a closed surface."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..phrases import phrase
from .arrays import Bools, Ints, component_labels
from .errors import SizeOutOfRange
from .faces import QuadMesh, shell_quads
from .fill import VoxelGrid, hollow
from .lattice import Lattice
from .shell import Shell

MM3_PER_CM3 = 1000.0
TALLEST_mm, THICKEST_mm = 10_000.0, 1000.0
SMALLEST_HOLLOW_cells = 27  # a smaller one saves next to nothing, and would need a hole
WHOLE = 1e-6  # of a voxel: a wall this little thicker than whole voxels is not given another one


@dataclass(frozen=True)
class PrintSettings:
    """height_mm: of the printed figure. wall_mm: at least so thick; 0 for a solid figure. drain_mm: edge of a square
    hole at the lowest place of every hollow, at least so wide; 0 for none.
    """

    height_mm: float = 100.0
    wall_mm: float = 0.0
    drain_mm: float = 0.0

    def __post_init__(self) -> None:
        for what, value, most in (
            ("The printed height", self.height_mm, TALLEST_mm),
            ("The wall", self.wall_mm, THICKEST_mm),
            ("The drain hole", self.drain_mm, THICKEST_mm),
        ):
            if not 0 <= value <= most or (value == 0 and what == "The printed height"):
                raise SizeOutOfRange.in_millimetres(what, most, value)


@dataclass(frozen=True)
class PrintReport:
    """voxel_mm: edge of a voxel. wall_mm: as it became, 0 for a solid figure. material_cm3: of the figure; solid_cm3:
    with the hollows filled. hollows: that are shut off from each other. drains: holes that were made.
    """

    voxel_mm: float
    wall_mm: float
    material_cm3: float
    solid_cm3: float
    hollows: int
    drains: int

    @property
    def sentence(self) -> str:
        """What the artist is told."""
        if not self.hollows:
            return phrase(
                "{material:.1f} cm³ of material; voxels of {voxel:.2f} mm.",
                material=self.material_cm3,
                voxel=self.voxel_mm,
            )
        return phrase(
            "{material:.1f} cm³ of material instead of {solid:.1f}: walls of {wall:.2f} mm{holes}; voxels of "
            "{voxel:.2f} mm.",
            material=self.material_cm3,
            solid=self.solid_cm3,
            wall=self.wall_mm,
            holes=self._holes(),
            voxel=self.voxel_mm,
        )

    def _holes(self) -> str:
        if self.drains == 1:
            return phrase(", 1 drain hole")
        return phrase(", {count} drain holes", count=self.drains) if self.drains else ""


def make_printable(grid: VoxelGrid, settings: PrintSettings) -> tuple[VoxelGrid, PrintReport]:
    """The solid figure with walls and drain holes of whole voxels, and no two voxels that meet in an edge alone.

    Raises SizeOutOfRange where walls are too thick.
    """
    voxel_mm = settings.height_mm / _height(grid)
    wall = _whole_voxels(settings.wall_mm, voxel_mm)
    body = grid.solid.copy()
    _join_edges(body, ~body)
    solid = hollow(replace(grid, solid=body), wall).solid if wall else body.copy()
    _join_edges(solid, body & ~solid)
    hollows = _hollows(grid.lattice, body & ~solid)
    for cells in [cells for cells in hollows if len(cells) < SMALLEST_HOLLOW_cells]:
        solid.reshape(-1)[cells] = True
    hollows = [cells for cells in hollows if len(cells) >= SMALLEST_HOLLOW_cells]
    if settings.drain_mm:
        _drain(solid, body, hollows, _whole_voxels(settings.drain_mm, voxel_mm))
    report = PrintReport(
        voxel_mm,
        wall * voxel_mm,
        int(solid.sum()) * voxel_mm**3 / MM3_PER_CM3,
        int(body.sum()) * voxel_mm**3 / MM3_PER_CM3,
        len(hollows),
        len(hollows) if settings.drain_mm else 0,
    )
    return replace(grid, solid=solid), report


def _height(grid: VoxelGrid) -> int:
    layers = np.flatnonzero(grid.solid.any(axis=(0, 1)))
    return int(layers[-1] - layers[0]) + 1


def _whole_voxels(length_mm: float, voxel_mm: float) -> int:
    return int(np.ceil(length_mm / voxel_mm - WHOLE))


def _hollows(lattice: Lattice, taken: Bools) -> list[Ints]:
    """The taken cells, flat, in groups that are connected through faces."""
    cells = np.flatnonzero(taken)
    row_of = np.full(lattice.cell_count, -1, np.int64)
    row_of[cells] = np.arange(len(cells))
    pairs = []
    for step in lattice.steps:
        near = row_of[cells + step]
        pairs.append(np.stack([np.flatnonzero(near >= 0), near[near >= 0]]))
    label = component_labels(len(cells), *np.concatenate(pairs, axis=1))
    order = np.argsort(label, kind="stable")
    groups: list[Ints] = np.split(cells[order], np.flatnonzero(np.diff(label[order])) + 1)
    return groups if len(cells) else []


def _join_edges(solid: Bools, is_fillable: Bools) -> None:
    """Fill a cell wherever two voxels meet in no more than an edge, until none do: it holds nothing, and is no surface.

    Of the two free cells at such an edge the lower one is filled, or the front one, if it is fillable; else the other.
    """
    flat, fillable = solid.reshape(-1), is_fillable.reshape(-1)
    steps = solid.shape[1] * solid.shape[2], solid.shape[2], 1
    while True:
        chosen = []
        for one, other in ((0, 1), (0, 2), (1, 2)):
            a, b = steps[one], steps[other]
            corner = [flat[at : len(flat) - a - b + at] for at in (0, a, b, a + b)]
            rising = np.flatnonzero(corner[0] & corner[3] & ~corner[1] & ~corner[2])
            falling = np.flatnonzero(corner[1] & corner[2] & ~corner[0] & ~corner[3])
            for first, second in ((rising + a, rising + b), (falling, falling + a + b)):
                fills = np.where(fillable[first], first, second)
                chosen.append(fills[fillable[fills]])
        cells = np.concatenate(chosen)
        if not len(cells):
            return
        flat[cells] = True


def _drain(solid: Bools, body: Bools, hollows: list[Ints], edge: int) -> None:
    """Cut a shaft straight down from the lowest place of each hollow, the one nearest to the hollow's middle.

    It is no wider than the hollow above it, so that the walls stay.
    """
    is_shaft = np.zeros_like(solid)
    for hollow_cells in hollows:
        own = np.stack(np.unravel_index(hollow_cells, solid.shape), axis=1)
        lowest = own[own[:, 2] == own[:, 2].min()]
        x, y, z = lowest[((lowest[:, :2] - own[:, :2].mean(0)) ** 2).sum(1).argmin()].tolist()
        below = np.flatnonzero(~body[x, y, :z])[-1]
        first = np.array([x, y]) - (edge - 1) // 2
        columns = own[((own[:, :2] >= first) & (own[:, :2] < first + edge)).all(1), :2]
        is_shaft[columns[:, 0], columns[:, 1], below + 1 : z + 1] = True
    solid &= ~is_shaft
    _join_edges(solid, ~(solid | is_shaft))


def print_mesh(grid: VoxelGrid, shell: Shell) -> QuadMesh:
    """The surface as a closed manifold: every edge has exactly two faces, and no T-junction.

    Where two voxels share no more than an edge or a corner, each has its own.
    """
    mesh = shell_quads(grid.lattice, shell)
    count = len(mesh.quads)
    corner = np.arange(count * 4)
    after = corner - corner % 4 + (corner + 1) % 4
    ends = np.sort(np.stack([mesh.quads.reshape(-1), mesh.quads.reshape(-1)[after]], axis=1), axis=1)
    # The faces of one voxel at an edge belong together; faces of two that continue each other are the only ones there.
    cell = mesh.cells[corner // 4]
    order = np.lexsort((cell, ends[:, 1], ends[:, 0]))
    first, second = order[::2], order[1::2]
    turned = mesh.quads.reshape(-1)[first] != mesh.quads.reshape(-1)[second]
    pairs_a = np.concatenate([first, after[first]])
    pairs_b = np.concatenate([np.where(turned, after[second], second), np.where(turned, second, after[second])])
    label = component_labels(len(corner), pairs_a, pairs_b)
    distinct, quads = np.unique(label, return_inverse=True)
    return QuadMesh(mesh.vertices[mesh.quads.reshape(-1)[distinct]], quads.reshape(-1, 4), mesh.cells)
