# SPDX-License-Identifier: GPL-3.0-or-later
"""The pieces of one colour that a subject is made of, and which of them reach around to its back."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import csgraph
from skimage import segmentation

LIGHTNESS_WEIGHT = 0.4  # shading changes lightness more than hue: a shirt's light and dark side are one piece
SHADE_FLOOR = 25.0  # chroma is taken relative to lightness plus this: shading scales both, and black has no hue
SHADE_LEVEL = 60.0  # lightness at which relative chroma equals that of Lab, less the floor
EDGE_SCALE = 100.0  # Felzenszwalb's k, in the same units: a piece of n pixels joins across edges up to k / n stronger
SMALLEST = 0.003  # share of the subject below which a piece joins its neighbour
JOINING_STEP = 2.0  # pieces whose colours differ by less from pixel to pixel along their border are shades of one
OUTSIDE = 300.0  # colour of what is outside, in the same units: farther than any two colours
SPECK_PX = 3  # window of the median that takes off what is too fine to be a piece
INLAY_CONTACT = 0.5  # a piece with less of its border on the silhouette may be set into another
INLAY_SHARE = 0.8  # if at least this much of its other border is with that one
INLAY_SKY = 0.5  # and if it is not what one sees first from above, in this share of its columns
LEAST_CONTACT = 0.18  # a piece with less of its border on the silhouette is a detail of the front
LEAST_SPAN = 0.4  # unless it reaches from silhouette to silhouette in this share of its rows, as a belt does


@dataclass(frozen=True)
class Regions:
    """Connected pieces of like colour, 0..K-1.

    own: (H, W) int32, the piece at every pixel, -1 outside.
    carrier: (K,) int32, the piece that goes on behind each piece: itself, or the one that it is set into, or -1
    where it is a detail of the front.
    contact: (K,) float32, the share of each border that is silhouette.
    crosses: (H, W) bool, in this row the pixel's piece reaches from silhouette to silhouette.
    tone: (K, 3) float32, mean colours as `to_weighted_lab` gives them.
    """

    own: np.ndarray
    carrier: np.ndarray
    contact: np.ndarray
    crosses: np.ndarray
    tone: np.ndarray


def find_regions(color: np.ndarray, is_inside: np.ndarray) -> Regions:
    """color: (H, W, 3) uint8, continued a little beyond the silhouette. is_inside: (H, W) bool, not empty.

    Source of the pieces: Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation", 2004.
    """
    lab = to_weighted_lab(cv2.medianBlur(color, SPECK_PX))
    lab[~is_inside] = OUTSIDE
    smallest = max(1, int(SMALLEST * is_inside.sum()))
    box = _box_around(is_inside)
    pieces = segmentation.felzenszwalb(lab[box], 255.0 * EDGE_SCALE, 0.0, smallest, channel_axis=2)  # divides by 255
    own = np.full(is_inside.shape, -1, np.int32)
    own[is_inside] = np.unique(pieces[is_inside[box]], return_inverse=True)[1].ravel()
    own[is_inside] = _join_shades(own, lab)[own[is_inside]]
    sizes = np.bincount(own[is_inside])
    tone = np.stack([np.bincount(own[is_inside], channel) for channel in lab[is_inside].T], axis=1) / sizes[:, None]
    borders = _measure_borders(own)
    contact = _measure_contact(borders)
    crosses = _find_crossings(own)
    spans = np.bincount(own[is_inside], crosses[is_inside]) / sizes
    carrier = _find_carriers(own, borders, spans)
    return Regions(own, carrier, contact.astype(np.float32), crosses, tone.astype(np.float32))


def _box_around(is_inside: np.ndarray) -> tuple[slice, slice]:  # (H, W) bool
    """Rows and columns of what is inside, and one more of the outside on each side."""
    spans = (np.flatnonzero(is_inside.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(max(int(span[0]) - 1, 0), int(span[-1]) + 2) for span in spans)
    return rows, columns


def _join_shades(own: np.ndarray, lab: np.ndarray) -> np.ndarray:  # (H, W) int, (H, W, 3) float32 -> (K,) int
    """The piece that each belongs to when those that pass into each other without a step are one.

    A clean gradient falls into strips of equal colour: within each there is no difference that the next step could
    be measured by.
    """
    count = int(own.max()) + 1
    steps, pairs = np.zeros((count, count)), np.zeros((count, count))
    for ahead, behind in (((slice(1, None),), (slice(-1),)), ((slice(None), slice(1, None)), (slice(None), slice(-1)))):
        first, second = own[ahead], own[behind]
        meets = (first != second) & (first >= 0) & (second >= 0)
        step = np.linalg.norm(lab[ahead][meets] - lab[behind][meets], axis=1)
        np.add.at(steps, (first[meets], second[meets]), step)
        np.add.at(pairs, (first[meets], second[meets]), 1.0)
    steps, pairs = steps + steps.T, pairs + pairs.T
    return csgraph.connected_components((pairs > 0) & (steps < JOINING_STEP * pairs), directed=False)[1]


def _measure_borders(own: np.ndarray) -> np.ndarray:  # (H, W) int -> (K + 1, K + 1) float64, the outside last
    """Length of the border between any two pieces, in pixel edges."""
    count = int(own.max()) + 1
    framed = np.pad(own, 1, constant_values=-1)
    pairs = [(framed[1:], framed[:-1]), (framed[:, 1:], framed[:, :-1])]
    first, second = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    differs = first != second
    lengths = np.zeros((count + 1, count + 1))
    np.add.at(lengths, (first[differs], second[differs]), 1.0)
    return lengths + lengths.T


def _measure_contact(borders: np.ndarray) -> np.ndarray:
    """See Regions."""
    return borders[:-1, -1] / np.maximum(borders[:-1].sum(axis=1), 1.0)


def _find_carriers(own: np.ndarray, borders: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """See Regions."""
    count, contact = len(spans), _measure_contact(borders)
    sizes = np.bincount(own[own >= 0], minlength=count)
    inner = borders[:-1, :-1]
    around = inner.argmax(axis=1)
    enclosed = inner.max(axis=1) >= INLAY_SHARE * np.maximum(inner.sum(axis=1), 1.0)
    is_inlay = enclosed & (contact < INLAY_CONTACT) & (sizes[around] > sizes) & (_measure_sky(own, count) < INLAY_SKY)
    is_detail = (contact < LEAST_CONTACT) & (spans < LEAST_SPAN)
    is_detail[borders[:-1, -1].argmax()] = False
    carrier = np.where(is_detail, -1, np.arange(count, dtype=np.int32))
    for piece in np.argsort(-sizes, kind="stable"):  # what a piece is set into is larger, and known by then
        if is_inlay[piece]:
            carrier[piece] = carrier[around[piece]]
    return carrier


def _measure_sky(own: np.ndarray, count: int) -> np.ndarray:  # -> (K,) float64
    """The share of each piece's columns in which nothing lies above it."""
    rows, columns = np.nonzero(own >= 0)
    top = np.full((count, own.shape[1]), len(own))
    np.minimum.at(top, (own[rows, columns], columns), rows)
    pieces, columns = np.nonzero(top < len(own))
    above = np.vstack([np.full_like(own[:1], -1), own])
    is_sky = above[top[pieces, columns], columns] < 0
    return np.bincount(pieces, is_sky, count) / np.bincount(pieces, minlength=count)


def _find_crossings(own: np.ndarray) -> np.ndarray:  # -> (H, W) bool
    """See Regions."""
    count = int(own.max()) + 1
    framed = np.pad(own, ((0, 0), (1, 1)), constant_values=-1)
    left, right = (np.zeros((count, len(own)), bool) for _ in range(2))
    rows, columns = np.nonzero(framed >= 0)
    labels = framed[rows, columns]
    starts, ends = framed[rows, columns - 1] < 0, framed[rows, columns + 1] < 0
    left[labels[starts], rows[starts]] = True
    right[labels[ends], rows[ends]] = True
    return (left & right)[own, np.arange(len(own))[:, None]] & (own >= 0)


def to_weighted_lab(color: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8 -> float32
    """Coordinates that shading changes little: weighted lightness, and chroma relative to lightness."""
    lab = cv2.cvtColor(color.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    scale = SHADE_LEVEL / (lab[..., :1] + SHADE_FLOOR)
    return np.concatenate([lab[..., :1] * LIGHTNESS_WEIGHT, lab[..., 1:] * scale], axis=2)
