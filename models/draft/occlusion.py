# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines inside the silhouette where one part of the subject hides another, and which of the two is in front.

Where a part in front leaves the silhouette of what it hides, the outline has a notch, and the contour of the part runs
on into the picture: a T-junction (Guzman, "Decomposition of a visual scene into three-dimensional bodies", 1968). The
side of the notch that the line goes on from smoothly is the part in front; the other side ends at it. Marks on the
surface, stripes, eyes, prints, seldom begin at a notch, and what is hidden lies in the shade of what hides it.
Frame: columns and rows of the picture in FIELD_PX, without border; lengths are in the subject's longer side.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from .inflate import FIELD_PX, InflatedBody

FILAMENT = 0.008  # whiskers and strands thinner than twice this make notches that nothing begins at
NOTCH_ARM = 0.022  # the angle of a notch is measured over so much of the outline on either side
BRANCH = (0.006, 0.03)  # the direction in which the outline leaves a notch, between these
SHARPEST_TURN_DEG = 130.0  # of the background in a notch; more is a gentle bend of the outline
EVEN_OUTLINE_PX = 1.5  # smoothing of the outline, whose steps are pixels
LINE_DARKNESS = 12.0  # a line darker by so much lightness than what is beside it is surely there
LINE_WIDTHS_PX = (7, 13)  # of the widest lines: drawn ones, and soft ones where parts shade each other
LINE_SIGMA_PX = 0.8  # smoothing before lines are looked for
FULL_EDGE, EDGE_SIGMA_PX = 4.0, 1.5  # change of colour, in CIELAB units per pixel, that is surely an edge
TEXTURE_SIGMA_PX = 10.0  # evidence that is as strong all around is texture
SOLID_ALPHA, RIM_PX = 250, 5  # beside the outline the change of colour is the background's
STEP_PX, SIGHT_PX = 3.0, 10  # a line is followed in steps, looking so far ahead
FIRST_TURN_DEG, NEXT_TURN_DEG, TURNS = 70.0, 35.0, 15  # to either side, in so many directions
MOST_TURN_DEG = 80.0  # of a line from where it begins: what turns farther rings a mark on the surface
TURN_COST = 0.02  # per radian, in evidence
LEAST_EVIDENCE = 0.16  # mean of what lies ahead
OUTLINE_BAND = 0.018  # a line that runs so near the outline is the outline's own shade
SHORTEST, LONGEST = 0.06, 0.4
SMOOTH, UNSURE = 45.0, 25.0  # degrees: how straight a line goes on, and how much straighter than from the other side
BESIDE_PX, ACROSS_PX = (6, 10), 5  # a line's sides are seen so far from it, the line itself nearer
LEAST_LINE, LEAST_SHADE = 2.0, 5.0  # darker by so much lightness is the line than its sides, or the hidden side
MOST_GLARE = 30.0  # where the hidden side is brighter by so much lightness, it is of another colour, and a mark


@dataclass(frozen=True)
class Occlusion:
    """A contour of a part in front. line: float64 (N, 2), columns and rows from the outline inward, STEP_PX apart.

    normals: float64 (N, 2), across the line into the part in front, of length 1.
    """

    line: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class _Notch:
    """point: column and row. inward: into the silhouette. branches: (2, 2), along the outline away from the point.

    Directions are of length 1.
    """

    point: np.ndarray
    inward: np.ndarray
    branches: np.ndarray


