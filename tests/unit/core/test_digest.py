# SPDX-License-Identifier: GPL-3.0-or-later
"""Equal content, equal digest; any other content, another digest."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_server.core.digest import digest
from inference_server.core.types import Mesh, StageRecord

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_is_a_function_of_the_content(value: object) -> None:
    first = digest(value)
    assert first == digest(value)
    assert first != digest([value])
    assert len(first) == 64


def test_values_that_look_alike_differ() -> None:
    values = [
        None,
        False,
        0,
        0.0,
        "0",
        "",
        b"",
        [],
        {},
        [0],
        [[0]],
        [0, 0],
        ["ab", "c"],
        ["a", "bc"],
        {"0": 0},
        np.array(0),
        np.array([0]),
        np.array([[0]]),
        np.array([0], dtype=np.float32),
        np.array([0], dtype=np.float64),
        np.zeros((2, 3)),
        np.zeros((3, 2)),
        np.zeros((0, 3)),
    ]
    for one, other in itertools.combinations(values, 2):
        assert digest(one) != digest(other), (one, other)


def test_arrays_count_by_content_not_by_memory_layout() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert digest(array) == digest(np.asfortranarray(array))
    assert digest(array) == digest(array.astype(">f4"))
    assert digest(array) != digest(array.T)
    changed = array.copy()
    changed[2, 3] += 1e-6 * changed[2, 3]
    assert digest(array) != digest(changed)


def test_the_order_of_a_mapping_does_not_count_that_of_a_sequence_does() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest([1, 2]) != digest([2, 1])
    assert digest([1, 2]) == digest((1, 2))


def test_measured_fields_do_not_count_and_others_do() -> None:
    record = StageRecord("rig", "draft", 1, 0, "key", seconds=1.0, peak_bytes=10, reused=False)
    measured_again = dataclasses.replace(record, seconds=2.0, peak_bytes=20, reused=True)
    assert digest(record) == digest(measured_again)
    assert digest(record) != digest(dataclasses.replace(record, seed=1))
    assert digest(record) != digest(dataclasses.replace(record, notes=("guessed",)))


def test_a_dataclass_counts_by_its_type_and_fields(sphere: Mesh, box: Mesh) -> None:
    assert digest(sphere) == digest(Mesh(sphere.vertices, sphere.faces))
    assert digest(sphere) != digest(box)
    assert digest(sphere) != digest([sphere.vertices, sphere.faces, None])


def test_a_path_counts_by_the_bytes_of_its_file(tmp_path: Path) -> None:
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a") != digest(tmp_path / "c")


@pytest.mark.parametrize("value", [object(), {1, 2}, [object()], {"a": {1}}, np.array([object()]), np.float32(1), 1j])
def test_anything_else_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        digest(value)


def test_half_a_character_has_a_digest() -> None:
    assert digest("\ud800") != digest("\ud801")
