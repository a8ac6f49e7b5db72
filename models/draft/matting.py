# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting the subject out of its picture without a network."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from .background import segment_subject
from .errors import NoSubjectFound
from .fill import push_pull
from .framing import resize_rgba
from .shades import mix

LARGEST_SIDE_PX = 2048  # larger pictures are reduced first: later steps use no more, and memory stays bounded
WORK_SIDE_PX = 512  # side at which the classical segmentation runs: GrabCut takes seconds on more
CLEAR_ALPHA = 12  # at most this much is clear: exporters leave haze in empty areas
CLEAR_SHARE = 0.01  # an alpha channel means something when at least this share of the picture is clear
SUBJECT_ALPHA = 128
UNSURE_BELOW = 0.5  # confidence: below, the artist is asked to look at the outline
UNSURE_CONFIDENCE = 0.4  # of a cut-out that may be wrong
SOLID_ALPHA = 250  # colours from here on are the subject's own
SMALLEST_SUBJECT = 0.001  # of the picture's pixels
SMALLEST_PART = 0.02  # of the largest part: smaller ones are specks
SMALLEST_HOLE = 0.0003  # of the picture's pixels: smaller ones are noise and are closed
FULL_PICTURE = 0.95  # a subject that covers more than this is most likely the background taken for it
EDGE_BAND = 0.006  # half-width of the zone in which alpha is estimated, in the picture's longer side
SEPARABLE_COLORS = 48.0  # RGB distance from which the edge's colours alone decide its alpha

BUSY_WARNING = (
    "The background is busy, so the cut-out may be wrong. Check the outline; give a mask of the subject, or use a "
    "picture with a plain or transparent background."
)
UNSURE_WARNING = (
    "Parts of the subject look like the background or are very fine, so the cut-out may be wrong. Check the outline; "
    "give a mask of the subject, or use a picture with a transparent background or one of another colour."
)
FULL_WARNING = (
    "The subject fills the whole picture, so its outline could not be told from the background. "
    "Use a picture with some plain background around the subject."
)


@dataclass(frozen=True)
class Cutout:
    """A subject with straight alpha.

    rgba: (H, W, 4) uint8; the subject's own colours also under its soft edge, black where alpha is 0.
    method: "alpha" when the picture brought its own alpha, "grabcut" when it was estimated.
    confidence: 0..1, how far the outline can be trusted; below UNSURE_BELOW it must be looked at.
    warnings: sentences for the artist.
    """

    rgba: np.ndarray
    method: Literal["alpha", "grabcut"]
    confidence: float
    warnings: tuple[str, ...]

    @property
    def is_sure(self) -> bool:
        return self.confidence >= UNSURE_BELOW


def cut_out(rgba: np.ndarray) -> Cutout:  # rgba: (H, W, 4) uint8
    """Separate the subject from its background.

    The picture's own alpha is used where it has clear pixels; otherwise the background is estimated from the border.
    A picture whose longer side is above LARGEST_SIDE_PX comes back reduced to that.
    Raises NoSubjectFound when nothing stands out.
    """
    rgba = reduce_picture(rgba)
    if has_alpha(rgba):
        return take_alpha(rgba)
    return _cut_classically(np.ascontiguousarray(rgba[..., :3]))


def reduce_picture(rgba: np.ndarray) -> np.ndarray:  # (H, W, 4) uint8 -> (h, w, 4) uint8
    """The picture with its longer side at most LARGEST_SIDE_PX."""
    longest = max(rgba.shape[:2])
    if longest <= LARGEST_SIDE_PX:
        return rgba
    height, width = (max(1, round(side * LARGEST_SIDE_PX / longest)) for side in rgba.shape[:2])
    return resize_rgba(rgba, width, height)


def has_alpha(rgba: np.ndarray) -> bool:  # (H, W, 4) uint8
    """Whether the picture's own alpha tells the subject: enough of it is clear."""
    return bool((rgba[..., 3] <= CLEAR_ALPHA).mean() >= CLEAR_SHARE)


def take_alpha(rgba: np.ndarray) -> Cutout:  # (H, W, 4) uint8
    """Cut out by the picture's own alpha. Raises NoSubjectFound when it leaves next to nothing."""
    alpha = clean_alpha(rgba[..., 3], "all of it is transparent")
    return Cutout(own_colors(rgba[..., :3], rgba[..., 3], alpha), "alpha", 1.0, ())


