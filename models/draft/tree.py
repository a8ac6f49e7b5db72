# SPDX-License-Identifier: GPL-3.0-or-later
"""The curve skeleton of a solid as branches of cells, and a tree of bones along it.

After TEASAR (Sato et al. 2000): shortest paths through the thick middle from one root to the farthest places, each
new path ending where it meets the ones before it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

from .voxels import VoxelGrid

MOST_BRANCHES = 16
MOST_TRIES = 64  # short spikes are passed over, but not for ever
SHORTEST_BRANCH = 0.07  # of the longest side
COVER_FACTOR, COVER_cells = 1.15, 2.0  # a path stands for everything this much beyond its inscribed balls
COVER_STRIDE = 0.25  # of the radius: balls closer than this add next to nothing
SMOOTHING_cells = 2.0  # paths of cells are staircases
STRAIGHT = 0.02  # of the longest side: a bone may leave the path by so much
SHORTEST_BONE, LONGEST_BONE = 0.045, 0.22  # of the longest side
JOINT_BALL = 0.7  # of the inscribed ball at a junction: a limb turns where it leaves the body, not at its centre
MOST_TRIMMED = 0.4  # of a branch
BEND_SAMPLES = 32
SHORTEST_PIECE = 0.4  # of the even share

ROOT_SHARE = 0.5  # of the inscribed ball: how long the root bone is

Cell = tuple[int, int, int]


@dataclass(frozen=True)
class Bone:
    """A bone in cell coordinates (float64 (3,) head and tail) with the name of its parent, "" for the root's."""

    name: str
    role: str
    head: np.ndarray
    tail: np.ndarray
    parent: str


@dataclass(frozen=True)
class Solid:
    """A voxel grid and the distance (float64, cells) from each solid cell to the outside."""

    grid: VoxelGrid
    depth: np.ndarray

    @classmethod
    def of(cls, grid: VoxelGrid) -> "Solid":
        return cls(grid, ndimage.distance_transform_edt(grid.occupied))

    @cached_property
    def cells(self) -> np.ndarray:
        """int64 (N, 3): the solid cells."""
        return np.argwhere(self.grid.occupied)

    @cached_property
    def size_cells(self) -> float:
        return float(np.ptp(self.cells, axis=0).max() + 1)

    def thickest(self) -> Cell:
        """The solid cell farthest from the outside."""
        return tuple(int(i) for i in np.unravel_index(self.depth.argmax(), self.depth.shape))


@dataclass(frozen=True)
class Branch:
    """cells: int (N, 3) from the junction to the tip; it leaves branch `parent` (-1: the root cell) at `junction`."""

    cells: np.ndarray
    parent: int
    junction: int

    @property
    def length_cells(self) -> float:
        return path_length(self.cells)


def path_length(path: np.ndarray) -> float:  # path: (N, 3)
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def nearest_cell(solid: Solid, place: np.ndarray) -> Cell:  # place: (3,) cells
    """The solid cell nearest to a place."""
    return tuple(int(i) for i in solid.cells[np.linalg.norm(solid.cells - place, axis=1).argmin()])


def points_along(path: np.ndarray, parts: tuple[float, ...]) -> np.ndarray:  # path: (N, 3)
    """float64 (K, 3): the points at these shares of a smoothed path's length."""
    path = ndimage.gaussian_filter1d(path.astype(float), SMOOTHING_cells, axis=0, mode="nearest")
    arc = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    return np.stack([np.interp(np.array(parts) * arc[-1], arc, axis) for axis in path.T], axis=1)


def bend_points(path: np.ndarray, pieces: int) -> np.ndarray:  # path: (N, 3)
    """float64 (pieces + 1, 3): the ends of the straight pieces that stay nearest to a smoothed path, by least squares.

    No piece is much shorter than its even share (dynamic programming over BEND_SAMPLES places along the path).
    """
    samples = points_along(path, tuple(np.linspace(0, 1, BEND_SAMPLES)))
    shortest = int(SHORTEST_PIECE * BEND_SAMPLES / pieces)
    cost = np.full((BEND_SAMPLES, BEND_SAMPLES), np.inf)
    for start in range(BEND_SAMPLES):
        for stop in range(start + shortest, BEND_SAMPLES):
            along = samples[stop] - samples[start]
            away = samples[start : stop + 1] - samples[start]
            share = np.clip(away @ along / max(along @ along, 1e-12), 0, 1)
            cost[start, stop] = ((away - share[:, None] * along) ** 2).sum()
    total, before = cost[0], []
    for _ in range(pieces - 1):
        through = total[:, None] + cost
        before.append(through.argmin(0))
        total = through.min(0)
    ends = [BEND_SAMPLES - 1]
    for choice in reversed(before):
        ends.append(int(choice[ends[-1]]))
    return samples[[0, *reversed(ends)]]