def find_occlusions(rgba: np.ndarray, body: InflatedBody) -> list[Occlusion]:  # rgba: (S, S, 4) uint8
    """The contours, longest first, that begin at a notch of the outline and tell what is in front."""
    distance = body.over_picture()[0] * FIELD_PX
    inside = distance > 0
    rows, columns = np.nonzero(inside)
    length_px = float(max(np.ptp(rows), np.ptp(columns)))
    small = cv2.resize(rgba, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small[..., :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    lightness = cv2.GaussianBlur(lab[..., 0], (0, 0), LINE_SIGMA_PX)
    evidence = _measure_evidence(lab, lightness, small[..., 3])
    found = []
    notches = _find_notches(inside, length_px)
    for notch, followed in zip(notches, _follow(evidence, inside, notches, LONGEST * length_px), strict=True):
        line = _leave_outline(followed, distance, length_px)
        if (len(line) - 1) * STEP_PX >= SHORTEST * length_px:
            side = _tell_front(notch, line)
            normals = side * _normals(line)
            if side and _is_shaded(lightness, line, normals):
                found.append(Occlusion(line, normals))
    return sorted(found, key=lambda occlusion: -len(occlusion.line))


def _measure_evidence(lab: np.ndarray, lightness: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """How much a line stands out, (N, N) float32, 0..1: dark and changing colour, less what is usual around."""
    darkness = np.zeros_like(lightness)
    for width in LINE_WIDTHS_PX:
        window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
        darkness = np.maximum(darkness, cv2.morphologyEx(lightness, cv2.MORPH_BLACKHAT, window))
    soft = cv2.GaussianBlur(lab, (0, 0), EDGE_SIGMA_PX)
    change = np.sqrt(sum((np.gradient(soft, axis=axis) ** 2).sum(axis=2) for axis in (0, 1)))
    solid = cv2.erode((alpha >= SOLID_ALPHA).astype(np.float32), np.ones((RIM_PX, RIM_PX), np.uint8))
    strength = np.minimum(np.maximum(darkness / LINE_DARKNESS, change / FULL_EDGE), 1.0) * solid
    around = cv2.GaussianBlur(solid, (0, 0), TEXTURE_SIGMA_PX)
    usual = cv2.GaussianBlur(strength, (0, 0), TEXTURE_SIGMA_PX) / np.maximum(around, 1e-3)
    return np.clip(strength - usual, 0.0, 1.0).astype(np.float32)


def _find_notches(inside: np.ndarray, length_px: float) -> list[_Notch]:  # (N, N) bool
    filament = 2 * round(FILAMENT * length_px) + 1
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (filament, filament))
    solid = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_OPEN, window)
    outlines, _ = cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    arm = max(round(NOTCH_ARM * length_px), 3)
    notches = []
    for outline in outlines:
        if len(outline) < 4 * arm:
            continue
        points = ndimage.gaussian_filter1d(outline[:, 0].astype(float), EVEN_OUTLINE_PX, axis=0, mode="wrap")
        arms = np.stack([np.roll(points, shift, axis=0) - points for shift in (arm, -arm)])
        cosine = (_unit(arms[0]) * _unit(arms[1])).sum(axis=1)
        between = np.rint(points + arms.sum(axis=0) / 4).astype(int).clip(0, FIELD_PX - 1)
        is_notch = ~solid[between[:, 1], between[:, 0]].astype(bool)
        cosine = np.where(is_notch, cosine, -1.0)
        sharpest = ndimage.maximum_filter1d(cosine, 2 * arm + 1, mode="wrap")
        is_notch &= (cosine == sharpest) & (cosine > np.cos(np.radians(SHARPEST_TURN_DEG)))
        for at in np.flatnonzero(is_notch):
            near, far = (max(round(share * length_px), least) for share, least in zip(BRANCH, (1, 3), strict=True))
            ends = [points[(at + way * far) % len(points)] - points[(at + way * near) % len(points)] for way in (-1, 1)]
            inward = _unit(-_unit(arms[:, at]).sum(axis=0))
            notches.append(_Notch(points[at], inward, _unit(np.array(ends))))
    return notches


def _follow(
    evidence: np.ndarray, inside: np.ndarray, notches: list[_Notch], longest_px: float
) -> list[np.ndarray]:  # (N, N) float32, (N, N) bool
    """The line that goes on from each notch: float64 (N, 2), columns and rows. N is 1 where there is none."""
    lines = [[notch.point] for notch in notches]
    inward = np.array([notch.inward for notch in notches]).reshape(-1, 2)
    points = np.array([notch.point for notch in notches]).reshape(-1, 2) + STEP_PX * inward
    headings = np.arctan2(inward[:, 1], inward[:, 0])
    first = headings.copy()
    going = np.arange(len(notches))  # all of these have lines of one length
    ahead, fan = np.arange(1, SIGHT_PX + 1), np.linspace(-1.0, 1.0, 2 * TURNS - 1)
    length, widest = 1, FIRST_TURN_DEG
    while len(going) and length * STEP_PX < longest_px:
        turns = np.radians(widest) * fan
        angles = headings[going, None] + turns
        columns, rows = (
            points[going, axis, None, None] + way(angles)[..., None] * ahead for axis, way in ((0, np.cos), (1, np.sin))
        )
        seen = ndimage.map_coordinates(evidence, [rows, columns], order=1).mean(axis=2) - TURN_COST * np.abs(turns)
        best = seen.argmax(axis=1)
        headings[going] += turns[best]
        if length == 1:
            first = headings.copy()
        turned, heading = np.abs(headings - first)[going], headings[going]
        goes_on = (seen.max(axis=1) >= LEAST_EVIDENCE) & (turned <= np.radians(MOST_TURN_DEG))
        points[going] += STEP_PX * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        column, row = np.rint(points[going]).astype(int).clip(0, FIELD_PX - 1).T
        going = going[goes_on & inside[row, column]]
        for number in going:
            lines[number].append(points[number].copy())
        length, widest = length + 1, NEXT_TURN_DEG
    return [np.array(line) for line in lines]


def _leave_outline(line: np.ndarray, distance_px: np.ndarray, length_px: float) -> np.ndarray:
    """The line up to where it begins to run along the outline."""
    columns, rows = np.rint(line).astype(int).clip(0, FIELD_PX - 1).T
    gone_px = STEP_PX * np.arange(len(line))
    is_near = distance_px[rows, columns] < np.minimum(0.5 * gone_px, OUTLINE_BAND * length_px)
    stays = ndimage.binary_opening(is_near, np.ones(4, bool))
    return line[: int(stays.argmax())] if stays.any() else line


def _tell_front(notch: _Notch, line: np.ndarray) -> float:
    """1.0 where the part in front lies on the side of the line's normals, -1.0 on the other, 0.0 where it is unsure."""
    direction = _unit(line[min(6, len(line) - 1)] - line[0])
    bends = np.degrees(np.arccos(np.clip(-notch.branches @ direction, -1.0, 1.0)))
    if bends.min() > SMOOTH or np.ptp(bends) < UNSURE:
        return 0.0
    hidden = notch.branches[bends.argmax()]
    return -float(np.sign(direction[0] * hidden[1] - direction[1] * hidden[0]))


def _is_shaded(lightness: np.ndarray, line: np.ndarray, normals: np.ndarray) -> bool:
    """Whether the line, or the hidden side, lies in the shade, and that side has no bright colour of its own."""
    offsets = np.arange(-BESIDE_PX[1] + 1, BESIDE_PX[1])
    columns, rows = (line[None] + offsets[:, None, None] * normals[None]).transpose(2, 0, 1)
    across = ndimage.map_coordinates(lightness, [rows, columns], order=1, mode="nearest")  # (19, N), hidden side first
    hidden, front = (
        np.median(across[chosen], axis=0) for chosen in (offsets <= -BESIDE_PX[0], offsets >= BESIDE_PX[0])
    )
    darkest = across[np.abs(offsets) < ACROSS_PX].min(axis=0)
    shade = float(np.median(front - hidden))
    is_line = np.median(np.minimum(hidden, front) - darkest) >= LEAST_LINE
    return bool(shade >= -MOST_GLARE and (is_line or shade >= LEAST_SHADE))


def _normals(line: np.ndarray) -> np.ndarray:  # (N, 2) -> (N, 2)
    along = np.gradient(ndimage.gaussian_filter1d(line, 2.0, axis=0, mode="nearest"), axis=0)
    return _unit(np.stack([-along[:, 1], along[:, 0]], axis=1))


def _unit(vectors: np.ndarray) -> np.ndarray:  # (..., 2) -> (..., 2)
    length = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    unit: np.ndarray = vectors / length
    return unit
