# SPDX-License-Identifier: GPL-3.0-or-later
"""Each validator: nothing to say about good values, one sentence about each way to be bad."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference_server.core.types import Mesh, Rig, Skeleton, Skin, TexturedMesh
from inference_server.core.validate import (
    flatness_problems,
    mesh_problems,
    rig_problems,
    skeleton_problems,
    skin_problems,
    texture_problems,
)

TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)


def good_skin(count: int = 3) -> Skin:
    return Skin(np.tile([0, 1, 2, 0], (count, 1)), np.tile([0.5, 0.3, 0.2, 0.0], (count, 1)))


def changed(array: np.ndarray, place: Any, value: float) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


def test_good_meshes(sphere: Mesh, box: Mesh) -> None:
    for mesh in (sphere, box):
        assert mesh_problems(mesh) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vertices_that_are_no_numbers(sphere: Mesh, value: float) -> None:
    broken = replace(sphere, vertices=changed(sphere.vertices, (3, 1), value))
    assert mesh_problems(broken) == ["1 vertices of the mesh are not finite numbers."]


def test_a_mesh_without_faces() -> None:
    assert mesh_problems(Mesh(TRIANGLE, np.zeros((0, 3)))) == ["The mesh has no faces."]
    assert mesh_problems(Mesh(np.zeros((0, 3)), np.zeros((0, 3)))) == ["The mesh has no faces."]


@pytest.mark.parametrize("index", [-1, 162])
def test_faces_that_name_no_vertex(sphere: Mesh, index: int) -> None:
    assert "name vertices" in mesh_problems(replace(sphere, faces=changed(sphere.faces, (5, 2), index)))[0]


def test_one_triangle_is_no_body() -> None:
    assert "1 triangle with an area" in mesh_problems(Mesh(TRIANGLE, [[0, 1, 2]]))[0]
    flat = Mesh(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), [[0, 1, 2]] * 8)
    assert "0 triangles with an area" in mesh_problems(flat)[0]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_area_is_judged_relative_to_size(sphere: Mesh, scale: float) -> None:
    assert mesh_problems(replace(sphere, vertices=sphere.vertices * scale)) == []


def test_texture_coordinates(sphere: Mesh) -> None:
    uv = np.random.default_rng(0).random((len(sphere.faces), 3, 2))
    picture = np.zeros((4, 4, 3))
    assert texture_problems(TexturedMesh(sphere, uv, picture)) == []
    for value, word in ((np.nan, "finite"), (-0.01, "outside"), (1.01, "outside")):
        problems = texture_problems(TexturedMesh(sphere, changed(uv, (0, 0, 0), value), picture))
        assert len(problems) == 1
        assert word in problems[0]


def test_a_good_skeleton(tiny_skeleton: Skeleton) -> None:
    assert skeleton_problems(tiny_skeleton) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": ("hips", "spine", "leg.L", "leg.L", "head")}, "Bone names occur twice: leg.L."),
        ({"names": ("hips", "", "leg.L", "leg.R", "head")}, "A bone has no name."),
        ({"names": ("hips", "é" * 32, "leg.L", "leg.R", "head")}, f"Bone names are longer than 63 bytes: {'é' * 32}."),
        ({"parents": [-1, 0, 0, 0, 4]}, "A bone stands before its parent."),
        ({"parents": [-1, 4, 0, 0, 1]}, "A bone stands before its parent."),
        ({"parents": [-1, -2, 0, 0, 1]}, "A bone stands before its parent."),
        ({"parents": [-1, 0, -1, 0, 1]}, "The skeleton has 2 roots; it must have one."),
    ],
)
def test_a_skeleton_that_is_no_tree(tiny_skeleton: Skeleton, change: dict[str, Any], sentence: str) -> None:
    assert skeleton_problems(replace(tiny_skeleton, **change)) == [sentence]


def test_a_skeleton_without_a_root(tiny_skeleton: Skeleton) -> None:
    problems = skeleton_problems(replace(tiny_skeleton, parents=[1, 0, 0, 0, 1]))
    assert "The skeleton has 0 roots; it must have one." in problems


def test_a_skeleton_without_bones() -> None:
    empty = Skeleton((), (), np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), "none")
    assert skeleton_problems(empty) == ["The skeleton has no bones."]


@pytest.mark.parametrize("field", ["heads", "tails", "rolls"])
def test_bones_at_no_place(tiny_skeleton: Skeleton, field: str) -> None:
    broken = replace(tiny_skeleton, **{field: changed(getattr(tiny_skeleton, field), 2, np.nan)})
    assert skeleton_problems(broken) == ["Bone positions are not finite numbers."]


def test_a_bone_without_length(tiny_skeleton: Skeleton) -> None:
    short = replace(tiny_skeleton, tails=changed(tiny_skeleton.tails, 4, tiny_skeleton.heads[4]))
    assert skeleton_problems(short) == ["Bones have no length: head."]


def test_a_good_skin() -> None:
    assert skin_problems(good_skin(), vertex_count=3, bone_count=3) == []


@pytest.mark.parametrize(
    ("skin", "word"),
    [
        (good_skin(4), "4 rows for 3 vertices"),
        (replace(good_skin(), weights=changed(good_skin().weights, (0, 0), np.nan)), "not finite"),
        (replace(good_skin(), weights=changed(good_skin().weights, (0, 0), -0.5)), "negative"),
        (replace(good_skin(), weights=changed(good_skin().weights, (0, 0), 0.5001)), "1 vertices do not sum to 1"),
        (replace(good_skin(), weights=np.zeros((3, 4))), "3 vertices do not sum to 1"),
        (replace(good_skin(), indices=changed(good_skin().indices, (1, 1), 3)), "does not have"),
        (replace(good_skin(), indices=changed(good_skin().indices, (1, 1), -1)), "does not have"),
    ],
)
def test_a_bad_skin(skin: Skin, word: str) -> None:
    problems = skin_problems(skin, vertex_count=3, bone_count=3)
    assert len(problems) == 1
    assert word in problems[0]


def test_rounding_in_the_weights_is_allowed() -> None:
    nearly = replace(good_skin(), weights=good_skin().weights * np.float32(1 + 5e-6))
    assert skin_problems(nearly, vertex_count=3, bone_count=3) == []


def test_a_rig_has_the_problems_of_both(tiny_skeleton: Skeleton) -> None:
    assert rig_problems(Rig(tiny_skeleton, good_skin()), vertex_count=3) == []
    broken = Rig(replace(tiny_skeleton, parents=[-1, 0, -1, 0, 1]), good_skin(4))
    assert len(rig_problems(broken, vertex_count=3)) == 2


@pytest.mark.parametrize(("thickness", "is_told"), [(0.0, True), (5e-4, True), (5e-3, False)])
def test_a_sheet_is_told_however_it_stands(thickness: float, is_told: bool) -> None:
    box = np.array([[x, y, z] for x in (0, 1) for y in (0, 1.5) for z in (0, thickness)])
    turned = box @ np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]]) + [3, 0, -2]
    faces = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 2, 6], [1, 5, 7]]
    mesh = Mesh(np.vstack([turned, [[9.0, 9.0, 9.0]]]), faces)  # and a vertex of no face
    assert bool(flatness_problems(mesh)) is is_told
