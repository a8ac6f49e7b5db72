# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of the importer and of Voxelize, and the add-on switched on and off, in every Blender that it supports.

    python tests/matrix/run.py [VERSION…]

Each Blender is the bpy module in an environment of its own, made once under ~/.cache/figurine/matrix (about 1 GB
each, 350 MB to download). What they import is made once, by the Python that runs this. Prints a table and the failed
cases' ends; exit code 1 where a case failed. A version whose Python is not here is skipped, and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration.addon_fixtures import (  # noqa: E402
    Verdict,
    case_names,
    make_results,
    run_cases,
    run_voxel_cases,
    voxel_case_names,
)

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "figurine" / "matrix"
INSTALL_TIMEOUT_S = 1800
# What a failed case says last is the reason; the lines above it are where.
TROUBLE_LINES = 4


@dataclass(frozen=True)
class Blender:
    """A version of the bpy module, the Python that it is built for, and the numpy that this Blender has."""

    version: str
    python: str
    numpy: str


BLENDERS = (
    Blender("4.2.23", "3.11", "numpy<2"),
    Blender("4.5.15", "3.11", "numpy<2"),
    Blender("5.0.1", "3.11", "numpy<2"),
    Blender("5.2.3", "3.13", "numpy>=2"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table. reason: why there are no verdicts, empty where there are."""

    blender: Blender
    verdicts: dict[str, Verdict]
    seconds: float
    reason: str = ""

    @property
    def failed(self) -> list[str]:
        """Cases that failed, or that Blender did not live to finish."""
        return (
            [] if self.reason else [case for case in all_case_names() if case not in self.verdicts or self._broke(case)]
        )

    def _broke(self, case: str) -> bool:
        return bool(self.verdicts[case].trouble)


def all_case_names() -> list[str]:
    """In the order in which they are run."""
    return [*case_names(), *voxel_case_names()]


def python_of(version: str) -> str | None:
    """A Python of this version that really runs; None where there is none."""
    for candidate in (sys.executable, shutil.which(f"python{version}")):
        if candidate is not None:
            told = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
            if told.stdout.startswith(f"Python {version}."):
                return candidate
    return None


def environment_of(blender: Blender) -> tuple[Path | None, str]:
    """The Python of the version's environment, made where it is not there; or None, and why."""
    home, making = CACHE / f"bpy-{blender.version}", CACHE / f"bpy-{blender.version}.part"
    program = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    if home.exists():
        return home / program, ""
    base = python_of(blender.python)
    if base is None:
        return None, f"needs Python {blender.python}"
    print(f"Installing bpy {blender.version} …", flush=True)
    try:
        subprocess.run([base, "-m", "venv", "--clear", str(making)], check=True, capture_output=True)
        wanted = [f"bpy=={blender.version}", blender.numpy, "requests"]
        subprocess.run(
            [making / program, "-m", "pip", "install", "--quiet", *wanted],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(making, ignore_errors=True)
        said = (getattr(error, "stderr", "") or str(error)).strip()
        return None, f"could not be installed: {said.splitlines()[-1] if said else error}"
    making.rename(home)
    return home / program, ""


def run_version(blender: Blender, fixtures: Path, scratch: Path) -> Row:
    """All cases in one Blender."""
    python, reason = environment_of(blender)
    if python is None:
        return Row(blender, {}, 0.0, reason)
    scratch.mkdir()
    start = time.perf_counter()
    verdicts = run_cases(fixtures, scratch, str(python)) | run_voxel_cases(scratch, str(python))
    return Row(blender, verdicts, time.perf_counter() - start)


def print_table(rows: list[Row]) -> None:
    """The table, then how each failed case ended."""
    print(f"\n{'Blender':9} {'Python':7} {'passed':>7} {'failed':>7} {'seconds':>8}")
    for row in rows:
        start = f"{row.blender.version:9} {row.blender.python:7}"
        if row.reason:
            print(f"{start} skipped: {row.reason}")
        else:
            passed = len(all_case_names()) - len(row.failed)
            print(f"{start} {passed:7} {len(row.failed):7} {row.seconds:8.1f}")
    for row in rows:
        for case in row.failed:
            trouble = row.verdicts[case].trouble if case in row.verdicts else "Blender ended before it was done."
            print(f"\n{row.blender.version} {case}")
            print("\n".join(trouble.strip().splitlines()[-TROUBLE_LINES:]))


def main(wanted: list[str]) -> int:
    """wanted: beginnings of versions; all where empty."""
    blenders = [blender for blender in BLENDERS if not wanted or blender.version.startswith(tuple(wanted))]
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="figurine-matrix-") as scratch:
        os.environ["TMPDIR"] = scratch
        print("Making the results that are imported …", flush=True)
        fixtures = make_results(Path(scratch))
        rows = []
        for blender in blenders:
            rows.append(run_version(blender, fixtures, Path(scratch) / blender.version))
            print(f"{blender.version}: {rows[-1].reason or 'done'}", flush=True)
    print_table(rows)
    return 1 if any(row.failed for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
