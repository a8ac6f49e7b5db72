# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies seen at three quarters: told by the ground they stand on, and given a slant instead of a mirrored double.

A picture that shows a lying body half from the front is taken from a little above, so the ground rises in it with the
distance. The feet stand on a rectangle. Seen from azimuth A and elevation E, the edge across the body rises by
sin(E) tan(A) per x from the nearest foot on, and the edge along it by sin(E) / tan(A) to the other side: both angles
follow from the feet alone. Pictures are taken from the front, so A is below 45 degrees and the steeper edge runs along.
Frame and units: those of models.draft.inflate.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import find_peaks

from .inflate import FIELD_PX, PAD, InflatedBody

USUAL_ELEVATION = float(np.radians(15.0))
USUAL_RISE = 0.35  # sin(E) on the ground: a camera near enough to draw perspective looks down more steeply there
RISES = (0.2, 0.6)  # what sin(E) may be: below, the feet's line is drawn unevenly; above, it is no figure's picture
LEAST_EDGE = 0.12  # rise per x of an edge that is told from a foot drawn a little lower
EDGES_DIFFER = 1.3  # ratio of the two rises: nearer to 45 degrees it cannot be told which end is the front
HIGHEST_SLANT = 1.1  # depth per x: perspective foreshortens the far end, and steep slants stretch every error
FOOT_PROMINENCE = 0.03  # of the subject's longer side
FOOT_ZONE = 0.32  # feet end no higher than this above the lowest, in the same unit
FOOT_GAP = 0.05  # feet nearer than this are one foot, in the same unit
LEVEL = 0.02  # feet at one height within this stand on level ground, in the same unit
FEET_APART = 0.15  # and are two feet when farther apart than this, in the same unit
MANY_FEET = 5  # from here on the footprint is round, and level feet share its near corner
LYING = 1.0  # ratio of the bulk's width to its height: what stands upright is compact from above and needs no slant
SWIMMER = 2.0  # length per height of the bulk of a body that hangs free: a fish, a bird in flight
SWIMMER_TILT_DEG = (12.0, 40.0)  # less is level, more is a leap
TRUNK_DEPTH = 1.3  # a trunk that recedes is cut aslant by the line of sight
LEG_WIDTH, LEG_HEIGHT = 0.07, 0.2  # how far a foot's own depth reaches into the body, in the same unit
TRUNK_RADIUS = 0.5  # of the largest radius: the trunk is thicker


@dataclass(frozen=True)
class Viewpoint:
    """From where the picture was seen, relative to the front of the subject.

    azimuth_rad: positive where the front points to the picture's left. elevation_rad: how far from above.
    feet: (K, 2) float64, x and y of what stands on the ground.
    """

    azimuth_rad: float
    elevation_rad: float
    feet: np.ndarray


STRAIGHT = Viewpoint(0.0, 0.0, np.empty((0, 2)))


@dataclass(frozen=True)
class _Ground:
    """feet: (K, 2) float64, x and y of where feet end, from left to right. length: the subject's longer side."""

    feet: np.ndarray
    length: float


def find_viewpoint(body: InflatedBody) -> Viewpoint:
    """At three quarters where feet or a free body's tilt say so; straight otherwise, and for all that is upright."""
    x, y, weight = _pixels(body, TRUNK_RADIUS)
    spread = np.cov(np.stack([x, y]), aweights=weight)
    if spread[0, 0] < LYING**2 * spread[1, 1]:
        return STRAIGHT
    ground = _find_ground(body)
    found = _view_by_feet(ground)
    if found is STRAIGHT and not _stands_level(ground):
        return _view_by_tilt(*_pixels(body, 0.0))
    return found


def slant_body(body: InflatedBody, view: Viewpoint) -> InflatedBody:
    """Let the body recede along the way it points, and put each foot where it stands on the ground."""
    slant = -np.sign(view.azimuth_rad) * min(1.0 / np.tan(abs(view.azimuth_rad)), HIGHEST_SLANT)
    trunk_x, _, weight = _pixels(body, TRUNK_RADIUS)
    centre = float(np.average(trunk_x, weights=weight))
    steps = np.arange(body.distance.shape[0])
    x, y = _place(steps, steps)
    middle = np.broadcast_to(slant * (x - centre), body.distance.shape).copy()
    if len(view.feet):
        length = max(np.ptp(view.feet[:, 0]), np.ptp(y[body.distance.max(axis=1) > 0]))
        standing = -view.feet[:, 1] / USUAL_RISE - slant * view.feet[:, 0]
        near = np.exp(
            -0.5 * ((x[None, None, :] - view.feet[:, 0, None, None]) / (LEG_WIDTH * length)) ** 2
            - 0.5 * ((y[None, :, None] - view.feet[:, 1, None, None]) / (LEG_HEIGHT * length)) ** 2
        )
        beside = (standing - standing.mean())[:, None, None]
        middle += (near * beside).sum(axis=0) / np.maximum(near.sum(axis=0), 1.0)
    is_trunk = np.clip(body.radius / (TRUNK_RADIUS * body.distance.max()) - 1.0, 0.0, 1.0)
    return replace(
        body,
        flatness=(body.flatness * (1.0 + (TRUNK_DEPTH - 1.0) * is_trunk)).astype(np.float32),
        middle=(body.middle + middle).astype(np.float32),
    )


