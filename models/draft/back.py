# SPDX-License-Identifier: GPL-3.0-or-later
"""The back of a subject that was seen from the front: what its silhouette wears, continued behind it.

Frame and units: those of models.draft.inflate.
"""

import cv2
import numpy as np

from .fill import push_pull
from .materials import Materials, continue_behind, find_materials
from .patch_fill import sew_grain
from .shades import mix, smoothstep, to_uint8

WORK_PX = 512  # broad colours are smooth, and grain finer than this is not missed
LABEL_PX = 256  # borders between materials are placed at this resolution
SMOOTHING = 0.03  # window of the median that takes lines and lettering off the back, in the subject's longer side
RING = (0.03, 0.08)  # the back keeps its own colours up to this depth, and beyond it continues them, same unit
LIMB_RADIUS = (0.012, 0.026)  # a limb up to this radius keeps its own pattern, same unit
SHADE_STEP = (22.0, 45.0)  # RGB: where crisp borders differ less from a mixture, that is a shade, and is mixed
OVERLAP = 0.01  # the mesh's rim lies within this of the silhouette, same unit
GRAIN_SIGMA = 0.012  # grain is what is finer than this, same unit


def paint_back(
    color: np.ndarray,  # (S, S, 3) float32, 0..255
    distance: np.ndarray,  # (S, S) float32
    radius: np.ndarray,  # (S, S) float32
    length: float,
) -> np.ndarray:  # (S, S, 3) float32
    """A back without face, belly or lettering, laid out as seen from the front.

    color: the picture, filled beyond the silhouette. distance, radius: signed distance to the silhouette and local
    thickness. length: the subject's longer side. Limbs are all silhouette and keep their colours; a head takes those
    of its hair, a clock those of its case, with the grain that these have elsewhere.
    """
    size = color.shape[0]
    work = (min(size, WORK_PX),) * 2
    small = cv2.resize(color, work, interpolation=cv2.INTER_AREA)
    depth, thickness = (cv2.resize(field / length, work, interpolation=cv2.INTER_AREA) for field in (distance, radius))
    window = 2 * round(SMOOTHING * length * work[0] / 2) + 1
    plain = cv2.medianBlur(to_uint8(small), window).astype(np.float32)
    ring = 1.0 - smoothstep(depth, *RING)
    materials, shares, mixture = _place_materials(plain, depth, ring)
    own = cv2.resize(materials.own.astype(np.uint8), work, interpolation=cv2.INTER_NEAREST)
    detail = cv2.resize(materials.is_detail.astype(np.float32), work, interpolation=cv2.INTER_LINEAR)
    kept = ring * (1.0 - detail)
    crisp, soft = _continue_colors(plain, own, kept, (shares, mixture))
    soft = mix(soft, crisp, smoothstep(np.linalg.norm(crisp - soft, axis=2), *SHADE_STEP))
    painted = mix(soft, plain, kept)
    grain = _measure_grain(small, own, shares.shape[2], GRAIN_SIGMA * length * work[0])
    target = np.where((depth > -OVERLAP) & (thickness > LIMB_RADIUS[0]), shares.argmax(axis=2), -1)
    painted = painted + sew_grain(grain, own, (depth > RING[0] / 2) & (detail < 0.5), target)
    painted = mix(small, painted, smoothstep(thickness, *LIMB_RADIUS))
    return cv2.resize(painted, (size, size), interpolation=cv2.INTER_LINEAR)


def _place_materials(
    plain: np.ndarray, depth: np.ndarray, ring: np.ndarray
) -> tuple[Materials, np.ndarray, np.ndarray]:
    """The materials at a reduced resolution; their crisp shares and their mixture at every pixel, (H, W, K) float32."""
    height, width = depth.shape
    reduced = (min(width, LABEL_PX),) * 2
    color, depth, ring = (cv2.resize(field, reduced, interpolation=cv2.INTER_AREA) for field in (plain, depth, ring))
    materials = find_materials(to_uint8(color), depth > 0, (depth > 0) & (depth < RING[0]))
    placed = continue_behind(materials, ring, depth > 0)
    shares, mixture = (
        cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
        for field in placed
    )
    return materials, shares, mixture


def _continue_colors(
    plain: np.ndarray, own: np.ndarray, kept: np.ndarray, placements: tuple[np.ndarray, ...]
) -> list[np.ndarray]:
    """Each material's colours spread from where it is kept, laid out by each placement's shares: (H, W, 3) float32."""
    height, width = own.shape
    half = (max(1, width // 2), max(1, height // 2))
    totals = [np.zeros_like(plain) for _ in placements]
    for label in range(placements[0].shape[2]):
        known = kept * (own == label)
        weight = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
        color = cv2.resize(plain * known[..., None], half, interpolation=cv2.INTER_AREA)
        filled = push_pull(color / np.maximum(weight, 1e-6)[..., None], weight)
        filled = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
        for total, shares in zip(totals, placements, strict=True):
            total += shares[..., label, None] * filled
    return totals


def _measure_grain(small: np.ndarray, own: np.ndarray, count: int, sigma: float) -> np.ndarray:
    """What each pixel differs from the mean of its material around it: (H, W, 3) float32."""
    grain = np.zeros_like(small)
    for label in range(count):
        mask = (own == label).astype(np.float32)
        weight = np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma), 1e-6)
        mean = cv2.GaussianBlur(small * mask[..., None], (0, 0), sigma) / weight[..., None]
        grain += (small - mean) * mask[..., None]
    return grain
