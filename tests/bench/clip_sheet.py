# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes figures of pictures, plays clips on them with the add-on and shows frames of them as strips.

python -m tests.bench.clip_sheet PICTURE… --clips walk run --out SHEET.jpg [--work DIR] [--columns N] [--view DEG]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from blender_addon.animation.clips import clips_of
from tests.bench.contact_sheet import PAPER
from tests.bench.pose_sheet import INK, LABEL_px, make

# Of a frame's width this much is shown: figures are higher than wide.
NARROW = 0.9


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--clips", nargs="+", default=["walk"], help="those that a figure has are shown")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="keep the figures here, and use those that are there")
    parser.add_argument("--side", type=int, default=150, help="pixels of a frame")
    parser.add_argument("--columns", type=int, default=8, help="frames of a cycle")
    parser.add_argument("--view", type=float, default=82.0, help="degrees from the front")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        rows = [row for picture in options.pictures for row in rows_of(picture, work, options)]
        request = work / "clips.json"
        asked = {"side_px": options.side, "view_deg": options.view, "rows": rows}
        request.write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, "-m", "tests.bench.clip_renderer", str(request)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        draw(rows, options.side, options.columns).save(options.out, quality=82)
    return 0


def rows_of(picture: Path, work: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One for each clip that such a figure has."""
    folder, kind = make(picture, work)
    clips = clips_of(kind if kind in ("humanoid", "quadruped") else "other")
    return [
        {"folder": str(folder), "clip": key, "columns": options.columns, "out": str(folder / "clips" / key)}
        for key in options.clips
        if key in clips
    ]


def draw(rows: list[dict[str, Any]], side_px: int, columns: int) -> Image.Image:
    """The sheet: a strip for each clip, and its name."""
    cell_px = round(NARROW * side_px)
    cut_px = (side_px - cell_px) // 2
    sheet = Image.new("RGB", (columns * cell_px, len(rows) * (side_px + LABEL_px)), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, row in enumerate(rows):
        top = place * (side_px + LABEL_px)
        for column in range(columns):
            with Image.open(Path(row["out"]) / f"{column}.png") as opened:
                frame = opened.convert("RGBA").crop((cut_px, 0, cut_px + cell_px, side_px))
            sheet.paste(frame, (column * cell_px, top), frame)
        pen.text((4, top + side_px), row["clip"], fill=INK, anchor="la")
    return sheet


if __name__ == "__main__":
    sys.exit(main())
