# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished jobs for the add-on's importer, made by the real pipeline, and how its cases are run in a Blender.

python -m tests.integration.addon_fixtures FOLDER     makes the results and prints the path of fixtures.json
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.integration.jobs import ROOT, figurine, final_vertices, kept_result, report_of, share_stages
from tests.integration.project_python import VARIABLE

HERE = Path(__file__).parent
_PARTS = (
    *("import", "state", "failure", "registration", "pose", "animation", "clip"),
    *("skin", "rigging", "candidate", "output", "bound", "mirror", "modifier"),
)
CASE_FILES = tuple(f"addon_{part}_cases.py" for part in _PARTS)
VOXEL_CASE_FILES = "voxel_*cases.py"
TIMEOUT_S = 500
# Half the usual texture: each case reads its pixels.
SMALL = ("--texture", "1024")
# Name of the result → picture and what else the job is asked for.
RESULTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "fox_kid": ("fox_kid.png", ()),
    "adventurer": ("adventurer.png", ()),
    "pup": ("pup.png", ("--kind", "quadruped")),
    "lantern": ("lantern.png", ()),
    "static": ("lantern.png", ("--kind", "none", "--height", "0.3")),
}


@dataclass(frozen=True)
class Verdict:
    """How one case ended. trouble: its traceback, empty where it passed."""

    seconds: float
    trouble: str
    measured: dict[str, Any]


def make_results(folder: Path) -> Path:
    """Run every job; the path of fixtures.json: {name: {folder, arrays}}, arrays an npz of what Blender was given:
    vertices (V, 3) in its frame, indices and weights (V, 4)."""
    fixtures, home = {}, share_stages(folder / "home")
    for name, (picture, more) in RESULTS.items():
        done = figurine("run", ROOT / "examples" / picture, "--out", folder / name, *more, *SMALL, home=home)
        assert done.exit_code == 0, done.stderr
        arrays = folder / f"{name}.npz"
        report = report_of(folder / name)
        skin = kept_result(home, report, "rig").skin
        np.savez(arrays, indices=skin.indices, weights=skin.weights, vertices=final_vertices(home, report))
        fixtures[name] = {"folder": str(folder / name), "arrays": str(arrays)}
    path = folder / "fixtures.json"
    path.write_text(json.dumps(fixtures), encoding="utf-8")
    return path


def case_names() -> list[str]:
    """Every case of the importer, found without Blender."""
    return [name for file in CASE_FILES for name in names_in(HERE / file)]


def voxel_case_names() -> list[str]:
    """Every case of Voxelize."""
    return [name for file in voxel_case_files() for name in names_in(file)]


def voxel_case_files() -> list[Path]:
    """In the order in which they are run."""
    return sorted(HERE.glob(VOXEL_CASE_FILES))


def names_in(file: Path) -> list[str]:
    """Cases that a runner takes from this file."""
    return re.findall(r"^def case_(\w+)\(", file.read_text(encoding="utf-8"), re.MULTILINE)


@dataclass(frozen=True)
class Wanted:
    """Which cases: all where there are no names. In how long a time: what is not done by then has no verdict."""

    names: Sequence[str] = ()
    timeout_s: float = TIMEOUT_S


def run_cases(
    fixtures: Path, scratch: Path, python: str = sys.executable, wanted: Wanted = Wanted()
) -> dict[str, Verdict]:
    """Run the importer's cases in one process with the Blender of that Python; a case that ended the process has no
    verdict.
    """
    return _run("addon_case_runner", [str(fixtures), str(scratch)], scratch, python, wanted)


def run_voxel_cases(scratch: Path, python: str = sys.executable, wanted: Wanted = Wanted()) -> dict[str, Verdict]:
    """As run_cases, those of Voxelize."""
    return _run("voxel_case_runner", [], scratch, python, wanted)


def _run(runner: str, given: list[str], scratch: Path, python: str, wanted: Wanted) -> dict[str, Verdict]:
    answer = scratch / f"{runner}.json"
    with (scratch / f"{runner}.log").open("wb") as log, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [python, "-m", f"tests.integration.{runner}", *given, str(answer), *wanted.names],
            cwd=ROOT,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "BLENDER_USER_RESOURCES": str(scratch / "blender"),
                VARIABLE: sys.executable,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=wanted.timeout_s,
            check=False,
        )
    verdicts = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
    return {name: Verdict(**verdict) for name, verdict in verdicts.items()}


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    print(make_results(target))