def _pixels(body: InflatedBody, thickness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and weight of the pixels where the body is thicker than a share of its thickest place."""
    rows, columns = np.nonzero((body.distance > 0) & (body.radius > thickness * body.distance.max()))
    return *_place(rows, columns), body.distance[rows, columns].astype(np.float64)


def _place(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (columns + 0.5) / FIELD_PX - 0.5 - PAD, 0.5 + PAD - (rows + 0.5) / FIELD_PX


def _find_ground(body: InflatedBody) -> _Ground:
    """Where the silhouette's lower outline comes down to the ground."""
    inside = body.distance > 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    length_px = max(np.ptp(columns), np.ptp(rows)) + 1
    lowest = np.where(inside, np.arange(len(inside))[:, None], 0).max(axis=0)
    feet, _ = find_peaks(lowest.astype(float), prominence=FOOT_PROMINENCE * length_px)
    feet = feet[lowest[feet] > lowest.max() - FOOT_ZONE * length_px]
    return _Ground(np.stack(_place(lowest[feet], feet), axis=1), length_px / FIELD_PX)


def _view_by_feet(ground: _Ground) -> Viewpoint:
    feet = ground.feet
    if len(feet) < 2:
        return STRAIGHT
    lowest = int(feet[:, 1].argmin())
    left, right = _edge(feet[lowest] - feet, ground.length), _edge(feet - feet[lowest], ground.length)
    if left is None or right is None:
        across = left or right or 0.0
        return _at_azimuth(across, USUAL_RISE, left is not None, feet) if across > LEAST_EDGE else STRAIGHT
    if len(feet) >= MANY_FEET:
        corner = feet[feet[:, 1] - feet[lowest, 1] <= LEVEL * ground.length]
        left = _edge(corner[0] - feet, ground.length) or 0.0
        right = _edge(feet - corner[-1], ground.length) or 0.0
    across, along = sorted((left, right))
    rise = float(np.sqrt(across * along))
    if across < LEAST_EDGE or along < EDGES_DIFFER * across or not RISES[0] < rise < RISES[1]:
        return STRAIGHT
    return _at_azimuth(across, rise, left < right, feet)


def _at_azimuth(across: float, rise: float, points_left: bool, feet: np.ndarray) -> Viewpoint:
    azimuth = float(np.arctan2(across, rise))
    return Viewpoint(azimuth if points_left else -azimuth, USUAL_ELEVATION, feet) if across < rise else STRAIGHT


def _edge(offsets: np.ndarray, length: float) -> float | None:  # (K, 2), x away from the corner
    """The rise per x of the lowest line from the corner to a foot on this side, if there is one."""
    beyond = offsets[offsets[:, 0] > FOOT_GAP * length]
    return float((np.abs(beyond[:, 1]) / beyond[:, 0]).min()) if len(beyond) else None


def _stands_level(ground: _Ground) -> bool:
    height = ground.feet[:, 1] - ground.feet[:, 1].min(initial=np.inf)
    on_ground = ground.feet[height < LEVEL * ground.length, 0]
    return len(on_ground) > 1 and np.ptp(on_ground) > FEET_APART * ground.length


def _view_by_tilt(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Viewpoint:
    """A body that hangs free and is long: its thick lower end is the near one."""
    spread = np.cov(np.stack([x, y]), aweights=weight)
    lengths, axes = np.linalg.eigh(spread)
    tilt = np.arctan2(axes[1, 1], axes[0, 1])
    tilt = float((tilt + np.pi / 2) % np.pi - np.pi / 2)  # of an axis, up to the right
    is_tilted = SWIMMER_TILT_DEG[0] < abs(np.degrees(tilt)) < SWIMMER_TILT_DEG[1]
    if lengths[1] < SWIMMER**2 * lengths[0] or not is_tilted:
        return STRAIGHT
    heavy = np.average(x, weights=weight) - (x.min() + x.max()) / 2  # the thick end
    if np.sign(heavy) != -np.sign(tilt):
        return STRAIGHT
    azimuth = float(np.arctan2(np.sin(USUAL_ELEVATION), abs(np.tan(tilt))))
    return Viewpoint(azimuth if tilt > 0 else -azimuth, USUAL_ELEVATION, np.empty((0, 2)))
