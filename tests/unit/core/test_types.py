# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary: frozen types, read-only C-contiguous arrays, shapes that are held."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from inference_server.core.types import (
    Mesh,
    NormalizedImage,
    Provenance,
    Skeleton,
    Skin,
    SourceImage,
    StageRecord,
    TexturedMesh,
)


def test_arrays_become_read_only_contiguous_and_of_the_declared_type() -> None:
    mesh = Mesh(np.zeros((3, 4), dtype=np.float64)[:, :3], [[0, 1, 2]])
    assert mesh.vertices.dtype == np.float32
    assert mesh.faces.dtype == np.int32
    for array in (mesh.vertices, mesh.faces):
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_a_writable_array_is_copied() -> None:
    pixels = np.zeros((2, 3, 4), dtype=np.uint8)
    image = SourceImage(pixels, "")
    pixels[:] = 255
    assert image.rgba.max() == 0
    assert pixels.flags.writeable


def test_a_read_only_array_is_shared() -> None:
    pixels = np.zeros((2, 3, 4), dtype=np.uint8)
    pixels.flags.writeable = False
    assert SourceImage(pixels, "").rgba is pixels


def test_fields_cannot_be_replaced(sphere: Mesh) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        sphere.vertices = np.zeros((1, 3))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: SourceImage(np.zeros((2, 2, 3)), ""), "SourceImage.rgba"),
        (lambda: SourceImage(np.zeros((2, 2)), ""), "SourceImage.rgba"),
        (lambda: NormalizedImage(np.zeros((2, 3, 4)), (), (), 0.5), "square"),
        (lambda: Mesh(np.zeros((3, 2)), [[0, 1, 2]]), "Mesh.vertices"),
        (lambda: Mesh(np.zeros((3, 3)), [[0, 1, 2, 2]]), "Mesh.faces"),
        (lambda: Skin(np.zeros((5, 3)), np.zeros((5, 3))), "Skin.indices"),
        (lambda: Skin(np.zeros((5, 4)), np.zeros((4, 4))), "Skin.weights"),
    ],
)
def test_a_wrong_shape_is_refused_by_name(build: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        build()  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 4, 5), (4, 8, 3)])
def test_a_texture_is_square_and_has_three_or_four_channels(sphere: Mesh, shape: tuple[int, ...]) -> None:
    uv = np.zeros((len(sphere.faces), 3, 2))
    with pytest.raises(ValueError, match="base_color"):
        TexturedMesh(sphere, uv, np.zeros(shape))


def test_texture_coordinates_belong_to_every_face_corner(sphere: Mesh) -> None:
    with pytest.raises(ValueError, match=r"TexturedMesh\.uv"):
        TexturedMesh(sphere, np.zeros((len(sphere.faces) - 1, 3, 2)), np.zeros((4, 4, 3)))


@pytest.mark.parametrize("field", ["roles", "parents", "heads", "tails", "rolls"])
def test_every_column_of_a_skeleton_has_a_row_for_each_bone(tiny_skeleton: Skeleton, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(tiny_skeleton, **{field: getattr(tiny_skeleton, field)[:-1]})


def test_provenance_is_json_without_anything_measured() -> None:
    record = StageRecord("rig", "draft", 1, 7, "key", 1.25, 123456, True, ("abc",), "no weights", ("a note",))
    document = Provenance("sha", "0.1.0", 7, (record,)).to_document()
    assert json.loads(json.dumps(document)) == document
    assert document["stages"] == [
        {"stage": "rig", "engine": "draft", "version": 1, "weight_digests": ["abc"], "fallback_reason": "no weights"}
    ]
