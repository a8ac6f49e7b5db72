# SPDX-License-Identifier: GPL-3.0-or-later
"""Every clip on draft rigs of many characters: the examples, and pictures of the shared folder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.integration.test_posing_characters import SHARED, measure_humanoids

MOST_STRETCH = 1.8
MOST_SLIDE_m = 0.02
MOST_BELOW_m = 0.02
MOST_GAP_m = 1e-4
# Between two frames: a shin that kicks in a run turns by 50 degrees, a bone that flips by 180.
MOST_JUMP_deg = 90.0

pytestmark = [
    pytest.mark.blender,
    pytest.mark.full,
    pytest.mark.shared,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the measuring data is not there: {SHARED}"),
]


def test_every_clip_on_many_characters(tmp_path: Path) -> None:
    measured = measure_humanoids("clip_measures", tmp_path, 1800)
    troubles = [
        (name, key, item) for name, clips in measured.items() for key, item in clips.items() if is_bad(key, item)
    ]
    assert not troubles, troubles


def is_bad(key: str, item: dict[str, object]) -> bool:
    """Whether any bar is missed."""
    return bool(
        item["faults"]
        or item["stretch"] > MOST_STRETCH
        or item["jump_deg"] > MOST_JUMP_deg
        or item["gap_m"] > MOST_GAP_m
        or item["low_m"] < -MOST_BELOW_m
        or (key == "walk" and item["slide_m"] > MOST_SLIDE_m)
    )
