# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, shares and lines as the panel shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.wording import STAGE_LABELS, STATE_LABELS, duration, percent, stage_label, wrapped
from inference_server.core.types import STAGE_NAMES


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "a moment"), (0.9, "a moment"), (1, "1 s"), (12.4, "12 s"), (89.4, "89 s"), (90, "2 min"), (600, "10 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("fraction", "text"), [(0, "0 %"), (0.999, "99 %"), (1, "100 %"), (1.2, "100 %"), (-1, "0 %")])
def test_shares_are_not_rounded_up(fraction: float, text: str) -> None:
    assert percent(fraction) == text


def test_every_stage_of_the_server_has_a_label_in_its_order() -> None:
    assert tuple(STAGE_LABELS) == STAGE_NAMES
    assert stage_label("hand_fit") == "Hand Fit"


def test_every_state_has_a_label() -> None:
    from typing import get_args

    from blender_addon.jobs.views import ViewState

    assert set(STATE_LABELS) == set(get_args(ViewState))


def test_a_sentence_is_broken_at_spaces() -> None:
    assert wrapped("one two three four", 9, len) == ["one two", "three", "four"]


def test_a_long_word_is_broken() -> None:
    assert wrapped("see /a/very/long/path now", 8, len) == ["see", "/a/very/", "long/pat", "h now"]


def test_lines_of_the_text_are_kept() -> None:
    assert wrapped("one\ntwo", 80, len) == ["one", "two"]


@given(st.text(), st.integers(1, 40))
def test_no_line_is_too_long_and_no_letter_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, width, len)
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("請先選擇圖片。", ["請先選擇", "圖片。"]),
        ("按「生成」開始", ["按「生", "成」開始"]),
        ("Blender を開く", ["Blender", "を開く"]),
        ("開く foxes。", ["開く", "foxes。"]),
    ],
)
def test_text_without_spaces_is_broken_between_its_signs(text: str, lines: list[str]) -> None:
    """A sign is twice as wide as a letter. No line begins with a closing sign or ends with an opening one."""
    width = 8.0
    assert wrapped(text, width, lambda line: sum(1.0 if ord(letter) < 0x3000 else 2.0 for letter in line)) == lines
