# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling subject from background without alpha: a flood of the backdrop's colour from the border, and GrabCut.

A cut-out is mistrusted where its outline lies on no edge of the picture, where a slightly different tolerance gives
another one, and where it leaves the picture or shows the background too often.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .backdrop import Backdrop, model_backdrop, to_lab
from .busy import cut_from_busy, grab_cut, touching_border

PLAIN_SIGMA = 3.2  # a border that leaves its smooth fit by more is busy: none of 80 photographs passed this gate
PLAIN_INLIERS = 0.75  # share of the border that may not be subject: a bust cut at the bottom edge covers a fifth
SHADOW_DEPTH = 45.0  # a contact shadow darkens its background by no more, in Lab lightness
SHADOW_CHROMA = 5.0  # and keeps its hue to within this
SHADOW_GRADIENT = 1.5  # and has no edges: lightness per pixel
NARROWER, WIDER = 0.7, 1.4  # tolerances tried beside the usual one
UNEVEN_SIGMA = 1.5  # from here on the tolerance is wide enough to matter
LIKE_BORDER = 0.3  # of the tolerance: an enclosed region that leaves the background by less is seen through a gap
STEADY = 0.87  # overlap of what the usual and the narrower tolerance leave; below, one of them is wrong
STEADY_UNEVEN = 0.72  # of what the narrower and the wider leave: sound cut-outs .74 and more, leaks .66 and less
SUPPORTED = 0.90  # share of the outline on an edge: leaks left at most .89 of it, sound cut-outs at least .91
EDGE = 2.0  # Lab per pixel: just visible
OUTLINE_MARGIN_PX = 3  # of the working picture: along its own border there is no edge to find
MOST_CROSSINGS = 6  # two feet, two hands, a tail, a weapon; stars and foliage taken for subject make dozens
MOST_GAPS = 12  # spokes, chains and lattices are finer than the working picture; other subjects had at most 7
SMALLEST_GAP_PX = 25  # in pixels of the working picture
BAND_PX = 3  # how far GrabCut may move the outline that the flood found, in pixels of the working picture
GRABCUT_ROUNDS_PLAIN = 2


@dataclass(frozen=True)
class Segmentation:
    """Where the subject is.

    inside: (H, W) bool. is_plain: whether the background is one smooth colour surface, or a wall and a floor.
    is_sure: whether the outline can be relied on; never before a background that is not plain.
    border_fit: share of the border that the background model explains, 0..1.
    """

    inside: np.ndarray
    is_plain: bool
    is_sure: bool
    border_fit: float


def segment_subject(rgb: np.ndarray) -> Segmentation:  # rgb: (H, W, 3) uint8, a few hundred pixels wide
    """Separate the subject from its background. The mask may be empty, and is always empty on a flat picture."""
    lab = to_lab(rgb)
    backdrop = model_backdrop(lab)
    residual = np.linalg.norm(backdrop.difference, axis=2)
    tolerance = float(np.clip(3.0 + 4.0 * backdrop.sigma, 5.0, 12.0))
    border_fit = float((residual[backdrop.ring] < tolerance).mean())
    if backdrop.sigma < PLAIN_SIGMA and border_fit > PLAIN_INLIERS:
        usual, narrow, wide = (
            _flood_background(backdrop, residual, factor * tolerance, lab) for factor in (1.0, NARROWER, WIDER)
        )
        is_steady = _overlap(usual, narrow) >= STEADY
        in_order = (usual, narrow) if is_steady else (narrow, usual)  # in doubt rather some background than a hole
        if backdrop.sigma < UNEVEN_SIGMA or _overlap(narrow, wide) >= STEADY_UNEVEN:
            for flood in in_order:
                inside = _refine_outline(rgb, flood)
                if _outline_support(lab, inside) > SUPPORTED and _count_crossings(inside) <= MOST_CROSSINGS:
                    is_sure = is_steady and _count_gaps(inside) <= MOST_GAPS
                    return Segmentation(inside, True, is_sure, border_fit)
    return Segmentation(cut_from_busy(rgb), False, False, border_fit)


