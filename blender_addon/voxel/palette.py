# SPDX-License-Identifier: GPL-3.0-or-later
"""Few colours for many: found in the voxels, taken from a picture, or one of ours."""

from __future__ import annotations

import numpy as np

from ..phrases import phrase
from .arrays import Bytes, Floats, Int16s, Ints, distinct, dot, taken
from .errors import PaletteInvalid
from .oklab import bytes_to_lab, lab_to_bytes

FEWEST_COLOURS, MOST_COLOURS = 2, 255
HISTOGRAM_BITS = 5  # of each channel: nearer colours are one to the search
ROUNDS = 8  # of k-means; after them the colours move by less than the eye sees
SALIENCE_FLOOR = 0.1  # OKLab distance that is added to a colour's distance from the average
ROWS_AT_ONCE = 128  # colours that are compared with a palette together: for more, matrix libraries start threads
PALETTE_SIDE_px = 16
DITHER_REACH = 0.2  # OKLab distance of two colours that are still mixed: further apart it looks like noise
UNANIMOUS = 0.04  # OKLab distance that a colour of all neighbours may be further away than a voxel's own
CALM_ROUNDS = 2  # after which next to nothing changes
TIE = 1e-9  # OKLab distance below which the first colour stays
# 4 × 4 × 4 thresholds, evenly spread: each octant of a block holds its own octants in an order of opposite corners.
_OCTANTS = np.array([[[0, 4], [6, 2]], [[7, 3], [1, 5]]])


def find_palette(colours: Bytes, count: int) -> Bytes:  # colours: (N, 3)
    """At most `count` sRGB colours (K, 3) that stand for these, dark to light.

    k-means in OKLab. A colour counts by the root of its voxels and by its distance from the average, so that an eye is
    not lost to the skin. Where there are no more colours than that they are the palette. Raises PaletteInvalid.
    """
    check_count(count)
    if not len(colours):
        raise PaletteInvalid("there are no colours to choose from")
    keys, _ = distinct(_packed(colours))
    if len(keys) <= count:
        return _by_lightness(_unpacked(keys))
    points, weights = _histogram(colours)
    if len(points) <= count:
        return _by_lightness(np.unique(lab_to_bytes(points), axis=0))
    centres = _spread_out(points, weights, count)
    for _ in range(ROUNDS):
        own = _nearest(points, centres)
        total = np.bincount(own, weights, count)
        moved = np.stack([np.bincount(own, weights * point, count) for point in points.T], axis=1)
        centres = np.where(total[:, None] > 0, moved / np.maximum(total, 1e-30)[:, None], centres)
    return _by_lightness(np.unique(lab_to_bytes(centres), axis=0))


def check_count(count: int) -> None:
    """Raises PaletteInvalid unless a palette may have so many colours."""
    if not FEWEST_COLOURS <= count <= MOST_COLOURS:
        raise PaletteInvalid(
            phrase(
                "it should have {count} colours, and from {fewest} to {most} are possible",
                count=count,
                fewest=FEWEST_COLOURS,
                most=MOST_COLOURS,
            )
        )


def palette_of_picture(image: Bytes) -> Bytes:  # (H, W, 3 or 4)
    """The colours of a palette picture in reading order, transparent pixels left out; of a photograph the 255 best.

    Raises PaletteInvalid.
    """
    if image.ndim != 3 or image.shape[2] not in (3, 4) or image.dtype != np.uint8:
        raise PaletteInvalid("the picture has no colour channels of 8 bits")
    pixels = image.reshape(-1, image.shape[2])
    if image.shape[2] == 4:
        pixels = pixels[pixels[:, 3] >= 128, :3]
    if not len(pixels):
        raise PaletteInvalid("the picture has no opaque pixel")
    keys, first = np.unique(_packed(pixels), return_index=True)
    if len(keys) > MOST_COLOURS:
        return find_palette(pixels, MOST_COLOURS)
    if len(keys) < FEWEST_COLOURS:
        raise PaletteInvalid("the picture has only one colour")
    return _unpacked(keys[np.argsort(first)])


def nearest_colours(colours: Bytes, palette: Bytes) -> Bytes:
    """For each colour (N, 3) the index of the palette's nearest, in OKLab."""
    return _nearest(bytes_to_lab(colours), bytes_to_lab(palette)).astype(np.uint8)


def calm_colours(colours: Bytes, palette: Bytes, neighbours: Ints) -> Bytes:
    """As `nearest_colours`, where a voxel between two colours takes after its neighbours.

    Shading that crosses from one colour of the palette to the next then leaves no specks. What is in the palette stays,
    and what differs by more than UNANIMOUS, as eyes and lines do. neighbours: (N, 26), as of `neighbour_rows`.
    """
    wanted, labs = bytes_to_lab(colours), bytes_to_lab(palette)
    index = np.append(_nearest(wanted, labs), -1).astype(np.int16)
    pull = np.minimum(np.linalg.norm(wanted - labs[index[:-1]], axis=1), UNANIMOUS)
    pull /= np.maximum((neighbours < len(colours)).sum(1), 1)
    for _ in range(CALM_ROUNDS):
        around = np.take(index, neighbours.T)
        torn = np.flatnonzero(((around != index[:-1]) & (around >= 0)).any(0) & (pull > 0))
        index[torn] = _swayed(taken(wanted, torn), labs, index[torn], np.take(around, torn, axis=1), pull[torn])
    return index[:-1].astype(np.uint8)


