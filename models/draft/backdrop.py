# SPDX-License-Identifier: GPL-3.0-or-later
"""What the background would look like without the subject: one smooth surface, or a wall and a floor.

Colours are compared in CIE Lab, where a distance of about 2 is just visible.
"""

from dataclasses import dataclass

import cv2
import numpy as np

RING_SHARE = 0.035  # width of the border that is taken for background, in the picture's shorter side
FIT_ROUNDS = 6  # reweighted least squares: more rounds no longer move the surface
STEP_REACH = 0.04  # of the height: rows above and below which a horizon shows as a step of colour
STEP_GAP = 0.008  # of the height: a horizon is no softer than twice this
SMALLEST_STEP = 4.0  # in Lab: a smaller one is within the tolerance of a single surface
STEPS_PER_SIDE = 3  # candidates for the horizon at either side; a subject at the border makes some of its own
STEP_LIKENESS = 0.5  # the two sides may differ by this share of the step: light falls off along the floor
STEEPEST_HORIZON = 0.25  # difference of its heights left and right, in the picture's height
SEAM_SHARE = 0.012  # half-width of the zone along the horizon in which the two surfaces may mix, in the height
SPLIT_GAIN = 0.7  # two surfaces must leave less than this share of the error that one leaves


@dataclass(frozen=True)
class Backdrop:
    """The expected background.

    lab: (H, W, 3) float32. difference: (H, W, 3) float32, the picture less the background.
    ring: (H, W) bool, the border it was fitted to. sigma: how far the border leaves it, per channel.
    horizon: heights in rows at which the floor begins at the left and the right side, where there is one.
    """

    lab: np.ndarray
    difference: np.ndarray
    ring: np.ndarray
    sigma: float
    horizon: tuple[float, float] | None


def to_lab(rgb: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8 -> (H, W, 3) float32
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    return cv2.GaussianBlur(lab, (0, 0), 0.7)  # takes off compression noise


def border_ring(shape: tuple[int, int]) -> np.ndarray:
    width = max(1, round(RING_SHARE * min(shape)))
    ring = np.ones(shape, bool)
    ring[width:-width, width:-width] = False
    return ring


def model_backdrop(lab: np.ndarray) -> Backdrop:  # (H, W, 3) float32
    """One surface through the border, or two that meet at a horizon where that explains the border much better."""
    ring = border_ring(lab.shape[:2])
    surface = _fit_surface(lab, ring)
    one = Backdrop(surface, lab - surface, ring, _sigma(lab - surface, ring), None)
    horizon = _find_horizon(lab)
    if horizon is None:
        return one
    height, width = ring.shape
    line = np.linspace(*horizon, width)[None, :]
    below = np.arange(height)[:, None] >= line
    wall, floor = _fit_surface(lab, ring & ~below), _fit_surface(lab, ring & below)
    expected = np.where(below[..., None], floor, wall)
    seam = np.abs(np.arange(height)[:, None] - line) <= max(2.0, SEAM_SHARE * height)
    across = floor - wall
    share = ((lab - wall) * across).sum(axis=2) / np.maximum((across**2).sum(axis=2), 1e-6)
    mixed = wall + np.clip(share, 0.0, 1.0)[..., None] * across
    expected = np.where(seam[..., None], mixed, expected)
    difference = lab - expected
    if _error(difference, ring) > SPLIT_GAIN * _error(one.difference, ring):
        return one
    return Backdrop(expected, difference, ring, _sigma(difference, ring), horizon)


def _sigma(difference: np.ndarray, ring: np.ndarray) -> float:
    length = np.linalg.norm(difference, axis=2)[ring]
    return 1.4826 * float(np.median(length)) / 1.54  # a 3-vector's median length is 1.54 sigma per channel


def _error(difference: np.ndarray, ring: np.ndarray) -> float:
    return float(np.minimum(np.linalg.norm(difference, axis=2)[ring], 20.0).mean())  # a subject counts no more than so


def _fit_surface(lab: np.ndarray, ring: np.ndarray) -> np.ndarray:  # (H, W, 3), (H, W) bool -> (H, W, 3) float32
    """A quadratic surface per channel through the ring, blind to what stands out of it (reweighted least squares)."""
    height, width = ring.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    samples, targets = basis[ring], lab[ring].astype(np.float64)
    residual = np.linalg.norm(targets - np.median(targets, axis=0), axis=1)
    for _ in range(FIT_ROUNDS):
        scale = max(1.0, 1.4826 * float(np.median(residual)))
        weight = 1.0 / (1.0 + (residual / (2.0 * scale)) ** 4)
        weighted = samples * weight[:, None]
        damped = weighted.T @ samples + 1e-3 * weight.sum() * np.diag([0.0, 1, 1, 1, 1, 1])  # a ring says little inside
        surface = np.linalg.solve(damped, weighted.T @ targets)
        residual = np.linalg.norm(targets - samples @ surface, axis=1)
    return (basis @ surface).astype(np.float32)


def _find_horizon(lab: np.ndarray) -> tuple[float, float] | None:
    """Rows of the strongest step of colour that the left and the right side share; None where they share none."""
    height, width = lab.shape[:2]
    strip = max(1, round(RING_SHARE * min(height, width)))
    left = _steps(np.median(lab[:, :strip], axis=1))
    right = _steps(np.median(lab[:, -strip:], axis=1))
    best, found = SMALLEST_STEP, None
    for row_left, step_left in left:
        for row_right, step_right in right:
            strength = min(float(np.linalg.norm(step_left)), float(np.linalg.norm(step_right)))
            unlike = float(np.linalg.norm(step_left - step_right))
            if abs(row_left - row_right) > STEEPEST_HORIZON * height or unlike > STEP_LIKENESS * strength:
                continue
            if strength > best:
                best, found = strength, (row_left, row_right)
    return found


def _steps(profile: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """The strongest steps down a side of the picture: row, and colour below less colour above. profile: (H, 3)."""
    reach = max(2, round(STEP_REACH * len(profile)))
    gap = max(1, round(STEP_GAP * len(profile)))
    if len(profile) <= 2 * (reach + gap) + 1:
        return []
    total = np.vstack([np.zeros((1, 3)), np.cumsum(profile.astype(np.float64), axis=0)])
    rows = np.arange(reach + gap, len(profile) - reach - gap)
    above = (total[rows - gap] - total[rows - gap - reach]) / reach
    below = (total[rows + gap + reach] - total[rows + gap]) / reach
    steps = below - above
    strength = np.linalg.norm(steps, axis=1)
    found = []
    for _ in range(STEPS_PER_SIDE):
        peak = int(strength.argmax())
        plateau = np.flatnonzero(strength >= 0.98 * strength[peak])  # a sharp step is equally strong over the gap
        center = round(plateau[np.abs(plateau - peak) <= gap].mean())
        found.append((float(rows[center]), steps[center]))
        strength[max(0, peak - reach) : peak + reach + 1] = 0.0
    return found
