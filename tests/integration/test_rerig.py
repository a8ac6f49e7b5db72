# SPDX-License-Identifier: GPL-3.0-or-later
"""Correcting and re-rigging from the panel, with a real server; the parts of it are cases of test_addon_import.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.integration.test_addon_ui import archive, run

__all__ = ["archive"]  # a fixture

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]


@pytest.mark.full
def test_a_figure_is_corrected_compared_and_rigged_anew(archive: Path, tmp_path: Path) -> None:
    run("addon_rerig_cases.correct_a_generated_figure", archive, tmp_path)


@pytest.mark.full
def test_half_a_character_and_what_modifiers_make_are_rigged(archive: Path, tmp_path: Path) -> None:
    run("addon_applied_cases.rig_what_modifiers_make", archive, tmp_path)