def link(names: tuple[str, ...], joints: np.ndarray, parent: str) -> list[Bone]:  # joints: (len(names) + 1, 3)
    """A chain of bones from joint to joint; roles are the names in camel case."""
    bones = []
    for name, head, tail in zip(names, joints[:-1], joints[1:], strict=True):
        bones.append(Bone(name, role_of(name), head, tail, parent))
        parent = name
    return bones


def role_of(name: str) -> str:
    """The camel-case role of a bone's name: "front_upper_leg.L" is frontLeftUpperLeg, "tail_01" is tail1."""
    stem, _, side = name.partition(".")
    words = [str(int(word)) if word.isdigit() else word for word in stem.split("_")]
    if side:
        words.insert(1 if words[0] in ("front", "back") else 0, {"L": "left", "R": "right"}[side])
    return words[0] + "".join(word.capitalize() for word in words[1:])


def medial_paths(solid: Solid, root: Cell) -> MCP_Geometric:
    """Shortest paths from the root that keep to the middle of the solid: `traceback(cell)` gives each."""
    costs = np.where(solid.grid.occupied, 1.0 / np.maximum(solid.depth, 0.5) ** 2, -1.0)
    paths = MCP_Geometric(costs, fully_connected=True)
    paths.find_costs([root])
    return paths


def reach_from(solid: Solid, root: Cell) -> np.ndarray:
    """float64 (X, Y, Z): how far each solid cell is from the root through the solid, in cells; -1 outside."""
    reach = MCP_Geometric(np.where(solid.grid.occupied, 1.0, -1.0), fully_connected=True).find_costs([root])[0]
    return np.where(np.isfinite(reach), reach, -1.0)


def find_branches(solid: Solid, root: Cell) -> list[Branch]:
    """The branches of the curve skeleton, farthest tip first, parents before their children; one at least.

    Branches that are short or hardly leave their parent's thickness are left out.
    """
    paths, reach = medial_paths(solid, root), reach_from(solid, root)
    farthest = np.unravel_index(reach.argmax(), reach.shape)
    _cover(reach, solid.depth, [root])
    owner = {root: (-1, 0)}
    branches: list[Branch] = []
    for _ in range(MOST_TRIES):
        tip = np.unravel_index(reach.argmax(), reach.shape)
        if reach[tip] <= 0 or len(branches) == MOST_BRANCHES:
            break
        trace = paths.traceback(tip)
        start = max(i for i, cell in enumerate(trace) if cell in owner)
        branch = Branch(np.array(trace[start:]), *owner[trace[start]])
        _cover(reach, solid.depth, trace[start:])
        if branch.length_cells < max(SHORTEST_BRANCH * solid.size_cells, COVER_FACTOR * solid.depth[trace[start]]):
            continue
        owner |= {cell: (len(branches), i) for i, cell in enumerate(trace[start + 1 :], 1)}
        branches.append(branch)
    return branches or [Branch(np.array(paths.traceback(farthest)), -1, 0)]


def path_to_root(branches: list[Branch], number: int) -> np.ndarray:
    """int (N, 3): the cells from the root to the tip of a branch."""
    branch = branches[number]
    if branch.parent < 0:
        return branch.cells
    before = path_to_root(branches[: branch.parent + 1], branch.parent)
    skipped = len(branches[branch.parent].cells) - 1 - branch.junction
    return np.concatenate([before[: len(before) - skipped - 1], branch.cells])


