# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's importer in a real Blender of its own process, on results of the real pipeline."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.integration.addon_fixtures import Verdict, case_names, run_cases

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]


@pytest.fixture(scope="module")
def verdicts(imported_results: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """How each case ended."""
    return run_cases(imported_results, tmp_path_factory.mktemp("addon-cases"))


@pytest.mark.parametrize("case", case_names())
def test_import(verdicts: dict[str, Verdict], case: str) -> None:
    assert case in verdicts, f"Blender ended before {case} was done; the last was {list(verdicts)[-1:]}"
    assert verdicts[case].trouble == ""
