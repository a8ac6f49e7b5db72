# SPDX-License-Identifier: GPL-3.0-or-later
"""What about a picture will harm the model made from it: measured on the cut-out subject, with no weights.

Every finding has a code of a closed list, the measured value, how bad it is, and one sentence that names the cure.
Thresholds come from pictures of characters with known defects; docs/normalization.md has the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from .framing import SUBJECT_ALPHA, subject_bounds

Code = Literal[
    "low_resolution",
    "fake_resolution",
    "blur",
    "busy_background",
    "cropped",
    "several_subjects",
    "tilt",
    "asymmetric",
    "limbs_merged",
]
CODES: tuple[Code, ...] = get_args(Code)

ENOUGH_HEIGHT_PX = 768  # of the subject: models see it at about this size; more is not used
STRONG_GRADIENTS = 0.02  # share of the subject's pixels whose gradients tell its sharpness: lines and edges
SMALLEST_GRADIENT = 2.0  # grey levels per pixel: a subject with no stronger ones is flat, neither sharp nor blurred
BLUR_SIGMA_PX = 1.0  # a sharp picture loses a third and more of its strong gradients to this blur
BLURRED, VERY_BLURRED = 0.20, 0.08  # share lost; below, the picture itself is blurred by 2 and by 4 pixels
INTERPOLATED = 0.25  # share lost; below, a picture of good size was most likely enlarged from a third of it or less
TOUCHING_SHARE = 0.03  # of a side of the picture: a subject that touches more of it may be cut there
SOLID_ALPHA = 250  # a subject that ends at the edge by itself is soft there, one that is cut is solid
INSIDE_SHARE = 0.01  # of the subject's longer side: how far inside its width is compared with that at the edge
CUT_WIDTH = 0.58  # of the width inside: a round part that touches the edge is narrower there, a cut one is not
SUBJECT_SHARE = 0.15  # of the largest part's area: another part of that size is another subject
SHAPE_SIDE_PX = 160  # side at which outlines are compared with their mirror images
TILTS_DEG = np.arange(-30.0, 31.0, 2.0)
SMALLEST_TILT_DEG = 4.0
TILT_GAIN = 0.03  # mirror overlap that straightening must win
UPRIGHT_OVERLAP = 0.82  # a straightened outline less symmetric than this has no axis to trust
WIDEST_LEANING = 1.25  # width over height: a vehicle or an animal seen from the side has no upright axis,
WIDE_OVERLAP = 0.90  # but what is as symmetric as this is seen from its front: a robot with its arms out, a crab
SYMMETRIC_OVERLAP = 0.72
ARM_ROWS = (0.25, 0.6)  # of the height, from the top: where hanging arms part from the trunk
LEG_ROWS = (0.72, 0.96)
SHORTEST_LIMB = 0.15  # of those rows: limbs that are apart show a gap in at least so many
STANDING_RATIO = 1.15  # height over width; lower figures have no hanging arms to look for


@dataclass(frozen=True)
class Finding:
    """measure: in the unit that the sentence names. severity: 0..1, from 0.5 on the model will suffer visibly."""

    code: Code
    measure: float
    severity: float
    sentence: str


@dataclass(frozen=True)
class Straightening:
    """The rotation that makes an outline most symmetric. degrees: counter-clockwise positive. overlap, gain:
    intersection over union with the mirror image when straightened, and what that won. width: over the height, as
    the outline stands in the picture."""

    degrees: float
    overlap: float
    gain: float
    width: float

    @property
    def is_sure(self) -> bool:
        """Whether the tilt is real: large enough, of an upright symmetric outline, and clearly better without."""
        is_symmetric = self.overlap > (UPRIGHT_OVERLAP if self.width < WIDEST_LEANING else WIDE_OVERLAP)
        return is_symmetric and abs(self.degrees) >= SMALLEST_TILT_DEG and self.gain > TILT_GAIN


def diagnose(rgba: np.ndarray, *, is_outline_sure: bool = True) -> tuple[Finding, ...]:  # rgba: (H, W, 4) uint8
    """All findings about a cut-out subject in the frame of its picture, worst first.

    is_outline_sure: False where the cut-out had to be guessed, mostly before a busy background.
    Raises NoSubjectFound when no pixel is at least half opaque.
    """
    left, top, right, bottom = subject_bounds(rgba)
    subject = rgba[top:bottom, left:right]
    shape = _small_shape(subject)
    findings = [
        *_background(is_outline_sure),
        *_resolution(subject),
        *_crop(rgba[..., 3]),
        *_subjects(rgba[..., 3] >= SUBJECT_ALPHA),
        *_posture(shape),
    ]
    return tuple(sorted(findings, key=lambda finding: -finding.severity))


def _background(is_outline_sure: bool) -> Iterator[Finding]:
    if not is_outline_sure:
        yield Finding(
            "busy_background",
            1.0,
            0.7,
            "The background could not be told from the subject for sure: give a mask of the subject, or use a plain or "
            "transparent background.",
        )


def _resolution(subject: np.ndarray) -> Iterator[Finding]:
    height = subject.shape[0]
    if max(subject.shape[:2]) < ENOUGH_HEIGHT_PX:
        longest = max(subject.shape[:2])
        yield Finding(
            "low_resolution",
            float(longest),
            min(1.0, 1.0 - longest / ENOUGH_HEIGHT_PX + 0.2),
            f"The subject is only {longest} pixels large: use a picture in which it has {ENOUGH_HEIGHT_PX} or more.",
        )
    detail = measure_sharpness(subject)
    if detail < BLURRED:
        yield Finding(
            "blur",
            detail,
            0.8 if detail < VERY_BLURRED else 0.5,
            "The picture is blurred, so fine detail is missing from the texture: use a sharper one.",
        )
    elif detail < INTERPOLATED and height >= ENOUGH_HEIGHT_PX:
        yield Finding(
            "fake_resolution",
            detail,
            0.3,
            "The picture seems to have been enlarged: if there is an original that is sharper, use that.",
        )


def measure_sharpness(subject: np.ndarray) -> float:  # (h, w, 4) uint8
    """Share of the strong gradients inside the subject that a blur of BLUR_SIGMA_PX takes away, 0..1; high is sharp.

    Measured away from the outline, at the size at which models see the subject, or at its own where that is smaller.
    """
    scale = min(1.0, ENOUGH_HEIGHT_PX / max(subject.shape[:2]))
    height, width = (max(8, round(side * scale)) for side in subject.shape[:2])
    gray = cv2.cvtColor(np.ascontiguousarray(subject[..., :3]), cv2.COLOR_RGB2GRAY)
    lightness, alpha = (
        cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA) for values in (gray, subject[..., 3].copy())
    )
    lightness = lightness.astype(np.float32)
    inside = cv2.erode((alpha >= SUBJECT_ALPHA).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if not inside.any():
        return 1.0
    sharp = _gradient(lightness)
    strong = inside & (sharp >= np.quantile(sharp[inside], 1 - STRONG_GRADIENTS))
    before = float(sharp[strong].mean())
    if before < SMALLEST_GRADIENT:
        return 1.0
    return 1.0 - float(_gradient(cv2.GaussianBlur(lightness, (0, 0), BLUR_SIGMA_PX))[strong].mean()) / before


def _gradient(lightness: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(lightness, -1, 1, 0), cv2.Sobel(lightness, -1, 0, 1)) / 8.0


def _crop(alpha: np.ndarray) -> Iterator[Finding]:  # (H, W) uint8
    sides = {
        "top": (alpha, "the head may be missing"),
        "bottom": (alpha[::-1], "feet may be missing"),
        "left": (alpha.T, "an arm may be missing"),
        "right": (alpha.T[::-1], "an arm may be missing"),
    }
    inside = alpha >= SUBJECT_ALPHA
    size = max(np.ptp(np.flatnonzero(inside.any(axis=axis))) + 1 for axis in (0, 1))
    depth = max(1, round(INSIDE_SHARE * size))
    for side, (rows, what) in sides.items():
        touching = float((rows[0] >= SOLID_ALPHA).mean())
        within = float((rows[min(depth, len(rows) - 1)] >= SUBJECT_ALPHA).mean())
        if touching > TOUCHING_SHARE and touching > CUT_WIDTH * within:
            yield Finding(
                "cropped",
                touching,
                min(1.0, 0.5 + touching),
                f"The subject is cut by the {side} edge of the picture, {what}: use a picture that shows all of it.",
            )


def _subjects(inside: np.ndarray) -> Iterator[Finding]:
    areas = np.sort(cv2.connectedComponentsWithStats(inside.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA])[::-1]
    count = int((areas > SUBJECT_SHARE * areas[0]).sum())
    if count > 1:
        yield Finding(
            "several_subjects",
            float(count),
            0.6,
            f"There are {count} separate subjects: use a picture of one, or cut it out.",
        )


def _posture(shape: np.ndarray) -> Iterator[Finding]:
    straightening = find_tilt(shape)
    if straightening.is_sure:
        yield Finding(
            "tilt",
            straightening.degrees,
            min(1.0, 0.3 + abs(straightening.degrees) / 45.0),
            f"The subject leans by {abs(straightening.degrees):.0f}°: an upright one makes a better model.",
        )
    if straightening.overlap < SYMMETRIC_OVERLAP:
        yield Finding(
            "asymmetric",
            straightening.overlap,
            0.4,
            "The outline is not symmetric: a raised arm, or a turned view. A front view with arms apart works best.",
        )
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    if len(rows) < STANDING_RATIO * len(columns):
        return
    arms, legs = _limb_gaps(shape)
    if arms < SHORTEST_LIMB or legs < SHORTEST_LIMB:
        what = "Arms" if arms < SHORTEST_LIMB else "Legs"
        yield Finding(
            "limbs_merged",
            min(arms, legs),
            0.4,
            f"{what} are not apart from the body in the outline: a pose with arms and legs apart bends better.",
        )


def measure_tilt(rgba: np.ndarray) -> Straightening:  # (H, W, 4) uint8
    """`find_tilt` of a cut-out subject. Raises NoSubjectFound."""
    left, top, right, bottom = subject_bounds(rgba)
    return find_tilt(_small_shape(rgba[top:bottom, left:right]))


def measure_limbs(rgba: np.ndarray) -> tuple[float, float]:  # (H, W, 4) uint8
    """Shares of the rows of arms and of legs, 0..1, in which they are apart: from SHORTEST_LIMB on they can bend.

    Raises NoSubjectFound when no pixel is at least half opaque.
    """
    left, top, right, bottom = subject_bounds(rgba)
    return _limb_gaps(_small_shape(rgba[top:bottom, left:right]))


def _limb_gaps(shape: np.ndarray) -> tuple[float, float]:
    rows = np.flatnonzero(shape.any(axis=1))
    gaps = _runs(shape[rows[0] : rows[-1] + 1])
    return _share(gaps, ARM_ROWS, 3), _share(gaps, LEG_ROWS, 2)


def find_tilt(shape: np.ndarray) -> Straightening:  # (N, N) bool
    """The rotation that makes the outline most like its own mirror image."""
    overlaps = [_mirror_overlap(_rotate(shape, degrees)) for degrees in TILTS_DEG]
    best = int(np.argmax(overlaps))
    upright = overlaps[len(TILTS_DEG) // 2]
    width = shape.any(axis=0).sum() / max(1, shape.any(axis=1).sum())
    return Straightening(float(TILTS_DEG[best]), overlaps[best], overlaps[best] - upright, float(width))


def _small_shape(subject: np.ndarray) -> np.ndarray:
    """The subject's outline in a square with room to turn it: (SHAPE_SIDE_PX, SHAPE_SIDE_PX) bool."""
    scale = SHAPE_SIDE_PX * 0.7 / max(subject.shape[:2])
    height, width = (max(1, round(side * scale)) for side in subject.shape[:2])
    alpha = cv2.resize(subject[..., 3], (width, height), interpolation=cv2.INTER_AREA)
    square = np.zeros((SHAPE_SIDE_PX, SHAPE_SIDE_PX), bool)
    top, left = (SHAPE_SIDE_PX - height) // 2, (SHAPE_SIDE_PX - width) // 2
    square[top : top + height, left : left + width] = alpha >= SUBJECT_ALPHA
    return square