def _cut_classically(rgb: np.ndarray) -> Cutout:  # (H, W, 3) uint8
    height, width = rgb.shape[:2]
    if min(height, width) < 8:
        raise _no_subject(f"it is only {width} × {height} pixels")
    scale = min(1.0, WORK_SIDE_PX / max(height, width))
    work = (max(8, round(width * scale)), max(8, round(height * scale)))
    segmentation = segment_subject(cv2.resize(rgb, work, interpolation=cv2.INTER_AREA))
    flat = "nothing in it differs from the background at its border"
    inside = clean_alpha(segmentation.inside.astype(np.uint8) * 255, flat)
    outline = cv2.resize(inside.astype(np.float32) / 255.0, (width, height), interpolation=cv2.INTER_LINEAR)
    estimated = _estimate_edge(rgb, outline)
    alpha = clean_alpha(estimated, flat)
    confidence = 0.9 * segmentation.border_fit if segmentation.is_sure else UNSURE_CONFIDENCE
    warnings = [] if segmentation.is_sure else [UNSURE_WARNING if segmentation.is_plain else BUSY_WARNING]
    if (alpha >= SUBJECT_ALPHA).mean() > FULL_PICTURE:
        confidence, warnings = min(confidence, 0.2), [*warnings, FULL_WARNING]
    return Cutout(own_colors(rgb, estimated, alpha), "grabcut", confidence, tuple(warnings))


def _estimate_edge(rgb: np.ndarray, outline: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8, (H, W) float32
    """Alpha from colour within a narrow band along the outline: (H, W) uint8.

    There each pixel is read as a mixture of the nearest sure subject and the nearest sure background colour.
    """
    band_px = max(1, round(EDGE_BAND * max(outline.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band_px + 1,) * 2)
    inside = (outline >= 0.5).astype(np.uint8)
    sure_inside, sure_outside = cv2.erode(inside, kernel) > 0, cv2.dilate(inside, kernel) == 0
    color = rgb.astype(np.float32)
    background = push_pull(color, sure_outside)
    across = push_pull(color, sure_inside) - background
    contrast = np.linalg.norm(across, axis=2)
    mixed = ((color - background) * across).sum(axis=2) / np.maximum(contrast, 1.0) ** 2
    mixed = np.clip((mixed - 0.1) / 0.8, 0.0, 1.0)  # noise at either end is no transparency
    share = np.clip(contrast / SEPARABLE_COLORS, 0.0, 1.0) * (~sure_inside & ~sure_outside)
    alpha = outline + (mixed - outline) * share
    return np.rint(cv2.GaussianBlur(alpha, (3, 3), 0.5) * 255.0).astype(np.uint8)


def clean_alpha(alpha: np.ndarray, why_empty: str) -> np.ndarray:  # (H, W) uint8 -> (H, W) uint8
    """Drop specks and far haze, close pinholes. Raises NoSubjectFound when less than SMALLEST_SUBJECT is left."""
    inside = (alpha >= SUBJECT_ALPHA).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    if areas.sum() == 0:
        raise _no_subject(why_empty)
    if areas.sum() < SMALLEST_SUBJECT * alpha.size:
        raise _no_subject(f"what stands out covers less than {SMALLEST_SUBJECT:.1%} of it")
    kept = (areas >= SMALLEST_PART * areas.max())[labels]
    kept[labels == 0] = False
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - kept.astype(np.uint8), connectivity=4)
    pinholes = (stats[:, cv2.CC_STAT_AREA] < SMALLEST_HOLE * alpha.size)[labels] & ~kept
    reach = 2 * max(1, round(EDGE_BAND * max(alpha.shape))) + 1
    soft_edge = cv2.dilate(kept.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    cleaned = np.where(pinholes, 255, np.where(kept | (soft_edge & (inside == 0)), alpha, 0))
    cleaned[cleaned <= CLEAR_ALPHA] = 0
    return cleaned.astype(np.uint8)


def own_colors(rgb: np.ndarray, seen: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Replace the background's share in soft pixels by the nearest solid colour: (H, W, 4) uint8.

    rgb: (H, W, 3) uint8; seen: (H, W) uint8, the opacity the colours were seen with; alpha: (H, W) uint8, as returned.
    """
    solid = (seen >= SOLID_ALPHA) & (alpha > 0)
    if not solid.any():
        solid = seen >= min(SOLID_ALPHA, int(seen.max()))
    own = push_pull(rgb.astype(np.float32), solid)
    share = np.where(solid, np.float32(1.0), seen.astype(np.float32) / 255.0)
    color = np.rint(mix(own, rgb, share)).astype(np.uint8)
    return cv2.copyTo(cv2.merge([*cv2.split(color), alpha]), alpha)


def _no_subject(why: str) -> NoSubjectFound:
    return NoSubjectFound(
        f"No subject was found in the picture: {why}. "
        "Use a picture of one character that stands out from a plain or transparent background."
    )
