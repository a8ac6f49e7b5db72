# SPDX-License-Identifier: GPL-3.0-or-later
"""Every clip on draft rigs of many characters: the examples, and pictures of the shared folder."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.jobs import ROOT, figurine, report_of
from tests.integration.test_posing_characters import SHARED, pictures

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
    folders = {}
    for name, picture in pictures().items():
        done = figurine("run", picture, "--out", tmp_path / name, home=tmp_path / "home")
        assert done.exit_code == 0, done.stderr
        if report_of(tmp_path / name)["kind"]["value"] == "humanoid":
            folders[name] = str(tmp_path / name)
    assert len(folders) >= 8
    (tmp_path / "folders.json").write_text(json.dumps(folders), encoding="utf-8")
    command = [sys.executable, "-m", "tests.integration.clip_measures", str(tmp_path / "folders.json")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=1800)
    measured = json.loads((tmp_path / "measured.json").read_text(encoding="utf-8"))
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
