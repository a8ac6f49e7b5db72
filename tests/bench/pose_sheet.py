# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes figures of pictures, poses them with the add-on and shows them on one sheet.

python -m tests.bench.pose_sheet PICTURE... --out SHEET.jpg [--work DIR] [--all]
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from blender_addon.pose.library import BodyPose, body_poses
from tests.bench.contact_sheet import PAPER, make_row, sheet_parser

CHOSEN = {
    "humanoid": ("t_pose", "wave", "hero", "cheer", "think", "walk", "run", "jump", "sit", "kneel", "guard", "kick"),
    "quadruped": ("attention", "walk", "trot", "gallop", "sit", "give_paw", "lie", "play_bow", "howl", "sniff"),
}
COLUMNS = 6
LABEL_px = 14
INK = (70, 72, 80)


def main() -> int:
    """Returns the exit code."""
    parser = sheet_parser(__doc__, side=170)
    parser.add_argument("--all", action="store_true", help="every pose, not a choice")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        rows = [
            (folder, poses_of(kind, options.all))
            for folder, kind in (make(picture, work) for picture in options.pictures)
        ]
        render(rows, options.side, work)
        draw(rows, options.side).save(options.out, quality=82)
    return 0


def poses_of(kind: str, is_all: bool) -> list[BodyPose]:
    """Those that are shown of such a body."""
    poses = body_poses(kind if kind in CHOSEN else "other")
    return [pose for key, pose in poses.items() if is_all or key in CHOSEN[kind]]


def render(rows: list[tuple[Path, list[BodyPose]]], side_px: int, work: Path) -> None:
    """Each pose as a PNG in the figure's folder `poses`."""
    figures = [
        {"folder": str(folder), "out": str(folder / "poses"), "poses": [pose.key for pose in poses]}
        for folder, poses in rows
    ]
    request = work / "poses.json"
    request.write_text(json.dumps({"side_px": side_px, "figures": figures}), encoding="utf-8")
    command = [sys.executable, "-m", "tests.bench.pose_renderer", str(request)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def draw(rows: list[tuple[Path, list[BodyPose]]], side_px: int) -> Image.Image:
    """The sheet: figures one below the other, a line for each six poses, and their names."""
    cells = []
    for folder, poses in rows:
        whole = -(-len(poses) // COLUMNS) * COLUMNS
        cells += [(folder, pose) for pose in poses] + [None] * (whole - len(poses))
    height_px = side_px + LABEL_px
    sheet = Image.new("RGB", (COLUMNS * side_px, len(cells) // COLUMNS * height_px), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, cell in enumerate(cells):
        if cell is None:
            continue
        left, top = place % COLUMNS * side_px, place // COLUMNS * height_px
        with Image.open(cell[0] / "poses" / f"{cell[1].key}.png") as opened:
            figure = opened.convert("RGBA")
        sheet.paste(figure, (left, top), figure)
        pen.text((left + side_px / 2, top + side_px), cell[1].name, fill=INK, anchor="ma")
    return sheet


def make(picture: Path, work: Path) -> tuple[Path, str]:
    """The figure's folder and its kind; made where it is not there yet."""
    folder = work / picture.stem
    if not (folder / "report.json").exists():
        make_row(picture, work)
    return folder, json.loads((folder / "report.json").read_text(encoding="utf-8"))["kind"]["value"]


if __name__ == "__main__":
    sys.exit(main())