def _rotate(shape: np.ndarray, degrees: float) -> np.ndarray:
    center = (SHAPE_SIDE_PX - 1) / 2
    matrix = cv2.getRotationMatrix2D((center, center), -degrees, 1.0)
    return cv2.warpAffine(shape.astype(np.float32), matrix, shape.shape[::-1]) > 0.5


def _mirror_overlap(shape: np.ndarray) -> float:
    """Intersection over union with the mirror image about the best upright axis near the middle of the outline."""
    columns = np.flatnonzero(shape.any(axis=0))
    if columns.size == 0:
        return 0.0
    area = int(shape.sum())
    middle = round(2 * float(shape.sum(axis=0) @ np.arange(shape.shape[1])) / area)
    reach = max(1, len(columns) // 10)
    # A row folded with itself counts, for each axis, the pixels whose mirror image is inside.
    size = 2 * shape.shape[1]
    folded = np.fft.irfft(np.fft.rfft(shape.astype(np.float64), size, axis=1) ** 2, size, axis=1).sum(axis=0)
    shared = np.rint(folded[max(middle - reach, 0) : middle + reach + 1].max())
    return float(shared / (2 * area - shared))


def _runs(shape: np.ndarray) -> np.ndarray:
    """Number of separate runs in each row: (H,)."""
    padded = np.pad(shape, ((0, 0), (1, 0)))
    return (padded[:, 1:] & ~padded[:, :-1]).sum(axis=1)


def _share(runs: np.ndarray, rows: tuple[float, float], count: int) -> float:
    return float((runs[int(rows[0] * len(runs)) : int(rows[1] * len(runs))] >= count).mean())
