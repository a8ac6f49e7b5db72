# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize in a real Blender of its own process; voxel_cases.py and the files beside it say what is asserted there."""

from __future__ import annotations

import importlib.util

import pytest

from tests.integration.addon_fixtures import Verdict, run_voxel_cases, voxel_case_names

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
