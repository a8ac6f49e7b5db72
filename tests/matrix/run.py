# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of the add-on, and Blender's own judgement of the extension, in every Blender that it supports.

    python tests/matrix/run.py [--cases WORD] [VERSION…]

Each Blender is the bpy module in an environment of its own (environments.py). What the cases import is made once, by
the Python that runs this, which also runs the server that they talk to. Two processes at a time; each has the cases of
one file, so that a Blender that ends takes no other file's cases along. Prints how failed cases end, and a table; exit
code 1 where a case failed. A version whose Python is not here is skipped, and says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from build_addon import BuildFailed, ask_extension_tool, make_extension, tracked_files  # noqa: E402
from tests.matrix.environments import BLENDERS, Environment, environment_of  # noqa: E402
from tests.matrix.pieces import KINDS, LEFT_OUT, Given, Piece, pieces  # noqa: E402

# As many as make test has: half of the time a case waits for a server.
AT_ONCE = 2
# What a failed case says last is the reason; the lines above it are where.
TROUBLE_LINES = 8


@dataclass
class Row:
    """One line of the table. objection: what Blender's extension tool has against the extension; empty where nothing.
    troubles: how failed cases ended. seconds: of all processes together.
    """

    environment: Environment
    objection: str
    passed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    asked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    troubles: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, piece: Piece, troubles: dict[str, str], seconds: float) -> str:
        """Count a finished piece; what there is to say about it."""
        self.asked[piece.kind] += len(piece.cases)
        self.passed[piece.kind] += len(piece.cases) - len(troubles)
        self.troubles |= troubles
        self.seconds += seconds
        lines = [f"{self.environment.blender.version} {piece.name}: {len(piece.cases)} cases, {seconds:.0f} s"]
        for case, trouble in troubles.items():
            lines += [f"  failed: {case}", *(f"    {line}" for line in trouble.strip().splitlines()[-TROUBLE_LINES:])]
        return "\n".join(lines)


def judge(environment: Environment, archive: Path) -> str:
    """What this Blender's own `extension validate` objects to; empty where nothing."""
    try:
        ask_extension_tool(environment.extension_tool, "validate", str(archive))
    except BuildFailed as error:
        return str(error)
    return ""


def run_all(rows: list[Row], wanted: list[Piece], given: Given) -> None:
    """All pieces in all Blenders."""

    def run(row: Row, piece: Piece) -> tuple[Row, Piece, dict[str, str], float]:
        start = time.perf_counter()
        scratch = Path(tempfile.mkdtemp(prefix=f"{row.environment.blender.version}-{piece.name}-"))
        troubles = piece.run(given, scratch, row.environment.python)
        return row, piece, troubles, time.perf_counter() - start

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(run, row, piece) for row in rows for piece in wanted]
        for done in as_completed(running):
            row, piece, troubles, seconds = done.result()
            print(row.add(piece, troubles, seconds), flush=True)


def print_table(rows: list[Row], skipped: dict[str, str]) -> None:
    """The table, what is left out and why, and which cases failed."""
    print(
        f"\n{'Blender':9}{'Python':8}{'numpy':8}{'extension':10}{''.join(f'{kind:>11}' for kind in KINDS)}   processes"
    )
    for row in rows:
        environment = row.environment
        counts = "".join(f"{row.passed[kind]:>7}/{row.asked[kind]:<3}" for kind in KINDS)
        print(
            f"{environment.blender.version:9}{environment.blender.python:8}{environment.numpy:8}"
            f"{'refused' if row.objection else 'valid':10}"
            f"{counts}{row.seconds:10.0f} s"
        )
    for version, reason in skipped.items():
        print(f"{version:9}skipped: {reason}")
    for case, reason in LEFT_OUT.items():
        print(f"Left out everywhere: {case} ({reason})")
    for row in rows:
        for case in row.troubles:
            print(f"{row.environment.blender.version} failed: {case}")
        if row.objection:
            print(f"{row.environment.blender.version} does not take the extension: {row.objection}")


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "versions", nargs="*", metavar="VERSION", help="beginnings of versions; all where none is given"
    )
    parser.add_argument("--cases", default="", metavar="WORD", help=f"only {', '.join(KINDS)}, or a part of a name")
    options = parser.parse_args()
    start_s, skipped, environments = time.perf_counter(), {}, []
    for blender in BLENDERS:
        if blender.version.startswith(tuple(options.versions) or ""):
            environment = environment_of(blender)
            if isinstance(environment, str):
                skipped[blender.version] = environment
            else:
                environments.append(environment)
    with tempfile.TemporaryDirectory(prefix="figurine-matrix-") as scratch:
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        print("Making the extension, and the results that are imported …", flush=True)
        extension = make_extension(tracked_files(ROOT))
        archive = Path(scratch) / extension.file_name
        archive.write_bytes(extension.archive)
        rows = [Row(environment, judge(environment, archive)) for environment in environments]
        run_all(rows, pieces(options.cases), Given.made_in(Path(scratch)))
    print_table(rows, skipped)
    print(f"\n{(time.perf_counter() - start_s) / 60:.1f} minutes, {AT_ONCE} processes at a time")
    return 1 if any(row.objection or row.troubles for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