def _cover(reach: np.ndarray, depth: np.ndarray, path: list[Cell]) -> None:
    """Set `reach` to -1 in balls around the path, a little larger than the inscribed ones."""
    painted = np.full(3, -np.inf)
    for cell in path:
        radius = COVER_FACTOR * depth[cell] + COVER_cells
        if np.linalg.norm(painted - cell) < COVER_STRIDE * radius and cell != path[-1]:
            continue
        painted = np.array(cell)
        box = tuple(
            slice(max(int(np.ceil(c - radius)), 0), min(int(c + radius) + 1, n))
            for c, n in zip(cell, reach.shape, strict=True)
        )
        x, y, z = np.ogrid[box]
        inside = (x - cell[0]) ** 2 + (y - cell[1]) ** 2 + (z - cell[2]) ** 2 <= radius**2
        reach[box][inside] = -1.0


def branch_joints(solid: Solid, branch: Branch) -> tuple[np.ndarray, np.ndarray]:
    """The joints of a branch's bones, float64 (K + 1, 3) cells, and their float64 (K + 1,) indices along the path."""
    ball = JOINT_BALL * solid.depth[tuple(branch.cells[0])]
    away = np.linalg.norm(branch.cells - branch.cells[0], axis=1) >= ball
    first = min(int(away.argmax()), int(MOST_TRIMMED * len(branch.cells)))
    path = ndimage.gaussian_filter1d(branch.cells.astype(float), SMOOTHING_cells, axis=0, mode="nearest")[first:]
    keep = _corners(path, STRAIGHT * solid.size_cells)
    arc = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    cuts = _even_out(arc[keep], SHORTEST_BONE * solid.size_cells, LONGEST_BONE * solid.size_cells)
    where = np.interp(cuts, arc, np.arange(len(path)))
    joints = np.stack([np.interp(where, np.arange(len(path)), axis) for axis in path.T], axis=1)
    return joints, where + first


def _corners(path: np.ndarray, tolerance: float) -> np.ndarray:  # path: (N, 3)
    """Indices of the points that a polyline needs to stay within the tolerance (Ramer, Douglas and Peucker)."""
    kept, spans = {0, len(path) - 1}, [(0, len(path) - 1)]
    while spans:
        start, stop = spans.pop()
        along = path[stop] - path[start]
        where = np.clip((path[start : stop + 1] - path[start]) @ along / max(along @ along, 1e-12), 0, 1)
        off = np.linalg.norm(path[start : stop + 1] - path[start] - where[:, None] * along, axis=1)
        if stop - start > 1 and off.max() > tolerance:
            middle = start + int(off.argmax())
            kept.add(middle)
            spans += [(start, middle), (middle, stop)]
    return np.array(sorted(kept))


def _even_out(cuts: np.ndarray, shortest: float, longest: float) -> np.ndarray:  # cuts: (N,) lengths along a path
    """Cuts with the spans between them neither shorter nor longer than wanted; both ends stay."""
    even = [cuts[0]]
    for cut in cuts[1:]:
        if cut - even[-1] < shortest and cut != cuts[-1]:
            continue
        if cut - even[-1] < shortest and len(even) > 1:
            even.pop()
        pieces = max(1, int(np.ceil((cut - even[-1]) / longest)))
        even += list(np.linspace(even[-1], cut, pieces + 1)[1:])
    return np.array(even)


def grow_bones(solid: Solid) -> list[Bone]:
    """Bones along the whole curve skeleton: a root in the thickest place and a chain for each branch."""
    root = solid.thickest()
    bones = []
    centre = np.array(root, float)
    up = np.array([0.0, max(ROOT_SHARE * solid.depth[root], 1.0), 0.0])
    bones.append(Bone("root", "root", centre, centre + up, ""))
    ends: list[tuple[list[str], np.ndarray]] = []  # each branch's bones and where along its path they end
    for number, branch in enumerate(find_branches(solid, root), 1):
        joints, where = branch_joints(solid, branch)
        parent = "root"
        if branch.parent >= 0:
            names, stops = ends[branch.parent]
            parent = names[min(int(np.searchsorted(stops, branch.junction)), len(names) - 1)]
        names = [f"chain_{number:02d}_{k:02d}" for k in range(1, len(joints))]
        for name, head, tail in zip(names, joints[:-1], joints[1:], strict=True):
            bones.append(Bone(name, "chain", head, tail, parent))
            parent = name
        ends.append((names, where[1:]))
    return bones
