# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of bones for what sticks out of a named body beyond its named bones: tails, ears, horns, hair, what it holds.

Lengths and places are in cells.
"""

import numpy as np
from scipy.spatial import cKDTree

from .tree import Bone, Solid, link, medial_paths, nearest_cell, path_length, points_along

MOST_CHAINS = 6
BEYOND = 1.3  # times the thickness around a bone: what is nearer belongs to the bone
BEYOND_cells = 3.0
SAMPLES = 12  # places along each bone
CHAIN_BONE = 0.09  # of the longest side
MOST_BONES = 5
SLENDER = 1.2  # a chain is at least so many times longer than it is thick where it starts


def extra_chains(solid: Solid, bones: list[Bone], shortest: float) -> list[Bone]:
    """Bones along the medial paths to the farthest places that no bone reaches, longest first.

    shortest: of the longest side; a path that leaves the named bones' surroundings for less gets no bones.
    """
    cells = np.argwhere(solid.grid.occupied)
    shares = np.linspace(0.0, 1.0, SAMPLES)[:, None]
    samples = np.concatenate([bone.head + shares * (bone.tail - bone.head) for bone in bones])
    owners = [bone.name for bone in bones for _ in range(SAMPLES)]
    inside = np.clip(np.round(samples).astype(int), 0, np.array(solid.depth.shape) - 1)
    reach = BEYOND * solid.depth[tuple(inside.T)] + BEYOND_cells
    away, nearest = cKDTree(samples).query(cells)
    beyond = np.full(solid.depth.shape, -1.0)
    beyond[tuple(cells.T)] = away - reach[nearest]
    paths = medial_paths(solid, nearest_cell(solid, bones[0].head))
    chains: list[Bone] = []
    for number in range(1, MOST_CHAINS + 1):
        tip = np.unravel_index(beyond.argmax(), beyond.shape)
        if beyond[tip] <= 0:
            break
        trace = np.array(paths.traceback(tip))
        covered = np.flatnonzero(beyond[tuple(trace.T)] <= 0)
        start = int(covered[-1]) if len(covered) else 0
        path = trace[start:]
        away = np.linalg.norm(cells - path[np.linspace(0, len(path) - 1, SAMPLES).astype(int)][:, None], axis=2).min(0)
        near = away <= BEYOND * np.median(solid.depth[tuple(path.T)]) + BEYOND_cells
        beyond[tuple(cells[near].T)] = -1.0
        length = path_length(path)
        if length < max(shortest * solid.size_cells, SLENDER * np.median(solid.depth[tuple(path.T)])):
            continue
        parent = owners[int(np.linalg.norm(samples - path[0], axis=1).argmin())]
        count = int(np.clip(round(length / (CHAIN_BONE * solid.size_cells)), 1, MOST_BONES))
        names = tuple(f"extra_{number:02d}_{k:02d}" for k in range(1, count + 1))
        joints = points_along(path, tuple(np.linspace(0, 1, count + 1)))
        chains += [Bone(bone.name, "chain", bone.head, bone.tail, bone.parent) for bone in link(names, joints, parent)]
    return chains
