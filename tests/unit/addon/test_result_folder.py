# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished job's folder as the importer reads it, and what is told of where the figure comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blender_addon.errors import ImportFailed
from blender_addon.figure.provenance import facts_of
from blender_addon.figure.result_folder import read_result

RIG: dict[str, Any] = {
    "format": "figurine-rig",
    "version": 1,
    "kind": "generic",
    "bones": [
        {"name": "lid", "role": "chain", "parent": "root", "head": [0, 0, 0.5], "tail": [0, 0, 1], "guessed": True},
        {"name": "root", "parent": None, "head": [0, 0, 0], "tail": [0, 0, 0.5], "roll": 1},
    ],
}
REPORT: dict[str, Any] = {
    "figurine": "0.1.0",
    "blender": "5.0.1",
    "engine": "draft+neural",
    "input": {"name": "Bär.png", "sha256": "ab"},
    "settings": {"seed": 2**63},
    "kind": {"value": "humanoid"},
    "guessed": ["neck", "head"],
    "warnings": [{"stage": "rig", "sentence": "One."}, {"stage": "rig", "sentence": "Two."}],
    "stages": [
        {"stage": "rig", "engine": "draft", "version": 2, "seed": 5, "weight_digests": []},
        {"stage": "geometry", "engine": "neural", "version": 1, "seed": 5, "weight_digests": ["aa", "bb"]},
    ],
    "digests": {"mesh": "cc"},
}


def write(folder: Path, rig: Any = RIG, report: Any = REPORT) -> Path:
    (folder / "figure.fbx").touch()
    (folder / "rig.json").write_text(json.dumps(rig), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def changed(**fields: Any) -> dict[str, Any]:
    """RIG whose first bone has these fields."""
    return RIG | {"bones": [RIG["bones"][0] | fields, RIG["bones"][1]]}


def test_a_result_is_read(tmp_path: Path) -> None:
    result = read_result(write(tmp_path))
    assert result.fbx == tmp_path / "figure.fbx"
    assert result.kind == "generic"
    lid, root = result.bones
    assert (lid.name, lid.parent, lid.head, lid.tail, lid.roll, lid.is_guessed) == (
        "lid",
        "root",
        (0.0, 0.0, 0.5),
        (0.0, 0.0, 1.0),
        0.0,
        True,
    )
    assert (root.role, root.parent, root.roll, root.is_guessed) == ("chain", "", 1.0, False)


@pytest.mark.parametrize(("digests", "has_texture"), [({"texture": "x"}, True), ({"mesh": "x"}, False)])
def test_the_report_says_whether_there_is_a_texture(tmp_path: Path, digests: dict[str, str], has_texture: bool) -> None:
    assert read_result(write(tmp_path, report=REPORT | {"digests": digests})).has_texture is has_texture


def test_the_report_may_be_missing(tmp_path: Path) -> None:
    (write(tmp_path) / "report.json").unlink()
    result = read_result(tmp_path)
    assert (result.report, result.has_texture) == ({}, True)


@pytest.mark.parametrize(
    ("rig", "words"),
    [
        ([], "not a document"),
        ({}, "not a skeleton"),
        (RIG | {"version": 2}, "not a skeleton"),
        (RIG | {"bones": None}, "cannot be read"),
        (RIG | {"bones": []}, "one skeleton"),
        (RIG | {"bones": RIG["bones"] * 2}, "one skeleton"),
        (changed(name=""), "cannot be read"),
        (changed(name="x" * 64), "cannot be read"),
        (changed(name="root"), "one skeleton"),
        (changed(tail=[0, 0, 0.5]), "lid has no length"),
        (changed(tail=[0, 0, float("inf")]), "cannot be read"),
        (changed(head=[0, 0]), "cannot be read"),
        (changed(parent="lid"), "parent for lid"),
        (changed(parent="nobody"), "parent for lid"),
        (changed(parent=None), "one skeleton"),
    ],
)
def test_other_skeletons_are_refused_in_one_sentence(tmp_path: Path, rig: Any, words: str) -> None:
    with pytest.raises(ImportFailed, match=words) as caught:
        read_result(write(tmp_path, rig))
    assert "rig.json" in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("report", [[], {"a": 1}, "text"])
def test_other_reports_are_refused(tmp_path: Path, report: Any) -> None:
    with pytest.raises(ImportFailed, match=r"report\.json"):
        read_result(write(tmp_path, report=report))


def test_facts_are_short_texts() -> None:
    facts = facts_of(REPORT, {"job": "7", "server": ""})
    assert facts == {
        "figurine_version": "0.1.0",
        "figurine_blender": "5.0.1",
        "figurine_engine": "draft+neural",
        "figurine_seed": str(2**63),
        "figurine_kind": "humanoid",
        "figurine_input": "Bär.png",
        "figurine_input_sha256": "ab",
        "figurine_stage_rig": "draft, version 2, seed 5",
        "figurine_stage_geometry": "neural, version 1, seed 5, weights aa, weights bb",
        "figurine_digest_mesh": "cc",
        "figurine_guessed": "neck, head",
        "figurine_warnings": "One.\nTwo.",
        "figurine_job": "7",
    }


def test_without_a_report_the_job_is_still_told() -> None:
    assert facts_of({}, {"job": "7"}) == {"figurine_job": "7"}
