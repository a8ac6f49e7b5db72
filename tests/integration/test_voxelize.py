# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize in a real Blender of its own process; voxel_cases.py and the files beside it say what is asserted there."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.integration.addon_fixtures import Verdict, run_voxel_cases, voxel_case_names

ROOT = Path(__file__).resolve().parents[2]
LARGE_TIMEOUT_S = 600
MOST_MIB = 3072  # of Blender with the mesh of two million faces and all that Voxelize makes of it

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """How each case ended."""
    return run_voxel_cases(tmp_path_factory.mktemp("voxels"))


@pytest.mark.parametrize("case", voxel_case_names())
def test_voxelize(verdicts: dict[str, Verdict], case: str) -> None:
    assert case in verdicts, f"Blender ended before {case} was done; the last was {list(verdicts)[-1:]}"
    assert verdicts[case].trouble == ""


@pytest.mark.full
@pytest.mark.timeout(LARGE_TIMEOUT_S)
def test_two_million_faces_become_voxels(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    command = [sys.executable, "-m", "tests.integration.voxel_large", str(answer)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LARGE_TIMEOUT_S, check=False)
    assert answer.exists(), done.stderr[-4000:]
    measured = json.loads(answer.read_text(encoding="utf-8"))
    print(measured)
    assert measured["faces"] > 1_990_000
    # A ball's six sides are each as many voxels as its circle.
    assert measured["quads"] == pytest.approx(6 * np.pi / 4 * measured["size"] ** 2, rel=0.02)
    assert measured["peak_mib"] < MOST_MIB
