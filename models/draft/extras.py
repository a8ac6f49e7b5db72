# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of bones for what sticks out of a named body beyond its named bones: tails, ears, horns, hair, what it holds.

Lengths and places are in cells.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from skimage.graph import MCP_Geometric

from .tree import Bone, Solid, link, medial_paths, nearest_cell, path_length, points_along

MOST_CHAINS = 6
BEYOND = 1.3  # times the thickness around a bone: what is nearer belongs to the bone
BEYOND_cells = 3.0
SAMPLES = 12  # places along each bone
CHAIN_BONE = 0.09  # of the longest side
MOST_BONES = 4  # of one chain,
MOST_TOGETHER = 4  # and of all chains on one bone: the brim and the top of a hat are one thing, two ears are
SLENDER = 1.4  # a chain is at least so many times longer than the inscribed ball where it starts: no bulge of a belly
SAME_LENGTH = 0.6  # the shorter of two chains that mirror each other is at least so much of the longer,
SAME_PLACE = 0.08  # and its mirrored tip, of the longest side, so near to the other's


@dataclass(frozen=True, eq=False)
class _Chain:
    """A medial path, int (N, 3), from where it leaves the surroundings of its parent bone to its tip."""

    path: np.ndarray
    parent: str


def extra_chains(solid: Solid, bones: list[Bone], left: np.ndarray, shortest: float) -> list[Bone]:
    """Bones along the medial paths to the farthest places that no bone reaches, longest first.

    left: (3,), across the body. Two chains that mirror each other have one number and a side each: "extra_01_02.L".
    shortest: of the longest side; a path that leaves the named bones' surroundings for less gets no bones.
    """
    chains = _find_chains(solid, bones, shortest)
    made: list[Bone] = []
    numbered = _number(chains, bones[0].head, left, SAME_PLACE * solid.size_cells)
    counts = _count_bones(numbered, CHAIN_BONE * solid.size_cells)
    for number, (chain, suffix) in numbered:
        count = counts[number]
        names = tuple(f"extra_{number:02d}_{k:02d}{suffix}" for k in range(1, count + 1))
        joints = points_along(chain.path, tuple(np.linspace(0, 1, count + 1)))
        made += [Bone(b.name, "chain", b.head, b.tail, b.parent) for b in link(names, joints, chain.parent)]
    return made


def _find_chains(solid: Solid, bones: list[Bone], shortest: float) -> list[_Chain]:
    shares = np.linspace(0.0, 1.0, SAMPLES)[:, None]
    samples = np.concatenate([bone.head + shares * (bone.tail - bone.head) for bone in bones])
    owners = [bone.name for bone in bones for _ in range(SAMPLES)]
    inside = np.clip(np.round(samples).astype(int), 0, np.array(solid.depth.shape) - 1)
    reach = BEYOND * solid.depth[tuple(inside.T)] + BEYOND_cells
    away, nearest = cKDTree(samples).query(solid.cells)
    beyond = np.full(solid.depth.shape, -1.0)
    beyond[tuple(solid.cells.T)] = away - reach[nearest]
    paths = medial_paths(solid, nearest_cell(solid, bones[0].head))
    chains: list[_Chain] = []
    for _ in range(MOST_CHAINS):
        tip = np.unravel_index(beyond.argmax(), beyond.shape)
        if beyond[tip] <= 0:
            break
        path = _beyond_part(paths, tip, beyond)
        thickness = float(np.median(solid.depth[tuple(path.T)]))
        free = np.argwhere(beyond > 0)
        away = cKDTree(path).query(free)[0]
        beyond[tuple(free[away <= BEYOND * thickness + BEYOND_cells].T)] = -1.0
        if path_length(path) >= max(shortest * solid.size_cells, SLENDER * float(solid.depth[tuple(path[0])])):
            apart = np.linalg.norm(samples - path[0], axis=1)
            nearest_bone = np.flatnonzero(apart <= apart.min() + 0.5)[-1]  # at a joint the child: ears move with a head
            chains.append(_Chain(path, owners[nearest_bone]))
    return chains


def _beyond_part(paths: MCP_Geometric, tip: tuple, beyond: np.ndarray) -> np.ndarray:
    """int (N, 3): the end of the medial path to the tip, from the last place that belongs to a bone."""
    trace = np.array(paths.traceback(tip))
    covered = np.flatnonzero(beyond[tuple(trace.T)] <= 0)
    return trace[int(covered[-1]) if len(covered) else 0 :]


def _number(
    chains: list[_Chain], centre: np.ndarray, left: np.ndarray, near: float
) -> list[tuple[int, tuple[_Chain, str]]]:
    """Numbers and side suffixes: a chain and its mirror image across the plane through the centre share a number."""
    numbered: list[tuple[int, tuple[_Chain, str]]] = []
    rest = list(chains)
    number = 0
    while rest:
        chain, number = rest.pop(0), number + 1
        tip = chain.path[-1] - 2 * ((chain.path[-1] - centre) @ left) * left
        twins = [other for other in rest if _are_twins(chain, other, tip, near)]
        if not twins:
            numbered.append((number, (chain, "")))
            continue
        rest.remove(twins[0])
        pair = sorted((chain, twins[0]), key=lambda each: float(-each.path[-1] @ left))
        numbered += [(number, (each, suffix)) for each, suffix in zip(pair, (".L", ".R"), strict=True)]
    return numbered


def _count_bones(numbered: list[tuple[int, tuple[_Chain, str]]], usual: float) -> dict[int, int]:
    """How many bones the chains of each number get: by their length, twins alike, fewer where many share a parent."""
    counts = {}
    for number in {number for number, _ in numbered}:
        mine = [chain for other, (chain, _) in numbered if other == number]
        length = float(np.mean([path_length(chain.path) for chain in mine]))
        beside = max(sum(chain.parent == each.parent for _, (chain, _) in numbered) for each in mine)
        counts[number] = int(np.clip(round(length / usual), 1, max(1, min(MOST_BONES, MOST_TOGETHER // beside))))
    return counts


def _are_twins(chain: _Chain, other: _Chain, mirrored_tip: np.ndarray, near: float) -> bool:
    lengths = sorted((path_length(chain.path), path_length(other.path)))
    is_beside = float(np.linalg.norm(chain.path[-1] - other.path[-1])) > near
    is_alike = lengths[0] >= SAME_LENGTH * lengths[1]
    return is_beside and is_alike and float(np.linalg.norm(other.path[-1] - mirrored_tip)) <= near
