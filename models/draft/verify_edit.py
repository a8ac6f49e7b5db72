# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an edited picture may take the place of the artist's: measured on both cut-outs, with no weights.

Editors lose feet, add a second view, leave the arms where they were or draw somebody else; each is found here, as far
as outlines and colours tell. A likeness of the face is not judged: the artist sees both pictures.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from .diagnose import SHORTEST_LIMB, diagnose, measure_limbs
from .framing import SUBJECT_ALPHA, resize_rgba, subject_bounds

Pose = Literal["a_pose", "as_it_is"]

SMALLEST_SHARE = 0.03  # of the picture's pixels: less is no subject to build from
WIDTH_GAIN = 1.15  # of width over height, by which arms that hung must spread
A_POSE_WIDTH = 0.45  # width over height: arms that hang give 0.30 to 0.35, an A-pose 0.55 to 0.75
PALETTE_SIDE_PX = 256  # of the subject when colours are compared
PALETTE_BINS = (6, 12, 12)  # of L, a, b: about 17 by 17 by 17 units
# Bhattacharyya overlap of two palettes: pictures of one character in other light, or half hidden, reach 0.87 and more,
# half of the pairs of different characters stay below 0.66.
PALETTE_ALIKE = 0.75


@dataclass(frozen=True)
class Verdict:
    """is_accepted: whether the edit may be used. sentence: why not, or what to know about it, empty where nothing is.

    widths: width over height of the subject before and after. gaps: shares of arm and leg rows that are apart, after.
    palette_overlap: 0..1.
    """

    is_accepted: bool
    sentence: str
    widths: tuple[float, float]
    gaps: tuple[float, float]
    palette_overlap: float


def verify_edit(before: np.ndarray, after: np.ndarray, pose: Pose) -> Verdict:  # (H, W, 4) uint8, each cut out
    """Judge an edit. pose: what was asked for; "as_it_is" turned the subject to the front and posed nothing.

    Each picture in its own frame, cut out of its own background. Raises NoSubjectFound when one of them is empty.
    """
    widths = _width(before), _width(after)
    gaps_before, gaps = measure_limbs(before), measure_limbs(after)
    overlap = compare_palettes(before, after)
    why_not = _fault_of_picture(after) or (_fault_of_pose(widths, gaps_before, gaps) if pose == "a_pose" else "")
    if not why_not and overlap < PALETTE_ALIKE:
        why_not = "its colours are not those of the picture"
    if why_not:
        return Verdict(
            False, f"The edited picture was not used, because {why_not}; the original was kept.", widths, gaps, overlap
        )
    remark = ""
    if pose == "a_pose" and gaps[1] < SHORTEST_LIMB:
        remark = "The legs are not apart in the edited picture either, as under a long garment: they will bend as one."
    return Verdict(True, remark, widths, gaps, overlap)


def compare_palettes(first: np.ndarray, second: np.ndarray) -> float:  # (H, W, 4) uint8, each cut out
    """How alike the subjects' colours are, wherever they lie: overlap of smoothed Lab histograms, 0..1."""
    return float(np.sqrt(_palette(first) * _palette(second)).sum())


def _fault_of_picture(after: np.ndarray) -> str:
    if (after[..., 3] >= SUBJECT_ALPHA).mean() < SMALLEST_SHARE:
        return "hardly anything is left of the subject in it"
    codes = {finding.code for finding in diagnose(after)}
    if "cropped" in codes:
        return "the subject is cut off by its edge"
    if "several_subjects" in codes:
        return "it shows more than one subject"
    return ""


def _fault_of_pose(widths: tuple[float, float], gaps_before: tuple[float, float], gaps: tuple[float, float]) -> str:
    if gaps[0] < SHORTEST_LIMB:
        return "the arms are not apart from the body in it"
    if gaps[1] < SHORTEST_LIMB <= gaps_before[1]:
        return "it joined the legs, which were apart"
    had_hanging_arms = widths[0] < A_POSE_WIDTH and gaps_before[0] < SHORTEST_LIMB
    if widths[1] < A_POSE_WIDTH or (had_hanging_arms and widths[1] < WIDTH_GAIN * widths[0]):
        return "the arms hang in it as they did" if had_hanging_arms else "the arms are not spread in it"
    return ""


def _width(rgba: np.ndarray) -> float:
    left, top, right, bottom = subject_bounds(rgba)
    return (right - left) / (bottom - top)


def _palette(rgba: np.ndarray) -> np.ndarray:
    """Share of the subject's pixels in each bin of PALETTE_BINS, spread to the neighbours: float64."""
    left, top, right, bottom = subject_bounds(rgba)
    subject = rgba[top:bottom, left:right]
    scale = min(1.0, PALETTE_SIDE_PX / max(subject.shape[:2]))
    height, width = (max(1, round(side * scale)) for side in subject.shape[:2])
    small = resize_rgba(subject, width, height)
    lab = cv2.cvtColor(small[..., :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)[small[..., 3] >= SUBJECT_ALPHA]
    counts, _ = np.histogramdd(lab, bins=PALETTE_BINS, range=((0, 100), (-100, 100), (-100, 100)))
    kernel = np.array([0.25, 0.5, 0.25])
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        counts = sum(
            weight * np.take(padded, range(shift, shift + PALETTE_BINS[axis]), axis=axis)
            for shift, weight in enumerate(kernel)
        )
    return counts / counts.sum()
