# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of some assets: what came in, and what the models would see without and with normalization."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tests.bench.normalize_chain import WAYS, Measurements

CELL_px = 150
HEAD_px = 22
SHOWN = ("kaykit_knight", "mh_female_casual", "quat_cow", "quat_knight")
PAPER = (236, 238, 241)


def draw_sheet(bench: Measurements, names: tuple[str, ...]) -> Image.Image:
    """A row an asset; three columns a degradation."""
    assets = [asset for asset in bench.assets if asset.name in SHOWN] or list(bench.assets[:4])
    width = len(names) * (3 * CELL_px + HEAD_px)
    sheet = Image.new("RGB", (width, HEAD_px + len(assets) * CELL_px), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        left = column * (3 * CELL_px + HEAD_px)
        for place, title in enumerate((name, *WAYS)):
            pen.text((left + place * CELL_px + 6, 5), title, fill=(50, 50, 60))
        for row, asset in enumerate(assets):
            pictures = [Image.fromarray(bench.degrade(asset, name))]
            pictures += [Image.fromarray(bench.normalized(np.asarray(pictures[0]), way).rgba) for way in WAYS]
            for place, picture in enumerate(pictures):
                cell = _on_paper(picture)
                sheet.paste(cell, (left + place * CELL_px, HEAD_px + row * CELL_px))
    return sheet


def _on_paper(picture: Image.Image) -> Image.Image:
    """At the cell's size, before a chequered ground; a small picture stays as small as it is."""
    picture = picture.convert("RGBA")
    picture.thumbnail((CELL_px - 6, CELL_px - 6), Image.Resampling.LANCZOS)
    squares = (np.indices((CELL_px - 6, CELL_px - 6)) // 8).sum(axis=0) % 2
    ground = Image.fromarray(np.where(squares, 214, 228).astype(np.uint8)).convert("RGB")
    offset = tuple((CELL_px - 6 - side) // 2 for side in picture.size)
    ground.paste(picture, offset, picture)
    cell = Image.new("RGB", (CELL_px, CELL_px), PAPER)
    cell.paste(ground, (3, 3))
    return cell
