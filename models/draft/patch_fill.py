# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture without meaning: the grain of a material, sewn together from patches of the picture."""

import itertools

import cv2
import numpy as np

PATCH_PX = 24
STEP_PX = 16  # patches overlap by the difference
CANDIDATES = 16  # patches compared for each place
PURE = 0.95  # a patch is taken from where at least this share is one material
FEWEST = 800  # places to take patches from; fewer would repeat visibly
CALM = 0.5  # of the patches of a material those up to this quantile of contrast are used: the rest show lines and eyes


def sew_grain(
    grain: np.ndarray,  # (H, W, 3) float32
    labels: np.ndarray,  # (H, W) int
    source: np.ndarray,  # (H, W) bool
    target: np.ndarray,  # (H, W) int, -1 where nothing is wanted
) -> np.ndarray:  # (H, W, 3) float32
    """Cover the target with patches of grain that were seen on the same label.

    grain: what is left of a picture without its broad colours, mean 0. labels: where which material is seen;
    source: where it may be taken from. Each patch is the one of some candidates that fits best to what lies there
    already. A label with too few pure patches gets no grain. Equal inputs give equal results.
    Source: after Efros and Freeman, "Image Quilting for Texture Synthesis and Transfer", 2001, with soft seams.
    """
    height, width = labels.shape
    rng = np.random.default_rng(0)
    energy = (grain**2).sum(axis=2)
    pools = {label: _find_patches(energy, (labels == label) & source) for label in np.unique(target[target >= 0])}
    pixels = grain.reshape(-1, 3)
    patch = np.add.outer(np.arange(PATCH_PX) * width, np.arange(PATCH_PX)).ravel()
    window = _make_window()
    sewn = np.zeros((height + PATCH_PX, width + PATCH_PX, 3), np.float32)
    weight = np.zeros((height + PATCH_PX, width + PATCH_PX, 1), np.float32)
    power = np.zeros_like(weight)
    for row, column in itertools.product(range(0, height, STEP_PX), range(0, width, STEP_PX)):
        place = (slice(row, row + PATCH_PX), slice(column, column + PATCH_PX))
        wanted = target[place][target[place] >= 0]
        if wanted.size == 0:
            continue
        pool = pools[np.bincount(wanted).argmax()]
        if len(pool) == 0:
            continue
        picks = pool[rng.integers(0, len(pool), CANDIDATES)]
        seam = np.flatnonzero(weight[place])
        there = (sewn[place].reshape(-1, 3)[seam]) / weight[place].ravel()[seam, None]
        misfit = pixels.take(np.add.outer(picks @ [width, 1], patch[seam]), axis=0)
        misfit -= there
        best_row, best_column = picks[np.einsum("psc,psc->p", misfit, misfit).argmin()]
        sewn[place] += window * grain[best_row : best_row + PATCH_PX, best_column : best_column + PATCH_PX]
        weight[place] += window
        power[place] += window**2
    return (sewn / np.sqrt(np.maximum(power, 1e-6)))[:height, :width]  # a mean of patches would lose contrast


def _make_window() -> np.ndarray:  # (PATCH_PX, PATCH_PX, 1) float32
    """1 in the middle, falling towards the edges over the overlap."""
    rise = np.minimum(np.arange(1, PATCH_PX + 1), np.arange(PATCH_PX, 0, -1)) / (PATCH_PX - STEP_PX)
    window = np.minimum(rise, 1.0).astype(np.float32)
    return (window[:, None] * window[None, :])[..., None]


def _find_patches(energy: np.ndarray, mask: np.ndarray) -> np.ndarray:  # -> (P, 2) int, top left corners
    """Patches of calm grain within the mask. energy: (H, W) float32, squared length of the grain."""
    height, width = mask.shape
    share, contrast = (
        cv2.boxFilter(field.astype(np.float32), -1, (PATCH_PX, PATCH_PX), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        for field in (mask, energy * mask)
    )
    share[height - PATCH_PX + 1 :] = 0.0
    share[:, width - PATCH_PX + 1 :] = 0.0
    corners = np.argwhere(share >= PURE)
    if len(corners) < FEWEST:
        return corners[:0]
    contrasts = contrast[corners[:, 0], corners[:, 1]]
    return corners[contrasts <= np.quantile(contrasts, CALM)]
