# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize in a real Blender of its own process; voxel_cases.py says what is asserted there."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("voxel_cases.py")
TIMEOUT_S = 180

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]
CASES = [
    node.name[5:]
    for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")
]


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What went wrong in each case."""
    answer = tmp_path_factory.mktemp("voxels") / "answer.json"
    command = [sys.executable, "-m", "tests.integration.voxel_cases", str(answer)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert answer.exists(), done.stderr
    return json.loads(answer.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_voxelize(trouble: dict[str, str], case: str) -> None:
    assert case in trouble, f"Blender ended before {case} was done; the last was {list(trouble)[-1:]}"
    assert trouble[case] == ""
