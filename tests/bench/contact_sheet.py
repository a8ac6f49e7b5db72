# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes figures of pictures and shows each from all sides and posed, on one sheet.

python -m tests.bench.contact_sheet PICTURE... --out SHEET.jpg [--work DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from inference_server.cli import main as figurine

RENDERER = Path(__file__).with_name("sheet_renderer.py")
COLUMNS = ("input", "front", "three_quarter", "side", "back", "skeleton", "posed")
PAPER = (244, 245, 247)
LABEL_PX = 16
FADE = 0.45  # of the figure behind its bones
SIDE_COLOURS = {".L": (215, 60, 50), ".R": (50, 90, 220)}
MIDDLE_COLOUR = (30, 140, 70)


def main() -> int:
    """Returns the exit code."""
    options = sheet_parser(__doc__, side=160).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        rows = [make_row(picture, work) for picture in options.pictures]
        render(rows, 2 * options.side, work)
        draw(rows, options.side).save(options.out, quality=88)
    return 0


def sheet_parser(module_doc: str, side: int) -> argparse.ArgumentParser:
    """What every sheet of figures is told. side: of a cell, in pixels, where it is not told."""
    parser = argparse.ArgumentParser(description=module_doc.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="keep the figures here")
    parser.add_argument("--side", type=int, default=side, help="pixels of a cell")
    return parser


def make_row(picture: Path, work: Path) -> tuple[Path, Path, str]:
    """The picture, the figure's folder, and its kind."""
    folder = work / picture.stem
    if figurine(["run", str(picture), "--out", str(folder), "--name", "figure"]):
        sys.exit(f"{picture} failed")
    return picture, folder, json.loads((folder / "report.json").read_text(encoding="utf-8"))["kind"]["value"]


def render(rows: list[tuple[Path, Path, str]], side_px: int, work: Path) -> None:
    figures = [{"fbx": str(folder / "figure.fbx"), "out": str(folder / "views")} for _, folder, _ in rows]
    request = work / "sheet.json"
    request.write_text(json.dumps({"side_px": side_px, "figures": figures}), encoding="utf-8")
    subprocess.run([sys.executable, str(RENDERER), str(request)], check=True, stdout=subprocess.DEVNULL)


def draw(rows: list[tuple[Path, Path, str]], side: int) -> Image.Image:
    """Two figures a line."""
    lines = (len(rows) + 1) // 2
    sheet = Image.new("RGB", (2 * len(COLUMNS) * side + side // 4, lines * (side + LABEL_PX) + LABEL_PX), PAPER)
    pen = ImageDraw.Draw(sheet)
    for half in range(2):
        for column, name in enumerate(COLUMNS):
            pen.text((half_left(half, side) + column * side + 4, 2), name.replace("_", " "), fill=(90, 90, 100))
    for place, (picture, folder, kind) in enumerate(rows):
        left, top = half_left(place % 2, side), LABEL_PX + (place // 2) * (side + LABEL_PX)
        for column, name in enumerate(COLUMNS):
            fitted = draw_cell(name, picture, folder / "views")
            fitted.thumbnail((side - 4, side - 4), Image.Resampling.LANCZOS)
            spot = (left + column * side + (side - fitted.width) // 2, top + (side - fitted.height) // 2)
            sheet.paste(fitted, spot, fitted)
        pen.text((left + 4, top + side), f"{picture.stem}: {kind}", fill=(90, 90, 100))
    return sheet


def draw_cell(name: str, picture: Path, views: Path) -> Image.Image:
    """A column's picture of a figure, RGBA."""
    path = {"input": picture, "skeleton": views / "front.png"}.get(name, views / f"{name}.png")
    with Image.open(path) as opened:
        cell = opened.convert("RGBA")
    if name == "skeleton":
        cell = Image.blend(Image.new("RGBA", cell.size, (*PAPER, 0)), cell, FADE)
        pen = ImageDraw.Draw(cell)
        for bone, *ends in json.loads((views / "skeleton.json").read_text(encoding="utf-8")):
            (x0, y0), (x1, y1) = ((x * cell.width, y * cell.height) for x, y in ends)
            pen.line((x0, y0, x1, y1), SIDE_COLOURS.get(bone[-2:], MIDDLE_COLOUR), 3)
            pen.ellipse((x0 - 3, y0 - 3, x0 + 3, y0 + 3), (40, 40, 50))
    return cell


def half_left(half: int, side: int) -> int:
    return half * (len(COLUMNS) * side + side // 4)


if __name__ == "__main__":
    sys.exit(main())
