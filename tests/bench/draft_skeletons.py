# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons against labelled joints in the picture, and a sheet to look at them.

Fully right: a humanoid was recognised; every labelled joint is within 8 % of the subject's height of where its bone
begins; the middle of every limb bone with a labelled joint lies on the subject; the middle of the head bone lies
nearer to the middle of the labelled head than half the head's height.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from inference_server.core.frames import to_view
from inference_server.core.types import Mesh, Skeleton

if TYPE_CHECKING:
    from tests.bench.draft_items import Bench

LABELS = Path(__file__).with_name("draft_labels.toml")
REACH = 0.08  # of the subject's height
HEAD_REACH = 0.5  # of the head's height
LIMBS = tuple(
    f"{side}{part}" for side in ("left", "right") for part in ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg")
)
CELL_px = 320
COLUMNS = 6
PAPER = (236, 238, 241)
COLOURS = {"left": (215, 60, 50), "right": (50, 90, 220), "": (40, 150, 70)}


def load_labels() -> dict[str, dict[str, Any]]:
    """By the picture's stem."""
    return tomllib.loads(LABELS.read_text(encoding="utf-8"))


def is_frontal_neutral(label: dict[str, Any]) -> bool:
    """Whether the label says how the skeleton of such a picture must lie."""
    return "joints" in label and label["view"] == "front" and bool(label.get("neutral"))


def projected_bones(skeleton: Skeleton, mesh: Mesh) -> list[dict[str, Any]]:
    """Each bone's role, head and tail, in shares of the square picture from its top left."""
    view = mesh.front_view
    assert view is not None
    centre = np.array([view.center_x_m, view.center_y_m])

    def place(points: np.ndarray) -> list[list[float]]:
        shares: list[list[float]] = ((to_view(points, view)[:, :2] - centre) / view.side_m * [1, -1] + 0.5).tolist()
        return shares

    return [
        {"role": role, "head": head, "tail": tail}
        for role, head, tail in zip(skeleton.roles, place(skeleton.heads), place(skeleton.tails), strict=True)
    ]


def find_faults(label: dict[str, Any], measured: dict[str, Any], picture: Path, subject: Path) -> list[str]:
    """What is wrong with the skeleton, by the joint's name; empty where it is fully right."""
    if measured["kind"]["value"] != "humanoid":
        return ["not a humanoid"]
    bones = {bone["role"]: bone for bone in measured["bones"]}
    alpha = cv2.imread(str(subject), cv2.IMREAD_UNCHANGED)[:, :, 3]
    joints, height = place_labels(label, picture, alpha)
    faults = [
        name
        for name, spot in joints.items()
        if name != "headTop" and (name not in bones or np.hypot(*(spot - bones[name]["head"])) > REACH * height)
    ]
    for name in LIMBS:
        if name in joints and name in bones and not _is_on(alpha, _middle(bones[name])):
            faults.append(f"{name} leaves the body")
    if {"neck", "headTop"} <= set(joints):
        middle, length = (joints["neck"] + joints["headTop"]) / 2, np.hypot(*(joints["neck"] - joints["headTop"]))
        if "head" not in bones or np.hypot(*(_middle(bones["head"]) - middle)) > HEAD_REACH * length:
            faults.append("head")
    return faults


def place_labels(
    label: dict[str, Any], picture: Path, alpha: np.ndarray
) -> tuple[dict[str, np.ndarray], float]:  # alpha: (S, S) of the normalised picture
    """The labelled joints in shares of the normalised picture, and the subject's height there."""
    with Image.open(picture) as opened:
        source = np.asarray(opened.convert("RGBA").getchannel("A"))
    low, high = _bounds(source) if "subject" not in label else np.reshape(label["subject"], (2, 2))
    new_low, new_high = _bounds(alpha)
    scale = (new_high - new_low) / (high - low)
    return {name: (spot - low) * scale + new_low for name, spot in label["joints"].items()}, float(
        new_high[1] - new_low[1]
    )


def draw_sheet(bench: Bench) -> Image.Image:
    """Every measured picture with its bones (left red, right blue), the labelled joints as rings, and the faults."""
    labels = load_labels()
    stems = sorted(bench.measured["picture"])
    paths = {path.stem: path for path in bench.inputs.pictures}
    lines = -(-len(stems) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL_px, lines * (CELL_px + 30)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, stem in enumerate(stems):
        left, top = (place % COLUMNS) * CELL_px, (place // COLUMNS) * (CELL_px + 30)
        measured, subject = bench.measured["picture"][stem], bench.folder("picture", stem) / "out" / "subject.png"
        sheet.paste(_draw_cell(measured, labels.get(stem, {}), paths[stem], subject), (left, top))
        kind = measured["kind"]
        text = f"{stem}: {kind['value']} {kind['confidence']:.2f}"
        if is_frontal_neutral(labels.get(stem, {})):
            faults = find_faults(labels[stem], measured, paths[stem], subject)
            text += "\n" + (", ".join(faults) if faults else "fully right")
        pen.multiline_text((left + 4, top + CELL_px), text, fill=(60, 60, 70), spacing=0)
    return sheet


def _draw_cell(measured: dict[str, Any], label: dict[str, Any], picture: Path, subject: Path) -> Image.Image:
    with Image.open(subject) as opened:
        figure = opened.convert("RGBA").resize((CELL_px, CELL_px))
    alpha = cv2.imread(str(subject), cv2.IMREAD_UNCHANGED)[:, :, 3]
    cell = Image.new("RGB", figure.size, PAPER)
    cell.paste(figure, mask=figure.getchannel("A").point(lambda value: value * 2 // 3))
    pen = ImageDraw.Draw(cell)
    for bone in measured["bones"]:
        side = next((side for side in ("left", "right") if bone["role"].startswith(side)), "")
        ends = [tuple(CELL_px * np.array(bone[end])) for end in ("head", "tail")]
        pen.line(ends, fill=COLOURS[side], width=3)
        pen.circle(ends[0], 3, fill=COLOURS[side])
    if "joints" in label:
        for spot in place_labels(label, picture, alpha)[0].values():
            pen.circle(tuple(CELL_px * spot), 5, outline=(0, 0, 0))
    return cell


def _middle(bone: dict[str, Any]) -> np.ndarray:
    return (np.array(bone["head"]) + bone["tail"]) / 2


def _bounds(alpha: np.ndarray) -> np.ndarray:  # alpha: (H, W)
    """float64 (2, 2): left top and right bottom of what is seen, in shares."""
    rows, columns = np.nonzero(alpha > 127)
    height, width = alpha.shape
    return np.array(
        [[columns.min() / width, rows.min() / height], [(columns.max() + 1) / width, (rows.max() + 1) / height]]
    )


def _is_on(alpha: np.ndarray, spot: np.ndarray) -> bool:
    row, column = np.clip((spot[::-1] * alpha.shape).astype(int), 0, np.array(alpha.shape) - 1)
    return bool(alpha[row, column] > 127)
