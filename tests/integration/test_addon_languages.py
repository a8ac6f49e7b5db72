# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's interface in other languages, and its key: what addon_language_cases.py, addon_server_word_cases.py and
addon_key_cases.py assert.
"""

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
        "every_text_has_its_translations",
        "buttons_may_say_otherwise",
        "nothing_is_drawn_in_english",
        "a_panel_speaks_japanese",
    ],
)
def test_languages(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_language_cases.{case}")


@pytest.mark.parametrize("case", ["the_server_is_understood_in_japanese", "the_add_on_s_own_words_stay"])
def test_the_server_s_words(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_server_word_cases.{case}")


@pytest.mark.parametrize("case", ["the_key_is_free", "the_key_comes_and_goes", "the_menu_has_eight_places"])
def test_the_key(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_key_cases.{case}")
