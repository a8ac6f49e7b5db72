# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished run says on the console: people read standard error, programs read standard output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference_server.commands.summary import print_files, print_summary
from inference_server.core.pipeline import Outcome
from inference_server.core.settings import JobSettings
from inference_server.core.types import StageRecord


def record(stage: Any, **more: Any) -> StageRecord:
    return StageRecord(stage, more.pop("engine", "draft"), 1, 0, "key", 1.26, 10, more.pop("reused", False), **more)


@pytest.fixture
def outcome(tiny_outcome: Outcome) -> Outcome:
    why = "no neural engine here"
    records = (
        record("normalize", reused=True, fallback_reason=why),
        record("geometry", fallback_reason=why, notes=("The depth is a draft.",)),
        record("texture", engine="neural"),
        record("rig", fallback_reason="another reason", notes=("Two\nlines.", "More.")),
        record("export", engine="blender"),
    )
    return replace(tiny_outcome, records=records)


def said(outcome: Outcome, capsys: pytest.CaptureFixture[str], *, is_given: bool = False, **chosen: Any) -> list[str]:
    print_summary(outcome, JobSettings(**chosen), is_skeleton_given=is_given)
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_engines_reasons_kind_and_every_warning_are_said(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(outcome, capsys) == [
        "normalize  draft    kept from an earlier run",
        "geometry   draft    1.3 s",
        "texture    neural   1.3 s",
        "rig        draft    1.3 s",
        "export     blender  1.3 s",
        "why draft  normalize, geometry: no neural engine here",
        "why draft  rig: another reason",
        "kind       humanoid, 75% sure",
        "warning    geometry: The depth is a draft.",
        "warning    rig: Two lines.",
        "warning    rig: More.",
    ]


@pytest.mark.parametrize(
    ("chosen", "is_given", "kind"),
    [
        ({"kind": "humanoid"}, False, "humanoid, as asked"),
        ({}, True, "humanoid, as the skeleton says"),
        ({"kind": "generic"}, True, "humanoid, as the skeleton says"),
    ],
)
def test_it_is_said_who_decided_the_kind(
    outcome: Outcome, capsys: pytest.CaptureFixture[str], chosen: dict[str, Any], is_given: bool, kind: str
) -> None:
    assert f"kind       {kind}" in said(outcome, capsys, is_given=is_given, **chosen)


def test_programs_get_one_path_a_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_files(tmp_path, ("a.fbx", "rig.json"))
    assert capsys.readouterr() == (f"{tmp_path / 'a.fbx'}\n{tmp_path / 'rig.json'}\n", "")
