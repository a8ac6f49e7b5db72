# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural engine's libraries from the panel, in real Blender processes: what addon_networks_cases.py asserts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest

from .test_addon_ui import answers_by_test, archive, check

__all__ = ["answers_by_test", "archive", "check"]  # fixtures

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]


@pytest.mark.parametrize(
    "case",
    [
        "models_offer_the_engine",
        "grey_buttons_say_why",
        "dialogs_say_what_it_costs",
        "buttons_install_what_they_say",
    ],
)
def test_the_neural_engine(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_networks_cases.{case}")