def _swayed(wanted: Floats, labs: Floats, own: Int16s, around: Int16s, pull: Floats) -> Int16s:  # around: (26, N)
    """The colour, of their own and the neighbours', that lies near and has many neighbours' consent."""
    best, chosen = np.full(len(own), np.inf), own
    for candidate in (own, *around):
        agreeing = (around == candidate).view(np.uint8).sum(0, dtype=np.uint8)
        away = wanted - taken(labs, candidate)
        cost = np.sqrt(dot(away, away)) - pull * agreeing
        better = (cost < best - TIE) & (candidate >= 0)
        best, chosen = np.where(better, cost, best), np.where(better, candidate, chosen)
    return np.asarray(chosen)


def dithered_colours(colours: Bytes, palette: Bytes, cells: Ints) -> Bytes:
    """As `nearest_colours`, where voxels take turns between the two colours that mix to theirs. cells: (N, 3).

    Ordered by place, so that the pattern stays when the colours move.
    """
    wanted, labs = bytes_to_lab(colours), bytes_to_lab(palette)
    first = _nearest(wanted, labs)
    miss = wanted - labs[first]
    second = _nearest(wanted + miss, labs, first)
    along = labs[second] - labs[first]
    length = np.maximum(np.einsum("ni,ni->n", along, along), 1e-12)
    share = np.einsum("ni,ni->n", miss, along) / length
    swap = (share > _thresholds(cells)) & (length <= DITHER_REACH**2)
    return np.where(swap, second, first).astype(np.uint8)


def palette_image(palette: Bytes) -> Bytes:
    """(16, 16, 4) sRGB bytes, top row first: colour i is pixel i in reading order, the rest repeats the last."""
    filled = np.full((PALETTE_SIDE_px**2, 4), 255, np.uint8)
    filled[: len(palette), :3] = palette
    filled[len(palette) :, :3] = palette[-1]
    return filled.reshape(PALETTE_SIDE_px, PALETTE_SIDE_px, 4)


def palette_uv(indices: Bytes) -> Floats:
    """(N, 2): the middles of the colours' pixels in `palette_image`, v upwards."""
    row, column = np.divmod(indices.astype(np.int64), PALETTE_SIDE_px)
    return np.stack([(column + 0.5) / PALETTE_SIDE_px, 1 - (row + 0.5) / PALETTE_SIDE_px], axis=1)


def _thresholds(cells: Ints) -> Floats:
    fine = _OCTANTS[tuple((cells % 2).T)]
    coarse = _OCTANTS[tuple((cells // 2 % 2).T)]
    return np.asarray((fine * 8 + coarse + 0.5) / 64)


def _packed(colours: Bytes) -> Ints:
    wide = colours.astype(np.int64)
    return np.asarray((wide[:, 0] << 16) + (wide[:, 1] << 8) + wide[:, 2])


def _unpacked(keys: Ints) -> Bytes:
    return np.asarray(np.stack([keys >> 16, keys >> 8 & 255, keys & 255], axis=1), np.uint8)


def _by_lightness(colours: Bytes) -> Bytes:
    return np.asarray(colours[np.argsort(bytes_to_lab(colours)[:, 0], kind="stable")])


def _histogram(colours: Bytes) -> tuple[Floats, Floats]:
    """OKLab points (B, 3) of the colours that are there, and how much each counts."""
    _, which = distinct(_packed(np.asarray(colours >> (8 - HISTOGRAM_BITS), np.uint8)))
    labs, voxels = bytes_to_lab(colours), np.bincount(which)
    points = np.stack([np.bincount(which, lab) / voxels for lab in labs.T]).T
    return points, np.sqrt(voxels) * (SALIENCE_FLOOR + np.linalg.norm(points - labs.mean(0), axis=1))


def _spread_out(points: Floats, weights: Floats, count: int) -> Floats:
    """Starting colours: the heaviest, then always the one that is worst served so far."""
    chosen = [int(weights.argmax())]
    served = np.full(len(points), np.inf)
    while len(chosen) < count:
        away = points - points[chosen[-1]]
        served = np.minimum(served, dot(away, away))
        chosen.append(int((weights * served).argmax()))
    return points[chosen]


def _nearest(points: Floats, centres: Floats, but: Ints | None = None) -> Ints:
    """For each point the nearest centre, `but` (N,) left out.

    In single precision, as one small product of matrices after the other: half the square of a centre's distance from
    the origin less its projection is least for the nearest.
    """
    half_squares = (centres**2).sum(1, keepdims=True) / 2
    to = np.concatenate([-centres, half_squares], axis=1).astype(np.float32).T
    of = np.concatenate([points, np.ones((len(points), 1))], axis=1).astype(np.float32)
    own = np.empty(len(points), np.int64)
    for start in range(0, len(points), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        away = of[part] @ to
        if but is not None:
            away[np.arange(len(away)), but[part]] = np.inf
        own[part] = away.argmin(1)
    return own
