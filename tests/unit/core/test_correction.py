# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of a correction: what is read, what is refused, and that it comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inference_server.core.correction import (
    AddLimb,
    MoveBone,
    RigCorrection,
    correction_from_document,
    read_correction,
    read_corrections,
    write_corrections,
)
from inference_server.errors import CorrectionInvalid

MOVE = {"edit": "move", "bone": "spine"}
ADD = {"edit": "add", "parent": "spine", "names": ["a"], "joints": [[0, 0, 0], [0, 0, 1.5]]}


def test_every_edit_is_read() -> None:
    document = {
        "edits": [
            {**MOVE, "head": [1, 2.5, 3], "roll": 0.5, "mirror": True},
            {"edit": "remove", "bone": "head"},
            ADD,
            {"edit": "rename", "bone": "spine", "name": "back", "role": "spine"},
        ],
        "bounding_box": {"min": [0, 0, 0], "max": [1, 1, 1]},
    }
    move, remove, add, rename = correction_from_document(document).edits
    assert move == MoveBone("move", "spine", head=(1, 2.5, 3), roll=0.5, mirror=True)
    assert add == AddLimb("add", "spine", ("a",), ((0, 0, 0), (0, 0, 1.5)))
    assert (remove.edit, remove.bone, remove.mirror) == ("remove", "head", False)
    assert (rename.edit, rename.bone) == ("rename", "spine")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    corrections = (
        correction_from_document({"edits": [{**MOVE, "tail": [0.1, 1 / 3, -2e-7]}, {**ADD, "mirror": True}]}),
        correction_from_document(
            {"skeleton": {"format": "figurine-rig"}, "bounding_box": {"min": [0] * 3, "max": [1] * 3}}
        ),
        RigCorrection(),
    )
    path = tmp_path / "corrections.json"
    path.write_bytes(write_corrections(corrections))
    assert read_corrections(path) == corrections


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "must be a JSON object"),
        (None, "must be a JSON object"),
        ({"edit": []}, "unknown member, 'edit'"),
        ({"edits": {}}, "must be a list of edits"),
        ({"skeleton": []}, "must be a rig.json"),
        ({"bounding_box": {"min": [0, 0, 0]}}, "lacks max"),
        ({"edits": ["remove"]}, "one of move, remove, add, rename"),
        ({"edits": [{"edit": "dance", "bone": "hips"}]}, "'dance'"),
        ({"edits": [{"edit": ["move"]}]}, "one of move"),
        ({"edits": [{"edit": "remove"}]}, "Edit 1 of the correction lacks bone"),
        ({"edits": [MOVE, {**MOVE, "to": [0, 0, 0]}]}, "Edit 2 of the correction has an unknown member, 'to'"),
        ({"edits": [{**MOVE, "bone": 3}]}, "must be text"),
        ({"edits": [{**MOVE, "head": [0, 1]}]}, "a list of 3 entries, each a number"),
        ({"edits": [{**MOVE, "head": [0, 1, "2"]}]}, "a list of 3 entries"),
        ({"edits": [{**MOVE, "head": [0, 1, float("nan")]}]}, "the number nan"),
        ({"edits": [{**MOVE, "head": [0, 1, float("inf")]}]}, "the number inf"),
        ({"edits": [{**MOVE, "tail": [0, 1, 10**400]}]}, "finite numbers"),
        ({"edits": [{**MOVE, "roll": True}]}, "must be a number"),
        ({"edits": [{**MOVE, "mirror": 1}]}, "must be true or false"),
        ({"edits": [{**ADD, "joints": [[0, 0, 0], [0, 0]]}]}, "a list of each a list of 3 entries"),
        ({"edits": [{"edit": "rename", "bone": "a", "name": "\ud800"}]}, "no text that can be stored"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_sentence(document: Any, words: str) -> None:
    with pytest.raises(CorrectionInvalid) as caught:
        correction_from_document(document)
    assert words in str(caught.value)
    assert caught.value.message and caught.value.hint


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "edits.json"
    path.write_bytes(content)
    with pytest.raises(CorrectionInvalid, match=r"edits\.json is not JSON"):
        read_correction(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorrectionInvalid, match="cannot be read"):
        read_correction(tmp_path / "edits.json")


def test_the_manuals_example_is_read() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/corrections.md").read_text(encoding="utf-8")
    example = json.loads(page.partition("```json\n")[2].partition("```")[0])
    assert [edit.edit for edit in correction_from_document(example).edits] == ["move", "remove", "add", "rename"]
