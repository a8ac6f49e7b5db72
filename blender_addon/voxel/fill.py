# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cells are solid.

A cell is solid where its centre lies in a closed part of the mesh, where the mesh shuts it off from the outside, and
where an open part, or a part too thin to hold a centre, touches it. So volumes keep their size, and nothing is lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..phrases import phrase
from .arrays import Bools, Floats, Ints
from .bridges import bridges
from .errors import MeshUnusable, SizeOutOfRange
from .flood import outside
from .lattice import Lattice, PAD_cells
from .mesh import SurfaceMesh
from .parts import Openings, split_parts
from .touching import crossings, mark_touched

BORDER_cells = 1e-6  # a surface this near to the grid's end lies in its last cell
TIE_cells = 1e-5  # a centre on the surface is outside, so that left and right agree
HOLLOW_SHARE = 0.01  # of the solid cells: less behind an opening is not worth a word
SAME_SIDES = 0.7  # of the cells with a mirror image: with fewer, parts may have been doubled or lost
AXES_NEEDED = 2  # of three lines through a centre that must find it inside
_AROUND = [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if (x, y, z) != (0, 0, 0)]


@dataclass(frozen=True)
class VoxelGrid:
    """solid: bool lattice.shape, its border free. openings_closed, openings_left: of the mesh. hollow_cells: free cells
    that the openings that are left lead into. matched_share: of the cells of a figure that was made the same on both
    sides, how many had their mirror image before.
    """

    lattice: Lattice
    solid: Bools
    openings_closed: int = 0
    openings_left: int = 0
    hollow_cells: int = 0
    matched_share: float = 1.0

    @property
    def warning(self) -> str:
        """What the artist should know about the mesh, in a few sentences; empty where there is nothing."""
        openings, symmetry = self._openings_sentence(), self._symmetry_sentence()
        if openings and symmetry:
            return phrase("{openings} {symmetry}", openings=phrase(openings), symmetry=phrase(symmetry))
        return openings or symmetry

    def _symmetry_sentence(self) -> str:
        if self.matched_share >= SAME_SIDES:
            return ""
        return phrase(
            "The two sides of the mesh differ: {share:.0%} of the voxels had a mirror image. If it looks wrong, choose "
            "no symmetry, or the other side.",
            share=self.matched_share,
        )

    def _openings_sentence(self) -> str:
        if self.hollow_cells <= HOLLOW_SHARE * self.solid.sum():
            return ""
        if self.openings_left == 1:
            return phrase(
                "1 large opening is left in the mesh, and what lies behind is hollow: {cells:,} voxels. Close all "
                "openings to fill it.",
                cells=self.hollow_cells,
            )
        return phrase(
            "{count} large openings are left in the mesh, and what lies behind is hollow: {cells:,} voxels. Close all "
            "openings to fill it.",
            count=self.openings_left,
            cells=self.hollow_cells,
        )


def occupy(mesh: SurfaceMesh, lattice: Lattice, openings: Openings = "SMALL") -> VoxelGrid:
    """The cells of a checked mesh. Raises MeshUnusable where no face has an area."""
    places = np.clip(lattice.to_cells(mesh.vertices), PAD_cells, np.array(lattice.shape) - PAD_cells - BORDER_cells)
    is_used = np.zeros(len(places), bool)
    is_used[mesh.triangles] = True
    parts = split_parts(places[is_used], (np.cumsum(is_used) - 1)[mesh.triangles], openings)
    solid, touched_open = lattice.empty(), lattice.empty()
    mark_touched(touched_open, parts.open_)
    touched = lattice.empty()
    mark_touched(touched, parts.closed)
    walls = touched | touched_open
    if not walls.any():
        raise MeshUnusable("none of its faces has an area")
    surface = np.flatnonzero(touched)
    np.logical_or(walls, outside(walls), out=solid)
    np.logical_not(solid, out=solid)
    solid.reshape(-1)[surface[_holds_centre(parts.closed, lattice, surface)]] = True
    thin = surface[_is_lost(solid, lattice, surface)]
    if len(thin):
        kept = touched.reshape(-1)
        for step in (lattice.flat(np.array(around)) for around in [*_AROUND, (0, 0, 0)]):
            near = thin + step
            solid.reshape(-1)[near[kept[near]]] = True
    solid |= touched_open
    solid.reshape(-1)[bridges(solid, walls, lattice)] = True
    # Between parts that shut off a room together, the layer of cells that both only touch is inside too.
    solid = ~outside(solid)
    hollow_cells = _cells_behind(parts.gaps, walls, solid) if parts.openings_left else 0
    return VoxelGrid(lattice, solid, parts.openings_closed, parts.openings_left, hollow_cells)


def _cells_behind(gaps: Floats, walls: Bools, solid: Bools) -> int:
    """How many free cells the openings lead into."""
    lids = np.zeros_like(walls)
    mark_touched(lids, gaps)
    lids |= walls
    return int(np.count_nonzero(~(outside(lids) | solid | lids)))


def _holds_centre(corners: Floats, lattice: Lattice, cells: Ints) -> Bools:
    """Which cells have their centre inside of closed, outward faces, (F, 3, 3) in cells: by the winding number."""
    at = lattice.unflat(cells)
    votes = np.zeros(len(cells), np.int64)
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        cu, cv, depth, sign = crossings(corners, axis)
        span, deep = lattice.shape[v], lattice.shape[axis]
        depth = np.clip(depth + sign * TIE_cells, 0, deep - BORDER_cells)
        place = (cu * span + cv) * deep + depth
        order = np.argsort(place)
        winding = np.concatenate([[0], np.cumsum(sign[order])])
        line = (at[:, u] * span + at[:, v]) * deep
        before = np.searchsorted(place[order], line + at[:, axis] + 0.5)
        votes += winding[before] - winding[np.searchsorted(place[order], line)] > 0
    return np.asarray(votes >= AXES_NEEDED)


def _is_lost(solid: Bools, lattice: Lattice, cells: Ints) -> Bools:
    """Which cells have nothing solid among themselves and their 26 neighbours."""
    flat = solid.reshape(-1)
    lost = ~flat[cells]
    for around in _AROUND:
        rows = np.flatnonzero(lost)
        lost[rows] = ~flat[cells[rows] + lattice.flat(np.array(around))]
    return lost


def hollow(grid: VoxelGrid, wall_cells: int) -> VoxelGrid:
    """Keep a wall of so many cells, corners included. Raises SizeOutOfRange."""
    if wall_cells < 1 or wall_cells > max(grid.lattice.shape):
        raise SizeOutOfRange("The wall's thickness in voxels", 1, max(grid.lattice.shape), wall_cells)
    core = grid.solid
    for _ in range(wall_cells):
        core = _shrunk(core)
    return replace(grid, solid=grid.solid & ~core)


def _shrunk(solid: Bools) -> Bools:
    """The cells all of whose 26 neighbours are solid. The border must be free."""
    for axis in range(3):
        solid = solid & np.roll(solid, 1, axis) & np.roll(solid, -1, axis)
    return solid
