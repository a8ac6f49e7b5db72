# SPDX-License-Identifier: GPL-3.0-or-later
"""rig.json: written, read back, edited, broken."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_server.core.digest import digest
from inference_server.core.rig_document import (
    SCHEMA_PATH,
    read_skeleton,
    skeleton_from_document,
    skeleton_to_document,
)
from inference_server.core.types import Skeleton
from inference_server.errors import SkeletonInvalid

SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def document_of(skeleton: Skeleton) -> dict[str, Any]:
    bounds = (np.float32([-1, 0, -0.25]), np.float32([1, 2, 0.5]))
    return skeleton_to_document(skeleton, bounds, name="Ünä", seed=7, versions={"figurine": "0.1.0"})


@pytest.fixture
def document(tiny_skeleton: Skeleton) -> dict[str, Any]:
    return document_of(tiny_skeleton)


def test_it_is_in_blenders_frame(document: dict[str, Any], tiny_skeleton: Skeleton) -> None:
    assert document["bounding_box"] == {"min": [-1, -0.5, 0], "max": [1, 0.25, 2]}
    spine = document["bones"][1]
    x, y, z = tiny_skeleton.tails[1].tolist()
    assert spine["tail"] == [x, -z, y]
    assert (spine["name"], spine["parent"], spine["role"], spine["guessed"]) == ("spine", "hips", "spine", True)
    assert document["bones"][0]["parent"] is None


def test_it_fits_the_published_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document)))


@pytest.mark.parametrize("key", SCHEMA["required"])
def test_the_schema_misses_what_is_left_out(document: dict[str, Any], key: str) -> None:
    del document[key]
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_the_round_trip_is_exact(document: dict[str, Any], tiny_skeleton: Skeleton, tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    assert digest(read_skeleton(path)) == digest(tiny_skeleton)


@st.composite
def trees(draw: st.DrawFn) -> Skeleton:
    """Any tree of bones with random places."""
    count = draw(st.integers(1, 12))
    parents = [-1, *(draw(st.integers(0, bone - 1)) for bone in range(1, count))]
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    heads = rng.normal(size=(count, 3))
    return Skeleton(
        names=tuple(f"bone {bone} ü" for bone in range(count)),
        roles=("root", *["chain"] * (count - 1)),
        parents=np.array(parents),
        heads=heads,
        tails=heads + rng.normal(size=(count, 3)),
        rolls=rng.uniform(-3, 3, count),
        kind="generic",
        confidence=0.5,
    )


@given(trees(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_bones_may_stand_in_any_order(skeleton: Skeleton, shuffler: random.Random) -> None:
    document = json.loads(json.dumps(document_of(skeleton)))
    assert digest(skeleton_from_document(document)) == digest(skeleton)
    shuffler.shuffle(document["bones"])
    read = skeleton_from_document(document)
    assert sorted(read.names) == sorted(skeleton.names)
    for place, name in enumerate(read.names):
        original = skeleton.names.index(name)
        for field in ("heads", "tails", "rolls"):
            np.testing.assert_allclose(getattr(read, field)[place], getattr(skeleton, field)[original], atol=1e-6)
        parent, original_parent = read.parents[place], skeleton.parents[original]
        assert parent < place
        assert (parent == -1) == (original_parent == -1)
        assert parent == -1 or read.names[parent] == skeleton.names[original_parent]


def test_only_names_parents_and_places_are_needed() -> None:
    bones = [{"name": "b", "parent": "a", "head": [0, 0, 1], "tail": [0, 0, 2]}]
    bones += [{"name": "a", "parent": None, "head": [0, 0, 0], "tail": [0, 0, 1]}]
    skeleton = skeleton_from_document({"format": "figurine-rig", "version": 1, "bones": bones})
    assert skeleton.names == ("a", "b")
    assert skeleton.roles == ("chain", "chain")
    assert skeleton.kind == "generic"
    np.testing.assert_array_equal(skeleton.tails, [[0, 1, 0], [0, 2, 0]])


def test_a_long_chain_in_reverse_is_read() -> None:
    count = 20_000
    bones = [
        {"name": str(bone), "parent": str(bone - 1) if bone else None, "head": [0, 0, bone], "tail": [0, 0, bone + 9]}
        for bone in reversed(range(count))
    ]
    skeleton = skeleton_from_document({"format": "figurine-rig", "version": 1, "bones": bones})
    assert skeleton.names[:2] == ("0", "1")
    np.testing.assert_array_equal(skeleton.parents, np.arange(count) - 1)


def with_bone(index: int, **change: Any) -> Callable[[dict[str, Any]], None]:
    def damage(document: dict[str, Any]) -> None:
        document["bones"][index].update(change)

    return damage


def without(index: int, key: str) -> Callable[[dict[str, Any]], None]:
    def damage(document: dict[str, Any]) -> None:
        del document["bones"][index][key]

    return damage


def with_value(**change: Any) -> Callable[[dict[str, Any]], None]:
    def damage(document: dict[str, Any]) -> None:
        document.update(change)

    return damage


BAD = {
    "another format": with_value(format="other"),
    "another version": with_value(version=2),
    "no version": with_value(version=None),
    "no bones": with_value(bones=[]),
    "bones are null": with_value(bones=None),
    "bones are text": with_value(bones="hips"),
    "bones are an object": with_value(bones={"hips": 1}),
    "bones are numbers": with_value(bones=[1, 2]),
    "bones are lists": with_value(bones=[[], []]),
    "an unknown kind": with_value(kind="fish"),
    "a kind that is a list": with_value(kind=[]),
    "confidence of text": with_value(confidence="sure"),
    "confidence above 1": with_value(confidence=1.5),
    "confidence that is no number": with_value(confidence=float("nan")),
    "a circle": with_bone(1, parent="head"),
    "its own parent": with_bone(2, parent="leg.L"),
    "a circle of all": with_bone(0, parent="spine"),
    "a parent that is missing": with_bone(2, parent="pelvis"),
    "a parent that is a number": with_bone(2, parent=0),
    "a parent that is a list": with_bone(2, parent=["hips"]),
    "two roots": with_bone(2, parent=None),
    "one name twice": with_bone(2, name="leg.R"),
    "an empty name": with_bone(2, name=""),
    "an overlong name": with_bone(2, name="x" * 64),
    "half a character": with_bone(2, name="\ud800"),
    "a name that is a number": with_bone(2, name=5),
    "a name that is a list": with_bone(2, name=[]),
    "a role that is a number": with_bone(2, role=5),
    "NaN": with_bone(2, head=[0, float("nan"), 0]),
    "infinity": with_bone(2, tail=[0, float("inf"), 0]),
    "too far for single precision": with_bone(2, tail=[0, 1e39, 0]),
    "too far for double precision": with_bone(2, tail=[0, 10**400, 0]),
    "a bone without length": with_bone(2, head=[0, 0, 0], tail=[0, 0, 0]),
    "a head of text": with_bone(2, head=["0", "0", "0"]),
    "a head of two": with_bone(2, head=[0, 0]),
    "a head of six": with_bone(2, head=[0, 0, 0, 0, 0, 0]),
    "a head that is a number": with_bone(2, head=1),
    "a head of nothing": with_bone(2, head=None),
    "a head that is an object": with_bone(2, head={"x": 0, "y": 0, "z": 0}),
    "a head of lists": with_bone(2, head=[[0], [0], [0]]),
    "a head of booleans": with_bone(2, head=[True, False, True]),
    "a roll of text": with_bone(2, roll="0"),
    "a roll of nothing": with_bone(2, roll=None),
    "no name": without(2, "name"),
    "no parent": without(2, "parent"),
    "no head": without(2, "head"),
    "no tail": without(2, "tail"),
}


@pytest.mark.parametrize("damage", BAD.values(), ids=BAD.keys())
def test_what_is_no_skeleton_is_refused(document: dict[str, Any], damage: Callable[[dict[str, Any]], None]) -> None:
    broken = copy.deepcopy(document)
    damage(broken)
    with pytest.raises(SkeletonInvalid) as caught:
        skeleton_from_document(broken)
    assert caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (with_bone(2, parent="pelvis"), "the bone leg.L has the parent pelvis, and no bone has that name."),
        (with_bone(2, parent="y" * 5000), f"the bone leg.L has the parent {'y' * 80}…, and no bone has that name."),
        (with_bone(1, parent="head"), "the bone head descends from itself."),
        (with_bone(2, parent="leg.L"), "the bone leg.L descends from itself."),
    ],
    ids=["missing", "long", "circle", "itself"],
)
def test_a_wrong_parent_is_named_with_its_file(
    document: dict[str, Any], tmp_path: Path, damage: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    damage(document := copy.deepcopy(document))
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(SkeletonInvalid) as caught:
        read_skeleton(path)
    assert caught.value.message == f"{path} is no tree: {sentence}"


def test_a_name_that_occurs_twice_is_said_with_the_file(document: dict[str, Any]) -> None:
    document = copy.deepcopy(document)
    document["bones"][2]["name"] = document["bones"][3]["name"]
    with pytest.raises(SkeletonInvalid, match=r"of hand\.json occur twice"):
        skeleton_from_document(document, "hand.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"{", b"\xff\xfe\x00", b"[]", b"null", b'"rig"', b"[" * 200_000, b'{"a":' * 100_000],
)
def test_files_that_are_no_document(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rig.json"
    path.write_bytes(content)
    with pytest.raises(SkeletonInvalid):
        read_skeleton(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(17 << 20)
    for path, word in ((huge, "larger than 16 MiB"), (tmp_path, "cannot be read"), (tmp_path / "no", "No such file")):
        with pytest.raises(SkeletonInvalid, match=word):
            read_skeleton(path)


def test_a_byte_order_mark_is_no_obstacle(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rig.json"
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    assert read_skeleton(path).names[0] == "hips"


@settings(max_examples=80)
@given(data=st.data())
def test_any_json_in_any_place_is_read_or_refused(tiny_skeleton: Skeleton, data: st.DataObject) -> None:
    document = document_of(tiny_skeleton)
    value = data.draw(JSON)
    if data.draw(st.booleans()):
        document[data.draw(st.sampled_from(sorted(document)))] = value
    else:
        bone = data.draw(st.sampled_from(document["bones"]))
        bone[data.draw(st.sampled_from(sorted(bone)))] = value
    try:
        skeleton = skeleton_from_document(document)
    except SkeletonInvalid:
        return
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(document_of(skeleton))))
