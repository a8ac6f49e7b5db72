# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the picture's edges cut the subject off: there the body ends in a plane instead of rounding off.

A subject that is cut stops dead: its outermost pixels are solid and the next ones wholly clear, where one that ends
inside the picture has a soft outline. A lower edge that is straight for long is also what stands on a base.
Every side is handled as the lower edge of the picture turned by quarters: bottom, left, top, right.
Frame and units: those of models.draft.inflate.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

OPAQUE = 128  # a pixel is the subject's from half opacity on
BASE_RUN = 0.2  # a lower edge straight for so much of the subject's longer side is a base, or the picture's border
CUT_RUN = 0.03  # what ends in a plane, an arm beside a cropped trunk, is at least this wide, in sides of the picture
STEEP = 1.5  # a quarter of the cut's width farther in, a subject that is cut and not merely touched is no wider
DEEPEST = 0.05  # how far in that is measured at most, in sides of the picture
INSET_PX = 2  # edges are antialiased: the silhouette is read so far inside, in its pixels
UNCUT = 1.0  # beyond the picture and its border


@dataclass(frozen=True)
class Borders:
    """Planes that the body ends in: how far from the picture's middle each lies, UNCUT where there is none."""

    bottom: float = UNCUT
    left: float = UNCUT
    top: float = UNCUT
    right: float = UNCUT

    def within(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:  # x and y broadcast
        """Distance to the nearest plane, positive between them, in sides of the picture."""
        return np.minimum(np.minimum(self.left + x, self.right - x), np.minimum(self.bottom + y, self.top - y))


def find_borders(alpha: np.ndarray) -> Borders:  # (S, S) uint8
    """The planes where the subject stands on a straight base or is cut by the picture's edge.

    What stops dead on all four sides is an upright rectangle, or fills the picture, and keeps a rim.
    """
    size = alpha.shape[0]
    ends = [_find_end(np.rot90(alpha, turns)) for turns in range(4)]
    if None not in ends:
        ends = [None] * 4
    if ends[0] is None:
        ends[0] = _find_base(alpha)
    return Borders(*(UNCUT if end is None else end / size - 0.5 for end in ends))


def signed_distance(inside: np.ndarray, borders: Borders, pad_px: int) -> np.ndarray:  # (M, M) uint8
    """Positive inside, in pixels, (M, M) float32. What ends in a plane is measured as if it went on beyond it.

    pad_px: how far `inside` goes on beyond the picture on each side.
    """
    planes = (borders.bottom, borders.left, borders.top, borders.right)
    size = len(inside) - 2 * pad_px
    ends = [pad_px + round((0.5 + plane) * size) for plane in planes]
    inside = inside.copy()
    for turns in (3, 2, 1, 0):
        if planes[turns] < UNCUT:
            _go_on(np.rot90(inside, turns), ends[turns], CUT_RUN * size)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance -= cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance -= 0.5 * np.sign(distance)  # pixel centres lie half a pixel from the edge between them
    for turns, end in enumerate(ends):
        beyond = np.rot90(distance, turns)[end + 2 * INSET_PX + 1 :]
        np.minimum(beyond, -np.arange(1, len(beyond) + 1, dtype=np.float32)[:, None], out=beyond)
    return distance


def _find_end(alpha: np.ndarray) -> int | None:  # (S, S) uint8
    """One past the lowest row of solid pixels, where a run of them stops dead."""
    inside = alpha >= OPAQUE
    rows = np.flatnonzero(inside.any(axis=1))
    if rows.size == 0:
        return None
    end = int(rows[-1]) + 1
    beyond = np.pad(alpha, ((0, 1), (0, 0)))[end]
    return end if any(_is_cut(inside[:end], run) for run in find_runs(inside[end - 1] & (beyond == 0))) else None


def _is_cut(inside: np.ndarray, run: tuple[int, int]) -> bool:  # (R, S) bool
    """Whether a run in the last row is wide, and the subject hardly wider above it; a round one only touches."""
    size, width = inside.shape[1], run[1] - run[0]
    if width < CUT_RUN * size:
        return False
    row = inside[max(len(inside) - 1 - round(min(width / 4, DEEPEST * size)), 0)]
    above = [stop - start for start, stop in find_runs(row) if start < run[1] and stop > run[0]]
    return max(above, default=0) <= STEEP * width


def _find_base(alpha: np.ndarray) -> int | None:  # (S, S) uint8
    """One past the lowest row, where that row is straight for BASE_RUN."""
    inside = alpha >= OPAQUE
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if rows.size == 0:
        return None
    runs = find_runs(inside[rows[-1] - INSET_PX])
    longest = max((stop - start for start, stop in runs), default=0)
    return int(rows[-1]) + 1 if longest >= BASE_RUN * max(np.ptp(rows), np.ptp(columns)) else None


def _go_on(inside: np.ndarray, end: int, shortest: float) -> None:  # (M, M) uint8
    """Let what ends in that row go on to the array's edge, in place."""
    for start, stop in find_runs(inside[end - 1 - INSET_PX] > 0):
        if stop - start >= shortest:
            inside[end - INSET_PX :, start:stop] = 1


def find_runs(flags: np.ndarray) -> list[tuple[int, int]]:  # (M,) bool
    """Start and one past the end of every run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
