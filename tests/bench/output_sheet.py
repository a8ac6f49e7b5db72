# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports a figure for every target and for printing, imports each file again, and shows them on one sheet.

python -m tests.bench.output_sheet PICTURE --out SHEET.jpg [--work DIR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from tests.bench.contact_sheet import PAPER
from tests.bench.pose_sheet import INK, make

# Suffix of the file's name, what it is called, and whether it is shown at rest.
TILES = (
    ("UNITY.fbx", "Unity: clip Pose", False),
    ("UNREAL.fbx", "Unreal Engine: clip Pose", False),
    ("GODOT.glb", "Godot: clip Pose", False),
    ("GLTF.glb", "glTF: clip Pose", False),
    ("UNITY.fbx", "Unity: at rest", True),
    ("VRM.vrm", "VRM 1.0", True),
    ("FLAT.stl", "STL, cut flat", True),
    ("PLATE.stl", "STL, on a plate", True),
)
COLUMNS = 4
LABEL_px = 18
DETAIL_mm = 0.3


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="keep the figure here, and use it if it is there")
    parser.add_argument("--side", type=int, default=250, help="pixels of a cell")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, _ = make(options.picture, options.work or Path(scratch))
        out = Path(scratch)
        prints = [name for name, _, _ in TILES if name.endswith(".stl")]
        request = {"figures": {"figure": str(folder)}, "prints": {"figure": prints}, "detail_mm": DETAIL_mm}
        (out / "request.json").write_text(json.dumps(request), encoding="utf-8")
        _run("tests.integration.output_files", str(out / "request.json"), str(out))
        files = [
            {"file": str(out / f"figure_{name}"), "out": str(out / f"{place}.png"), "is_rest": is_rest}
            for place, (name, _, is_rest) in enumerate(TILES)
        ]
        (out / "tiles.json").write_text(json.dumps({"side_px": options.side, "tiles": files}), encoding="utf-8")
        _run("tests.bench.output_renderer", str(out / "tiles.json"))
        draw(out, options.side).save(options.out, quality=84)
    return 0


def draw(folder: Path, side_px: int) -> Image.Image:
    """The sheet, with what each file is for."""
    height_px = side_px + LABEL_px
    sheet = Image.new("RGB", (COLUMNS * side_px, len(TILES) // COLUMNS * height_px), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (_, label, _) in enumerate(TILES):
        left, top = place % COLUMNS * side_px, place // COLUMNS * height_px
        with Image.open(folder / f"{place}.png") as opened:
            figure = opened.convert("RGBA")
        sheet.paste(figure, (left, top), figure)
        pen.text((left + side_px / 2, top + side_px), label, fill=INK, anchor="ma")
    return sheet


def _run(module: str, *given: str) -> None:
    subprocess.run([sys.executable, "-m", module, *given], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
