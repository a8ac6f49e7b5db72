# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the draft engine against what must hold of it, and prints one table.

    python -m tests.bench.draft [--quick] [--row NAME...] [--output DIR] [--work DIR] [--shared DIR]

Takes the examples, and the pictures and ground-truth assets of ../shared where it is there. Assets are judged by the
evaluation tool beside them. What was measured is kept in the work folder under a digest of the engine's
code, so a run that was cut off goes on, and single rows can be asked for. `--output` gets draft.json, draft.md and
skeletons.png.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.draft_items import Bench, find_inputs
from tests.bench.draft_rows import ROWS, Line, seconds_table
from tests.bench.draft_skeletons import draw_sheet

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Returns the exit code: 0 where every measured line holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every fifth picture, every fourth asset")
    parser.add_argument("--row", action="append", choices=ROWS, help="measure only this row; may be given again")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "figurine-draft-bench")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    bench = Bench(find_inputs(options.shared, is_quick=options.quick), options.work)
    lines: list[Line] = []
    for name in options.row or ROWS:
        lines += ROWS[name](bench)
    seconds = seconds_table(bench)
    markdown = "\n".join([*table(lines), "", *seconds])
    print(markdown)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        document = {"lines": [vars(line) for line in lines], "measured": bench.measured}
        (options.output / "draft.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        (options.output / "draft.md").write_text(markdown + "\n", encoding="utf-8")
        if bench.measured["picture"]:
            draw_sheet(bench).save(options.output / "skeletons.png")
    return 0 if all(line.holds is not False for line in lines) else 1


def table(lines: list[Line]) -> list[str]:
    rows = ["| row | measure | bar | measured | holds | of |", "|---|---|---|---|---|---|"]
    marks = {True: "yes", False: "**no**", None: "–"}
    return rows + [
        f"| {line.row} | {line.measure} | {line.bar} | {line.value} | {marks[line.holds]} | {line.count} |"
        for line in lines
    ]


if __name__ == "__main__":
    sys.exit(main())
