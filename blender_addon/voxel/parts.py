# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a mesh are closed, and closing those that only have small openings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .arrays import Bools, Floats, Ints, component_labels, corners_of, distinct, dot, normals_of, taken

Openings = Literal["SMALL", "ALL", "NONE"]

WELD_cells = 1e-4  # vertices nearer than this are one: seams of UVs and of normals are no openings
SMALL_OPENING = 0.4  # of the diagonal of its part: a sleeve's end is closed, a bowl or a cape stays open
MOST_OPEN_EDGES = 100_000  # more are a cloud of triangles, and not openings of a body


@dataclass(frozen=True)
class Parts:
    """closed: corners (F, 3, 3) in cells of the closed parts, outward. open_: of the others. Both with their lids.

    openings_closed: how many openings got a lid. openings_left: how many did not. gaps: (F, 3, 3), lids that these
    would have had.
    """

    closed: Floats
    open_: Floats
    gaps: Floats
    openings_closed: int
    openings_left: int


def split_parts(vertices: Floats, triangles: Ints, openings: Openings) -> Parts:
    """Sort a mesh (vertices in cells) into closed and open parts.

    A part is what hangs together by vertices. It is closed where every edge is passed as often one way as the other, so
    that its inside is defined; a part whose faces do not agree about that counts as open.
    SMALL: openings up to SMALL_OPENING of their part are closed by a fan of triangles. ALL: every one. NONE: none.
    """
    places, faces = _weld(vertices, triangles)
    count = len(places)
    part_of = component_labels(count, faces[:, [0, 1]].reshape(-1), faces[:, [1, 2]].reshape(-1))
    loose = _unbalanced(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), count)
    loops = _loops(loose) if len(loose) <= MOST_OPEN_EDGES else []
    closes = _to_close(loops, places, part_of, _part_sizes(places, faces, part_of), openings) if loops else []
    lidded = [loop for loop, closed in zip(loops, closes, strict=True) if closed]
    left = [loop for loop, closed in zip(loops, closes, strict=True) if not closed]
    sealed, is_open = np.zeros(count, bool), np.zeros(count, bool)
    sealed[np.concatenate([np.zeros(0, np.int64), *lidded])] = True
    is_open[part_of[loose[~(sealed[loose[:, 0]] & sealed[loose[:, 1]]), 0]]] = True
    corners = np.concatenate([corners_of(places, faces).T, _fans(lidded, places).T], axis=2).T
    part = part_of[np.concatenate([faces[:, 0], *lidded])]
    stays = is_open[part]
    closed = _outward(taken(corners, np.flatnonzero(~stays)), part[~stays], count)
    openings_left = len(left) if loops or not len(loose) else len(loose)
    return Parts(closed, taken(corners, np.flatnonzero(stays)), _fans(left, places), len(lidded), openings_left)


def _weld(vertices: Floats, triangles: Ints) -> tuple[Floats, Ints]:
    """One vertex for each place, and the faces that have an extent on them."""
    rounded = np.round(vertices / WELD_cells).astype(np.int64)
    rounded -= rounded.min(0)
    spans = rounded.max(0) + 1
    key = (rounded[:, 0] * spans[1] + rounded[:, 1]) * spans[2] + rounded[:, 2]
    keys, which = distinct(key)
    first = np.empty(len(keys), np.int64)
    first[which[::-1]] = np.arange(len(vertices))[::-1]
    a, b, c = faces = which[triangles.T]
    return vertices[first], faces.T[(a != b) & (b != c) & (c != a)]


def _unbalanced(sides: Ints, count: int) -> Ints:
    """The directed edges (E, 2) that are passed more often than their reverse, each as often as that."""
    low, high = np.minimum(sides[:, 0], sides[:, 1]), np.maximum(sides[:, 0], sides[:, 1])
    key, which = distinct(low * count + high)
    balance = np.bincount(which, np.where(sides[:, 0] == low, 1, -1), len(key)).astype(np.int64)
    row = np.repeat(np.arange(len(key)), np.abs(balance))
    ends = np.stack([key[row] // count, key[row] % count], axis=1)
    return np.where((balance[row] > 0)[:, None], ends, ends[:, ::-1])


def _loops(edges: Ints) -> list[Ints]:
    """Directed edges joined to closed walks, each a row of vertices."""
    following: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        following.setdefault(a, []).append(b)
    loops = []
    for start in list(following):
        while following.get(start):
            walk, at = [start], following[start].pop()
            while at != start and following.get(at):
                walk.append(at)
                at = following[at].pop()
            if at == start:
                loops.append(np.array(walk))
    return loops


def _part_sizes(places: Floats, faces: Ints, part_of: Ints) -> Floats:
    """The diagonal of every part's box, at the index of its label."""
    low, high = np.full((len(places), 3), np.inf), np.full((len(places), 3), -np.inf)
    used = np.unique(faces)
    np.minimum.at(low, part_of[used], places[used])
    np.maximum.at(high, part_of[used], places[used])
    known = np.isfinite(low[:, 0])
    return np.asarray(np.where(known, np.linalg.norm(np.where(known[:, None], high - low, 0), axis=1), 0))


def _to_close(loops: list[Ints], places: Floats, part_of: Ints, sizes: Floats, openings: Openings) -> list[bool]:
    """Which loops get a lid."""
    if openings != "SMALL":
        return [openings == "ALL"] * len(loops)
    across = [float(np.linalg.norm(np.ptp(places[loop], axis=0))) for loop in loops]
    return [size <= SMALL_OPENING * sizes[part_of[loop[0]]] for size, loop in zip(across, loops, strict=True)]


def _fans(loops: list[Ints], places: Floats) -> Floats:
    """Triangles (N, 3, 3) from every edge of the loops to the loop's middle, one for each of their vertices."""
    fans = [np.zeros((0, 3, 3))]
    for loop in loops:
        middle = np.broadcast_to(places[loop].mean(0), (len(loop), 3))
        fans.append(np.stack([places[np.roll(loop, -1)], places[loop], middle], axis=1))
    return np.concatenate(fans)


def _outward(corners: Floats, part: Ints, count: int) -> Floats:
    """The faces of parts that are turned inside out, turned."""
    if not len(corners):
        return corners
    about = corners - corners.mean((0, 1))
    volume = dot(about[:, 0], normals_of(about))
    inverted: Bools = np.bincount(part, volume, count) < 0
    return np.where(inverted[part][:, None, None], corners[:, ::-1], corners)
