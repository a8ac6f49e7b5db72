# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the draft cut-out against known alpha, before six kinds of background, and prints one table.

    python -m tests.bench.normalize_matting [--quick] [--kind KIND...] [--shift N] [--output DIR] [--shared DIR]

Takes the pictures of ../shared that bring their own alpha. `--shift` gives each of them another background.
`--output` gets normalize_matting.json and .md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from models.draft.errors import NoSubjectFound
from models.draft.matting import cut_out
from tests.bench.normalize_scenes import BACKGROUNDS, compose, load_subjects, place

ROOT = Path(__file__).resolve().parents[2]
IOU_BARS = {"white": 0.975, "flat": 0.975, "studio": 0.975, "room": 0.95}  # mean; the rest must only be flagged
LARGEST_MAE = 0.010
LONGEST_S = 3.0
POOR_IOU = 0.85  # a picture below it must be flagged
MAE_KINDS = ("white", "flat", "studio")


@dataclass(frozen=True)
class Cut:
    """One measured picture. seconds: CPU time of the cut-out. is_flagged: the artist was told to look at it."""

    picture: str
    kind: str
    iou: float
    mae: float
    seconds: float
    confidence: float
    is_flagged: bool


def main() -> int:
    """Returns the exit code: 0 where every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every fifth picture")
    parser.add_argument("--kind", action="append", choices=BACKGROUNDS, help="only this background; may be repeated")
    parser.add_argument("--shift", type=int, default=0, help="added to the number that seeds a picture's background")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    subjects = load_subjects(options.shared / "images", is_quick=options.quick)
    if not subjects:
        parser.error(f"no pictures with alpha under {options.shared / 'images'}: give their folder with --shared")
    cv2.setNumThreads(1)
    cuts = [
        measure(name, place(subject), kind, number)
        for number, (name, subject) in enumerate(subjects.items(), options.shift)
        for kind in options.kind or BACKGROUNDS
    ]
    lines, holds = table(cuts)
    print("\n".join(lines))
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        measured = json.dumps([asdict(cut) for cut in cuts], indent=1)
        (options.output / "normalize_matting.json").write_text(measured, encoding="utf-8")
        (options.output / "normalize_matting.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if holds else 1


def measure(name: str, placed: np.ndarray, kind: str, number: int) -> Cut:
    """placed: (S, S, 4) uint8, whose alpha is the truth. A picture in which no subject was found counts as flagged."""
    picture = compose(placed, kind, number)
    start = time.process_time()
    try:
        cutout = cut_out(picture)
    except NoSubjectFound:
        return Cut(name, kind, 0.0, float(placed[..., 3].mean() / 255), time.process_time() - start, 0.0, True)
    seconds = time.process_time() - start
    truth, found = placed[..., 3], cutout.rgba[..., 3]
    both, either = ((truth > 127) & (found > 127)).sum(), ((truth > 127) | (found > 127)).sum()
    mae = float(np.abs(truth.astype(np.float32) - found).mean() / 255)
    return Cut(name, kind, float(both / either), mae, seconds, cutout.confidence, not cutout.is_sure)


def table(cuts: list[Cut]) -> tuple[list[str], bool]:
    """Markdown lines, and whether every bar holds."""
    lines = [
        "| background | IoU mean | median | p10 | MAE | CPU s (worst) | flagged | below .85 unflagged | holds | of |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    verdicts = []
    for kind in dict.fromkeys(cut.kind for cut in cuts):
        mine = [cut for cut in cuts if cut.kind == kind]
        iou, mae = np.array([cut.iou for cut in mine]), float(np.mean([cut.mae for cut in mine]))
        seconds = max(cut.seconds for cut in mine)
        silent = [cut.picture for cut in mine if cut.iou < POOR_IOU and not cut.is_flagged]
        holds = not silent and iou.mean() >= IOU_BARS.get(kind, 0.0)
        if kind in MAE_KINDS:
            holds &= mae <= LARGEST_MAE and seconds <= LONGEST_S
        verdicts.append(bool(holds))
        lines.append(
            f"| {kind} | {iou.mean():.3f} | {np.median(iou):.3f} | {np.quantile(iou, 0.1):.3f} | {mae:.4f} "
            f"| {np.mean([cut.seconds for cut in mine]):.2f} ({seconds:.2f}) | {sum(cut.is_flagged for cut in mine)} "
            f"| {', '.join(silent) or '–'} | {'yes' if holds else '**no**'} | {len(mine)} |"
        )
    return lines, all(verdicts)


if __name__ == "__main__":
    sys.exit(main())
