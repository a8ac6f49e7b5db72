# SPDX-License-Identifier: GPL-3.0-or-later
"""The slit between a hanging arm and the trunk, where the outline runs around both.

Such an arm is part of the trunk in the silhouette, though the picture shows the line between the two. That line is
looked for as the best seam (Avidan and Shamir, "Seam Carving", 2007: dynamic programming) from under the shoulder down
to where the outline comes in below the hand.
Frame and units: those of models.draft.inflate; rows and columns are those of the picture in FIELD_PX, without border.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from .figure import Figure
from .humanoid import find_arms, find_humanoid
from .inflate import FIELD_PX, PAD_PX, InflatedBody
from .skeleton import MOST_cells, RESOLUTION_cells
from .tree import Solid, path_length
from .voxels import PAD_cells, VoxelGrid

SLITS_PX = (9.0, 7.0, 5.0)  # of the cut: from two cells of the grid that the skeleton is found in down to one
EDGE_SIGMA_PX = 1.5  # the two sides of a drawn line are one edge
FULL_EDGE = 4.0  # change of colour, in CIELAB units per pixel, that is surely an edge
CAUTION = 0.15  # the mesh follows a slit to this share of a cell: a slit that is closer may be closed in it
SOLID_ALPHA, RIM_PX = 250, 5  # beside the outline the change of colour is the background's
LEAST_EVIDENCE = 0.35  # what a row of the seam brings on average: a share of a full edge in the usual place
USUAL_INSET, INSET_SPREAD = 0.3, 0.16  # an arm's width, and how much it differs, in half the figure's width there
STEEPEST = 1  # columns that the seam may move in a row
SMOOTHING_rows = 6.0  # of the seam: in the grid, the sides of a slit that jumps aside touch
SHOULDER = 1.2  # what stays whole above the slit, in the arm's width
LATEST_START = 0.25  # of the way from the neck to the ground
HANDS_END = 0.7  # of the same way: no hand hangs lower
SHORTEST = 0.1  # of the figure's height
SLENDER = 2.0  # length in widths: what is shorter is a fold or a pocket
ARM_WIDTHS = (0.12, 0.5)  # in half the figure's width
EVEN = (20.0, 0.5)  # so many percent of an arm may be thinner than so much of its width
CLEAR_EDGE = 0.6  # mean along the seam
FARTHEST = 1.25  # what reaches so much farther from the axis is an arm that is free already
WHOLE = 0.8  # the part of a freed arm that its bones span at least
ALIKE = 0.6  # the shorter arm in the longer: the skeleton makes them one length
GAPS = 0.4  # beside an arm that is free there is background in more of the rows than this
BLUNT = 0.5  # below a hand the outline comes in by so much of the arm's width, within one and a half widths


@dataclass(frozen=True)
class _Side:
    """One half of the figure, from the axis outward and the neck down: (R, K) arrays.

    inside: bool, of the silhouette. edge: float32, 0..1. outer: int (R,), where the solid run nearest to the axis
    ends. top: int (K,), the first solid row of each column. lowest: the row that no hand hangs below. shortest: of a
    slit, in rows.
    """

    inside: np.ndarray
    edge: np.ndarray
    outer: np.ndarray
    top: np.ndarray
    lowest: int
    shortest: float


def find_seams(rgba: np.ndarray, body: InflatedBody, figure: Figure) -> dict[str, np.ndarray]:  # (S, S, 4) uint8
    """Where arms that hang against the trunk end, by side "L" or "R" of a figure that faces the viewer.

    A seam is float64 (N, 2): columns and rows, from the armpit to below the hand.
    """
    inside = body.over_picture()[0] > 0
    edge = _measure_edges(cv2.resize(rgba, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA))
    seams = {}
    for name, direction in (("L", 1), ("R", -1)):
        side = _see_side(inside, edge, figure, direction)
        seam = _below_shoulder(side, _trace_seam(side))
        if len(seam) > max(side.shortest, 1.0) and _is_arm(side, seam):
            columns = ndimage.gaussian_filter1d(seam[:, 1].astype(float), SMOOTHING_rows, mode="nearest")
            columns[-1] = seam[-1, 1]  # out of the silhouette
            seams[name] = np.stack([figure.axis - PAD_PX + direction * columns, seam[:, 0] + figure.neck - PAD_PX], 1)
    return seams


def cut(alpha: np.ndarray, seams: list[np.ndarray], width_px: float) -> np.ndarray:  # (S, S) uint8
    """Alpha that is 0 along the seams; width_px: of the cut, in pixels of the field."""
    scale = alpha.shape[0] / FIELD_PX
    cleared = alpha.copy()
    for seam in seams:
        points = np.rint((seam + 0.5) * scale - 0.5).astype(np.int32)
        cv2.polylines(cleared, [points[:, None]], False, 0, max(1, round(width_px * scale)))
    return cleared


def measure_arms(body: InflatedBody) -> dict[str, float] | None:
    """How long the skeleton's arms outside the trunk are, by side, in sides of the picture; None for no humanoid."""
    low, high = _bounds(body)
    solid = _fill(body, float((high - low).max()) / RESOLUTION_cells)
    if solid.grid.occupied.sum() > MOST_cells:
        solid = _fill(body, solid.grid.pitch_m * float(np.cbrt(solid.grid.occupied.sum() / MOST_cells)))
    humanoid = find_humanoid(solid)
    if not humanoid.is_worth_arms:
        return None
    humanoid = find_arms(solid, humanoid)
    lengths = {side: path_length(arm) * solid.grid.pitch_m for side, arm in humanoid.arms.items()}
    return lengths if humanoid.is_humanoid else None


