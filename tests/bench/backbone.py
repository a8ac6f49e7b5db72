# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the main job, picture to files, as whole processes in fresh data folders.

    python -m tests.bench.backbone [PICTURE...] [--json FILE]

Prints a Markdown table: seconds of each stage, of the whole command, and the largest process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("normalize", "geometry", "texture", "rig", "export")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pictures = options.pictures or sorted(
        path for path in (ROOT / "examples").iterdir() if path.suffix in (".png", ".jpg")
    )
    rows = [measure(picture) for picture in pictures]
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def measure(picture: Path) -> dict[str, Any]:
    """One run of the command in an empty data folder."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "inference_server", "run", str(picture.absolute()), "--out", str(out)],
            check=True,
            cwd=ROOT,
            env=os.environ | {"FIGURINE_HOME": str(Path(scratch) / "home")},
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    stages = {record["stage"]: record["seconds"] for record in report["stages"]}
    return {
        "picture": picture.name,
        "kind": report["kind"]["value"],
        **stages,
        "total": round(seconds, 2),
        "peak_mib": report["peak_bytes"] >> 20,
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    columns = ("picture", "kind", *STAGES, "total", "peak_mib")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(row[column]) for column in columns) + " |")
    for name, pick in (("median", statistics.median), ("worst", max)):
        figures = [f"{pick(row[column] for row in rows):.2f}" for column in (*STAGES, "total")]
        print(f"| **{name}** | | " + " | ".join(figures) + f" | {pick(row['peak_mib'] for row in rows):.0f} |")


if __name__ == "__main__":
    sys.exit(main())