def _flood_background(backdrop: Backdrop, residual: np.ndarray, tolerance: float, lab: np.ndarray) -> np.ndarray:
    """The subject: what the background's colour, poured in from the border, does not reach: (H, W) bool.

    residual: (H, W) float32; lab: (H, W, 3) float32.
    """
    lightness = lab[..., 0]
    gradient = np.hypot(cv2.Sobel(lightness, -1, 1, 0), cv2.Sobel(lightness, -1, 0, 1)) / 8.0
    passable = (residual < tolerance) | (_find_shadow(backdrop, lab) & (gradient < SHADOW_GRADIENT))
    background = touching_border(passable) & passable
    gap = (residual < 0.6 * tolerance) & (gradient < SHADOW_GRADIENT) & ~background
    gap = cv2.morphologyEx(gap.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(gap.astype(np.uint8), connectivity=4)
    mean = np.bincount(labels.ravel(), residual.ravel(), count) / np.maximum(stats[:, cv2.CC_STAT_AREA], 1)
    is_background = mean < LIKE_BORDER * tolerance  # seen through the subject
    is_background[0] = False
    holes = cv2.dilate(is_background[labels].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return ~(background | (holes & (residual < tolerance)))


def _overlap(first: np.ndarray, second: np.ndarray) -> float:  # (H, W) bool, (H, W) bool
    """Intersection over union; 1 for two empty masks."""
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0


def _outline_support(lab: np.ndarray, inside: np.ndarray) -> float:  # (H, W, 3) float32, (H, W) bool
    """Share of the outline that lies on an edge of the picture, 0..1; low where colours ran into each other.

    The picture's own border does not count. 1 where there is no outline.
    """
    slope = cv2.Sobel(lab, -1, 1, 0) ** 2 + cv2.Sobel(lab, -1, 0, 1) ** 2
    near = cv2.dilate(np.sqrt(slope.sum(axis=2)) / 8.0, np.ones((5, 5), np.uint8))
    mask = inside.astype(np.uint8)
    outline = (mask & ~cv2.erode(mask, np.ones((3, 3), np.uint8))) > 0
    outline[:OUTLINE_MARGIN_PX] = outline[-OUTLINE_MARGIN_PX:] = False
    outline[:, :OUTLINE_MARGIN_PX] = outline[:, -OUTLINE_MARGIN_PX:] = False
    return float((near[outline] > EDGE).mean()) if outline.any() else 1.0


def _count_crossings(inside: np.ndarray) -> int:  # (H, W) bool
    """How often what was taken for the subject leaves the picture."""
    border = np.concatenate([inside[0], inside[1:, -1], inside[-1, -2::-1], inside[-2:0:-1, 0]])
    return int((border & ~np.roll(border, 1)).sum())


def _count_gaps(inside: np.ndarray) -> int:  # (H, W) bool
    """Through how many enclosed gaps the background is seen."""
    background = (~inside).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(background, connectivity=4)
    enclosed = ~np.isin(np.arange(count), labels[touching_border(~inside)])
    return int((enclosed[1:] & (stats[1:, cv2.CC_STAT_AREA] > SMALLEST_GAP_PX)).sum())


def _find_shadow(backdrop: Backdrop, lab: np.ndarray) -> np.ndarray:  # (H, W, 3) float32 -> (H, W) bool
    """Where the picture is the backdrop in less light: linear colours times s scale Lab, from L = -16, by s^(1/3)."""
    darker = (backdrop.difference[..., 0] < 0) & (backdrop.difference[..., 0] > -SHADOW_DEPTH)
    factor = (lab[..., :1] + 16.0) / (backdrop.lab[..., :1] + 16.0)
    return darker & (np.linalg.norm(lab[..., 1:] - factor * backdrop.lab[..., 1:], axis=2) < SHADOW_CHROMA)


def _refine_outline(rgb: np.ndarray, inside: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8, (H, W) bool
    """Let GrabCut move the outline by a few pixels; thin parts, which its smoothness term eats, are kept."""
    mask = inside.astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND_PX + 1,) * 2)
    core, reach = cv2.erode(mask, kernel), cv2.dilate(mask, kernel)
    thin = mask & ~cv2.dilate(cv2.erode(mask, np.ones((3, 3), np.uint8)), kernel)
    seeds = np.where(mask > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[(core > 0) | (thin > 0)] = cv2.GC_FGD
    seeds[reach == 0] = cv2.GC_BGD
    if not (core.any() and (reach == 0).any()):
        return inside
    return grab_cut(rgb, seeds, GRABCUT_ROUNDS_PLAIN)
