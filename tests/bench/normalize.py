# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what normalization wins back of what a bad picture costs, and prints one table.

    python -m tests.bench.normalize [--asset NAME...] [--only NAME...] [--output DIR] [--work DIR] [--shared DIR]

The front renders of the assets of ../shared are degraded, made into draft figures (mesh and texture) with normalization
and without, and judged by the evaluation tool beside them. Without means `--normalize off`: the picture's own alpha as
it is, padded to a square. What was measured is kept in the work folder under a digest of the engine's code, so a run
that was cut off goes on. `--output` gets normalize.json, normalize.md and normalize.jpg.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.normalize_chain import DEGRADATIONS, WAYS, Measurements
from tests.bench.normalize_sheet import draw_sheet

ROOT = Path(__file__).resolve().parents[2]
WON_BACK = 0.5
CLAIMED = ("background", "resolution", "tilt", "framing")


@dataclass(frozen=True)
class Metric:
    """title: for the table. path: in the evaluation tool's answer. sign: 1 where more is better, -1 where less is.
    least_loss: a mean loss below this is nothing to win back.
    """

    title: str
    path: tuple[str, str]
    sign: int
    least_loss: float

    def mean(self, judged: list[dict[str, Any]]) -> float:
        """Over the assets that have it (an asset without colours has no PSNR), more is better."""
        found = [item[self.path[0]].get(self.path[1]) for item in judged]
        return self.sign * float(np.mean([value for value in found if value is not None]))


# As delivered, without alignment, but for the F-score, which the tool gives after it alone.
METRICS = (
    Metric("Chamfer %", ("geometry_no_icp", "cd_diag_pct"), -1, 0.01),
    Metric("F@0.02", ("geometry", "fscore@0.02"), 1, 0.005),
    Metric("IoU", ("appearance_no_icp", "iou_mean"), 1, 0.005),
    Metric("PSNR dB", ("appearance_no_icp", "psnr_fg"), 1, 0.1),
)


@dataclass(frozen=True)
class Line:
    """Means over the assets. won_back: share of the loss, None where there is none. holds: None where nothing is
    claimed.
    """

    degradation: str
    metric: str
    clean: float
    without: float
    with_: float
    won_back: float | None
    holds: bool | None


def measure(bench: Measurements, name: str) -> list[Line]:
    """One line a metric."""
    judged = [
        [bench.clean(asset) for asset in bench.assets],
        *([bench.degraded(asset, name, way) for asset in bench.assets] for way in WAYS),
    ]
    lines = []
    for metric in METRICS:
        clean, without, with_ = (metric.mean(items) for items in judged)
        is_lost = clean - without > metric.least_loss
        won_back = (with_ - without) / (clean - without) if is_lost else None
        holds = won_back >= WON_BACK if won_back is not None and name in CLAIMED else None
        values = (abs(value) for value in (clean, without, with_))
        lines.append(Line(name, metric.title, *values, won_back, holds))
    return lines


def table(lines: list[Line]) -> list[str]:
    """Markdown."""
    marks = {True: "yes", False: "**no**", None: "–"}
    rows = ["| degraded | measure | clean | without | with | won back | ≥ half |", "|---|---|---|---|---|---|---|"]
    for line in lines:
        won = "no loss" if line.won_back is None else f"{line.won_back:.0%}"
        values = " | ".join(f"{value:.3g}" for value in (line.clean, line.without, line.with_))
        rows.append(f"| {line.degradation} | {line.metric} | {values} | {won} | {marks[line.holds]} |")
    return rows


def main() -> int:
    """Returns the exit code: 0 where every line that is claimed holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asset", action="append", help="only this asset; may be given again")
    parser.add_argument("--only", action="append", choices=DEGRADATIONS, help="only this; may be given again")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "figurine-normalize-bench")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    assets = tuple(path.parent for path in sorted((options.shared / "dev_assets").glob("*/gt.npz")))
    if not assets:
        parser.error(f"no assets under {options.shared / 'dev_assets'}: give their folder with --shared")
    chosen = tuple(asset for asset in assets if not options.asset or asset.name in options.asset)
    if not chosen:
        parser.error(f"no such asset; there are {', '.join(asset.name for asset in assets)}")
    bench = Measurements(assets, options.shared / "eval", options.work, chosen)
    lines = [line for name in options.only or DEGRADATIONS for line in measure(bench, name)]
    markdown = "\n".join(table(lines))
    print(markdown)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "normalize.json").write_text(json.dumps([asdict(line) for line in lines], indent=1))
        (options.output / "normalize.md").write_text(markdown + "\n", encoding="utf-8")
        draw_sheet(bench, tuple(options.only or DEGRADATIONS)).save(options.output / "normalize.jpg", quality=85)
    return 0 if all(line.holds is not False for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
