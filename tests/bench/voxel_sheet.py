# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes figures of pictures, turns them into voxels, poses them, and shows all on one sheet.

    python -m tests.bench.voxel_sheet [PICTURE…] --out SHEET.jpg [--work DIR]

Without pictures those of examples/ are shown. With --work DIR figures that are there already are not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from inference_server.cli import main as figurine

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ("fox_kid.png", "adventurer.png", "robot.jpg", "frog.png", "pup.png", "lantern.png")
RENDERER = Path(__file__).with_name("voxel_sheet_renderer.py")
# The picture, and the columns that the renderer makes.
COLUMNS = (
    "picture",
    "figure",
    "32 voxels, Blocky",
    "64 voxels, Smooth",
    "32 voxels, 8 colours",
    "32 voxels, Figurine 16",
    "48 voxels, Figurine 32",
    "48 voxels, baked",
)
PAPER = (244, 245, 247)
INK = (80, 80, 92)
TITLE_px = 26
LETTERS_px = 14
GAP_px = 6
QUALITY = 88


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="keep the figures here")
    parser.add_argument("--side", type=int, default=200, help="pixels of a cell")
    options = parser.parse_args()
    pictures = options.pictures or [ROOT / "examples" / name for name in EXAMPLES]
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).resolve()
        folders = [figure_of(picture, work) for picture in pictures]
        render(folders, 2 * options.side, work)
        draw(pictures, folders, options.side).save(options.out, quality=QUALITY)
    return 0


def figure_of(picture: Path, work: Path) -> Path:
    """The folder of the picture's figure."""
    folder = work / picture.stem
    if not (folder / "figure.fbx").exists() and figurine(
        ["run", str(picture), "--out", str(folder), "--name", "figure"]
    ):
        sys.exit(f"{picture} failed")
    return folder


def render(folders: list[Path], side_px: int, work: Path) -> None:
    """voxels.png in every figure's folder: all columns but the first."""
    request = work / "voxel_sheet.json"
    request.write_text(json.dumps({"side_px": side_px, "figures": [str(folder) for folder in folders]}), "utf-8")
    subprocess.run([sys.executable, str(RENDERER), str(request)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def draw(pictures: list[Path], folders: list[Path], side: int) -> Image.Image:
    """A line for each figure."""
    size = (len(COLUMNS) * side, TITLE_px + len(folders) * (side + GAP_px))
    sheet = Image.new("RGB", size, PAPER)
    pen, letters = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS_px)
    for column, title in enumerate(COLUMNS):
        pen.text((column * side + side // 2, TITLE_px // 2), title, fill=INK, font=letters, anchor="mm")
    for line, (picture, folder) in enumerate(zip(pictures, folders, strict=True)):
        top = TITLE_px + line * (side + GAP_px)
        with Image.open(picture) as opened:
            cell = opened.convert("RGBA")
        cell.thumbnail((side - GAP_px, side - GAP_px), Image.Resampling.LANCZOS)
        sheet.paste(cell, ((side - cell.width) // 2, top + (side - cell.height) // 2), cell)
        with Image.open(folder / "voxels.png") as opened:
            cells = opened.convert("RGBA").resize(((len(COLUMNS) - 1) * side, side), Image.Resampling.LANCZOS)
        sheet.paste(cells, (side, top), cells)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
