# SPDX-License-Identifier: GPL-3.0-or-later
"""Head, trunk and limbs of an upright figure seen from the front, and how deep each of them is.

Frame and units: those of models.draft.inflate. Proportions are medians over humanoids, cartoon and real, robots
included: a trunk is about 0.75 times as deep as wide, limbs are round, heads deeper than wide.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .borders import find_runs
from .inflate import FIELD_PX, InflatedBody
from .shades import smoothstep

TRUNK_DEPTH = 0.85  # of the inflated depth, which is about 0.95 of the width there
LIMB_DEPTH = 1.18
HEAD_DEPTH = (1.0, 1.35)  # a head is as deep as the mean of its width and height, within these
EAR_DEPTH = 0.5  # ears, brims and wings of hair beside the head are flat
ARM_FORWARD = 0.38  # a hanging arm bends: the hand comes forward by this share of its drop below the neck
ARMS_END = 0.55  # of the way from the neck to the ground: hands hang no lower
LIMB_RADIUS, TRUNK_RADIUS = 0.4, 0.75  # in the trunk's radius: limbs are thinner, the trunk is thicker
MIRROR_IOU = 0.6  # a figure turned away, or an animal from the side, has less
MIRROR_PX = 128  # resolution of the search for the axis
NECK_DEPTH = 0.92  # a neck is narrower than this, in the smaller of what is above and below it
NECK_ZONE = (0.1, 0.75)  # of the way down the axis
AXIS_BAND = 0.03  # the axis is this wide, in sides of the picture: heads are seldom right in the middle
MIDDLE_SMOOTHING = 0.006  # steps of the middle in depth are evened out over this, in sides of the picture
EAR_RADIUS = (0.25, 0.5)  # in the head's: thinner is a horn or a strand, and round
EAR_PLACE = (1.1, 1.4)  # from the head's middle, in its radius
BLEND = 0.03  # half-width of the step from head to trunk, in the figure's height


@dataclass(frozen=True)
class Figure:
    """An upright figure. All in rows and pixels of the body's fields.

    top, neck, bottom: rows. axis: column. trunk_radius: of the largest disc around the axis below the neck, in
    sides of the picture. head: row of its middle, radius and width, the last two in the same unit.
    """

    top: int
    neck: int
    bottom: int
    axis: int
    trunk_radius: float
    head: tuple[int, float, float]


def find_figure(body: InflatedBody) -> Figure | None:
    """The figure, or None where the silhouette is lopsided or shows no neck."""
    column, mirror_iou = _find_axis(body.distance)
    if mirror_iou < MIRROR_IOU:
        return None
    band = round(AXIS_BAND * FIELD_PX)
    along_axis = body.distance[:, max(column - band, 0) : column + band + 1].max(axis=1)
    first, last = longest_run(along_axis > 0)
    width = along_axis[first:last]
    above, below = np.maximum.accumulate(width), np.maximum.accumulate(width[::-1])[::-1]
    narrowness = width / np.minimum(above, below)
    low, high = (int(share * len(width)) for share in NECK_ZONE)
    if high <= low:
        return None
    neck = low + int(narrowness[low:high].argmin())
    if narrowness[neck] > NECK_DEPTH:
        return None
    rows = np.flatnonzero((body.distance > 0).any(axis=1))
    middle = int(width[:neck].argmax())
    across = body.distance[first + middle] > 0
    head = (first + middle, float(width[middle]), _run_around(across, column) / FIELD_PX)
    return Figure(int(rows[0]), first + neck, int(rows[-1]) + 1, column, float(below[neck]), head)


def shape_figure(body: InflatedBody, figure: Figure) -> InflatedBody:
    """Give head, trunk and limbs their own depth, and hanging arms their bend."""
    height = figure.bottom - figure.top
    rows = np.arange(body.distance.shape[0], dtype=np.float32)[:, None]
    is_head = smoothstep(rows, figure.neck + BLEND * height, figure.neck - BLEND * height)
    below_neck = TRUNK_DEPTH + (LIMB_DEPTH - TRUNK_DEPTH) * limb_share(body, figure)
    factor = below_neck + (_head_depth(body, figure) - below_neck) * is_head
    forward = cv2.GaussianBlur(_reach_of_arms(body, figure), (0, 0), MIDDLE_SMOOTHING * FIELD_PX)
    flatness, middle = body.flatness * factor, body.middle + forward
    return replace(body, flatness=flatness.astype(np.float32), middle=middle.astype(np.float32))


def limb_share(body: InflatedBody, figure: Figure) -> np.ndarray:
    """How much of a limb each place is: 0 in the trunk or head, 1 in an arm or leg: (N, N) float32."""
    return smoothstep(body.radius / figure.trunk_radius, TRUNK_RADIUS, LIMB_RADIUS)


def _head_depth(body: InflatedBody, figure: Figure) -> np.ndarray:
    """The factor on the depth above the neck: (N, N) float32."""
    row, radius, width = figure.head
    height = (figure.neck - figure.top) / FIELD_PX
    depth = np.clip(np.sqrt(width * height) / (2.0 * radius), *HEAD_DEPTH)
    count = body.distance.shape[0]
    rows, columns = np.arange(count)[:, None], np.arange(count)[None, :]
    away = np.hypot(rows - row, columns - figure.axis) / (radius * FIELD_PX)
    is_ear = smoothstep(body.radius / radius, *EAR_RADIUS) * smoothstep(away, *EAR_PLACE)
    ear: np.ndarray = depth + (EAR_DEPTH - depth) * is_ear
    return ear


def _run_around(flags: np.ndarray, place: int) -> int:  # (N,) bool
    """Length of the run of True that holds the place, or 0."""
    left = int(np.argmin(flags[place::-1])) if not flags[: place + 1].all() else place + 1
    right = int(np.argmin(flags[place:])) if not flags[place:].all() else len(flags) - place
    return max(left + right - 1, 0)


def _reach_of_arms(body: InflatedBody, figure: Figure) -> np.ndarray:
    """How far forward hanging arms lie, from the shoulder on more and more: (N, N) float32."""
    count = body.distance.shape[0]
    rows, columns = np.arange(count)[:, None], np.arange(count)[None, :]
    aside = np.abs(columns - figure.axis) - figure.trunk_radius * FIELD_PX
    arm_zone = smoothstep(rows, figure.neck + ARMS_END * (figure.bottom - figure.neck), figure.neck)
    farthest = max(1.0, float(np.where(body.distance > 0, aside, 0.0).max()))
    along = np.clip(aside / farthest, 0.0, 1.0) ** 2
    drop = np.maximum(rows - figure.neck, 0) / FIELD_PX
    return (ARM_FORWARD * drop * along * (arm_zone > 0)).astype(np.float32)


def _find_axis(distance: np.ndarray) -> tuple[int, float]:  # (N, N) float32
    """The column about which the silhouette is most like its mirror image, and the IoU of the two."""
    small = cv2.resize((distance > 0).astype(np.float32), (MIRROR_PX, MIRROR_PX), interpolation=cv2.INTER_AREA) > 0.5
    columns = np.flatnonzero(small.any(axis=0))
    if columns.size == 0:
        return 0, 0.0
    middle = int(columns[0] + columns[-1])
    reach = max(1, (columns[-1] - columns[0]) // 5)
    best = (0.0, middle)
    for twice in range(middle - reach, middle + reach + 1):
        mirrored = np.zeros_like(small)
        source = twice - np.arange(MIRROR_PX)
        valid = (source >= 0) & (source < MIRROR_PX)
        mirrored[:, valid] = small[:, source[valid]]
        best = max(best, (float((small & mirrored).sum() / (small | mirrored).sum()), twice))
    return round((best[1] + 1) / 2 * distance.shape[1] / MIRROR_PX), best[0]


def longest_run(flags: np.ndarray) -> tuple[int, int]:  # (N,) bool
    """First index and one past the last."""
    return max(find_runs(flags), key=lambda run: run[1] - run[0])
