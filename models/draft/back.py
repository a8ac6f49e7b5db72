# SPDX-License-Identifier: GPL-3.0-or-later
"""The back of a subject that was seen from the front: what its silhouette wears, continued behind it.

Frame and units: those of models.draft.inflate.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from scipy import ndimage

from .fill import push_pull
from .patch_fill import sew_grain
from .placement import place_behind
from .regions import Regions, find_regions
from .shades import mix, smoothstep, to_uint8

WORK_PX = 512  # broad colours are smooth, and grain finer than this is not missed
LABEL_PX = 256  # borders between pieces are placed at this resolution
SMOOTHING = 0.03  # window of the median that takes lines and lettering off the back, in the subject's longer side
RING = (0.03, 0.08)  # the back keeps its own colours up to this depth, and beyond it continues them, same unit
LIMB_RADIUS = (0.012, 0.026)  # a limb up to this radius keeps its own pattern, same unit
SHADE_STEP = (8.0, 20.0)  # pieces that differ less, in the units of regions, pass softly into each other
SHADE_WIDTH = 0.04  # of such a soft border, same unit
CRISP_PX = 1.5  # width of a crisp border, at LABEL_PX
FAINT = 0.002  # weight of a piece's mean colour, which it takes on far from where it is kept
OVERLAP = 0.01  # the mesh's rim lies within this of the silhouette, same unit
GRAIN_SIGMA = 0.012  # grain is what is finer than this, same unit
GRAIN_LIMIT = 3.0  # and no stronger than this against its median: fur is rough everywhere, a fold or a glint is not
OWN_GRAIN = 0.03  # a piece of this share of the subject has grain enough of its own


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
    ring = 1.0 - smoothstep(depth, *RING)
    labels = (min(size, LABEL_PX),) * 2
    reduced, near, margin = (cv2.resize(field, labels, interpolation=cv2.INTER_AREA) for field in (small, ring, depth))
    with ThreadPoolExecutor(1) as beside:  # what does not need the other's result is worked out beside it
        calm = beside.submit(cv2.medianBlur, to_uint8(small), window)
        regions = find_regions(to_uint8(reduced), margin > 0)
        own = cv2.resize(regions.own, work, interpolation=cv2.INTER_NEAREST)
        grain = beside.submit(_measure_grain, small, own, GRAIN_SIGMA * length * work[0])
        placed = place_behind(regions, near, length)
        plain = calm.result().astype(np.float32)
        quiet = cv2.resize(plain, labels, interpolation=cv2.INTER_AREA)
        spread = beside.submit(_spread_colors, quiet, regions, near, placed, length)
        behind = cv2.resize(placed, work, interpolation=cv2.INTER_NEAREST)
        kin = _find_kin(regions)
        target = np.where((depth > -OVERLAP) & (thickness > LIMB_RADIUS[0]) & (behind >= 0), kin[behind], -1)
        sewn = sew_grain(grain.result(), kin[own], (depth > RING[0] / 2) & (own >= 0), target)
        broad = cv2.resize(spread.result(), work, interpolation=cv2.INTER_LINEAR)
    kept = ring * cv2.resize((regions.own == placed).astype(np.float32), work, interpolation=cv2.INTER_LINEAR)
    painted = mix(broad, plain, kept) + sewn
    painted = mix(small, painted, smoothstep(thickness, *LIMB_RADIUS))
    return cv2.resize(painted, (size, size), interpolation=cv2.INTER_LINEAR)


def _spread_colors(
    quiet: np.ndarray, regions: Regions, ring: np.ndarray, placed: np.ndarray, length: float
) -> np.ndarray:  # (H, W, 3) float32
    """Each placed piece's colours, spread from where it is kept; softly joined where two pieces are shades."""
    shown = np.unique(placed[placed >= 0])
    nearest = ndimage.distance_transform_edt(placed < 0, return_distances=False, return_indices=True)
    marks = (placed[tuple(nearest)][..., None] == shown).astype(np.float32)
    crisp = cv2.GaussianBlur(marks, (0, 0), CRISP_PX).reshape(marks.shape) ** 4
    crisp /= crisp.sum(axis=2, keepdims=True)
    soft = cv2.GaussianBlur(marks, (0, 0), SHADE_WIDTH * length * len(placed)).reshape(marks.shape)
    filled = []
    for label in shown:
        piece = regions.own == label
        kept = piece * ring
        filled.append(push_pull(mix(quiet[piece].mean(axis=0), quiet, kept), np.maximum(kept, FAINT)))
    apart = np.linalg.norm(regions.tone[shown, None] - regions.tone[None, shown], axis=2)
    likeness = (1.0 - smoothstep(apart, *SHADE_STEP)).astype(np.float32)
    mixed = crisp / np.maximum(soft @ likeness, 1e-6) @ likeness.T * soft
    return np.einsum("hwk,khwc->hwc", mixed, np.stack(filled))


def _find_kin(regions: Regions) -> np.ndarray:  # -> (K,) int
    """The piece whose grain each shares: a large one its own, a small one that of the largest of like colour."""
    sizes = np.bincount(regions.own[regions.own >= 0])
    order = np.argsort(-sizes, kind="stable")
    apart = np.linalg.norm(regions.tone[:, None] - regions.tone[None, order], axis=2)
    likest = order[(apart < SHADE_STEP[0]).argmax(axis=1)]
    return np.where(sizes > OWN_GRAIN * sizes.sum(), np.arange(len(sizes)), likest)


def _measure_grain(small: np.ndarray, own: np.ndarray, sigma: float) -> np.ndarray:
    """What each pixel differs from the mean of its piece around it: (H, W, 3) float32."""
    grain = np.zeros_like(small)
    for label, box in enumerate(ndimage.find_objects(own + 1)):
        if box is None:
            continue
        mask = (own[box] == label).astype(np.float32)
        weight = np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), 1e-6)
        inked = small[box] * mask[..., None]
        mean = cv2.GaussianBlur(inked, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT) / weight[..., None]
        rest = (small[box] - mean) * mask[..., None]
        limit = GRAIN_LIMIT * np.median(np.abs(rest)[mask > 0])
        grain[box] += np.clip(rest, -limit, limit)
    return grain