def are_whole(sides: set[str], arms: dict[str, float], seams: dict[str, np.ndarray]) -> set[str]:
    """Those sides where the skeleton's arm is about as long as what the seam frees, and as the other arm, if any."""
    least = {side: WHOLE * float(np.ptp(seams[side][:, 1])) / FIELD_PX for side in sides}
    alike = ALIKE * max(arms.values(), default=0.0) <= min(arms.values(), default=0.0)
    return {side for side in sides if alike and arms.get(side, 0.0) >= least[side]}


def _bounds(body: InflatedBody) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest x, y and z, float64 (3,)."""
    rows, columns = np.nonzero(body.distance > 0)
    half = body.distance.shape[0] / 2
    back, front = body.reach()
    low = np.array([(columns.min() - half) / FIELD_PX, (half - rows.max() - 1) / FIELD_PX, back])
    return low, np.array([(columns.max() + 1 - half) / FIELD_PX, (half - rows.min()) / FIELD_PX, front])


def _fill(body: InflatedBody, pitch: float) -> Solid:
    """The body in the cubes that its mesh would fill: which of them a slit leaves free depends on where they lie."""
    low, high = _bounds(body)
    counts = np.maximum(np.ceil((high - low) / pitch - 1e-6).astype(int), 1) + 2 * PAD_cells
    corner = (low + high) / 2 - counts * pitch / 2
    axes = [start + (np.arange(count) + 0.5) * pitch for start, count in zip(corner, counts, strict=True)]
    return Solid.of(VoxelGrid(body.evaluate_grid(*axes) > -CAUTION * pitch, corner, pitch))


def _measure_edges(rgba: np.ndarray) -> np.ndarray:  # (N, N, 4) uint8 -> (N, N) float32, 0..1
    """How sharply the colour changes from column to column."""
    lab = cv2.cvtColor(rgba[..., :3].astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    change = np.linalg.norm(np.gradient(cv2.GaussianBlur(lab, (0, 0), EDGE_SIGMA_PX), axis=1), axis=2)
    solid = cv2.erode((rgba[..., 3] >= SOLID_ALPHA).astype(np.uint8), np.ones((RIM_PX, RIM_PX), np.uint8))
    return (np.minimum(change / FULL_EDGE, 1.0) * solid).astype(np.float32)


def _see_side(inside: np.ndarray, edge: np.ndarray, figure: Figure, direction: int) -> _Side:
    axis, neck, height = figure.axis - PAD_PX, figure.neck - PAD_PX, figure.bottom - figure.top
    rows = slice(neck, figure.bottom - PAD_PX)
    columns = np.arange(axis, FIELD_PX if direction > 0 else -1, direction)
    inside, edge = inside[rows, columns], edge[rows, columns]
    begun = np.maximum.accumulate(inside, axis=1)  # below the crotch, the run of the leg
    outer = np.where((begun & ~inside).any(axis=1), (begun & ~inside).argmax(axis=1), inside.shape[1])
    lowest = round(HANDS_END * (figure.bottom - figure.neck))
    return _Side(inside, edge, outer, inside.argmax(axis=0), lowest, SHORTEST * height)


def _trace_seam(side: _Side) -> np.ndarray:
    """The best line down from under the shoulder and out of the silhouette: int (N, 2), rows and columns from the axis.

    Empty where no line has the least evidence.
    """
    columns, outer = np.arange(side.inside.shape[1]), side.outer[:, None]
    inset = (outer - columns) / np.maximum(outer, 1)
    prior = np.exp(-0.5 * ((inset - USUAL_INSET) / INSET_SPREAD) ** 2)
    gain = np.where(columns < outer, side.edge * prior - LEAST_EVIDENCE, -np.inf)
    rows = np.arange(len(gain))[:, None]
    is_start = (rows > side.top) & (rows <= LATEST_START * len(gain))
    padded = np.full(len(columns) + 2 * STEEPEST, -np.inf)
    score = padded[STEEPEST : STEEPEST + len(columns)]
    before = np.lib.stride_tricks.sliding_window_view(padded, len(columns))  # the score, one column aside each
    came = np.zeros(gain.shape, int)  # the move that led here; beyond STEEPEST: the seam starts here
    best, end = 0.0, (0, 0)
    for row in range(side.lowest):
        reached, came[row] = before.max(axis=0), before.argmax(axis=0) - STEEPEST
        left = np.where(side.inside[row], -np.inf, reached)
        if left.max() > best:
            best, end = float(left.max()), (row, int(left.argmax()))
        starts = is_start[row] & (reached <= 0.0)
        came[row][starts] = STEEPEST + 1
        score[:] = gain[row] + np.where(starts, 0.0, reached)
    return _trace_back(came, end) if best > 0.0 else np.empty((0, 2), int)


def _trace_back(came: np.ndarray, end: tuple[int, int]) -> np.ndarray:
    row, column = end
    seam = [end]
    while came[row, column] <= STEEPEST:
        row, column = row - 1, column + int(came[row, column])
        seam.append((row, column))
    return np.array(seam[::-1])


def _below_shoulder(side: _Side, seam: np.ndarray) -> np.ndarray:  # (N, 2) int, rows and columns
    """The seam without what would cut the shoulder off."""
    rows, columns = seam.T
    width = np.median(side.outer[rows] - columns) if len(seam) else 0.0
    return seam[rows - side.top[columns] >= SHOULDER * width]


def _is_arm(side: _Side, seam: np.ndarray) -> bool:
    """Whether what lies outside the seam is an even limb with a blunt end, and nothing lies farther out."""
    rows, columns = seam[:-1].T
    widths = side.outer[rows] - columns
    width = float(np.median(widths))
    if len(rows) < SLENDER * width or side.edge[rows, columns].mean() < CLEAR_EDGE:
        return False
    if np.percentile(widths, EVEN[0]) < EVEN[1] * width:
        return False
    if not ARM_WIDTHS[0] < width / np.median(side.outer[rows]) < ARM_WIDTHS[1]:
        return False
    if not _is_severed(side.inside, seam, width):
        return False
    beyond = side.inside & (np.arange(side.inside.shape[1]) > side.outer[:, None])
    if beyond[rows].any(axis=1).mean() > GAPS:
        return False
    if np.flatnonzero(side.inside[: side.lowest].any(axis=0)).max() > FARTHEST * side.outer[rows].max():
        return False
    end = int(seam[-1, 0])
    hand = side.outer[max(end - round(width), 0) : end]
    below = side.outer[end : end + round(width / 2) + 1]
    return bool(hand.max() - below.min() >= BLUNT * width)


def _is_severed(inside: np.ndarray, seam: np.ndarray, width: float) -> bool:
    """Whether the limb outside the seam hangs by its shoulder alone."""
    cleared = inside.copy()
    cleared[seam[:, 0], seam[:, 1]] = False
    row, column = seam[0]
    cleared[row, column:] = False
    labels, _ = ndimage.label(cleared)
    row, column = seam[len(seam) // 2]
    arm = labels[row, column + round(width / 2)]
    return bool(arm > 0 and not (labels[seam[:, 0], 0] == arm).any())
