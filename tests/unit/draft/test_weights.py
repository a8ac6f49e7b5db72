# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin weights: what must hold of every binding, and that distances run through the body, not through the air."""

import numpy as np
import pytest
import trimesh

from models.draft.skeleton import estimate_skeleton
from models.draft.weights import Binding, bind
from tests.unit.draft import shapes


def dense(binding: Binding, bones: int) -> np.ndarray:
    weights = np.zeros((len(binding.indices), bones))
    np.add.at(weights, (np.arange(len(weights))[:, None], binding.indices), binding.weights)
    return weights


def assert_valid(binding: Binding, vertices: np.ndarray, bones: int) -> None:
    assert binding.indices.shape == binding.weights.shape == (len(vertices), 4)
    assert binding.indices.dtype == np.int32 and binding.weights.dtype == np.float32
    assert np.isfinite(binding.weights).all() and (binding.weights >= 0).all()
    assert np.abs(binding.weights.sum(1, dtype=float) - 1).max() <= 1e-6
    assert (binding.indices >= 0).all() and (binding.indices < bones).all()
    assert (binding.indices[binding.weights == 0] == 0).all()


def assert_every_bone_moves_some_and_not_all(weights: np.ndarray, parents: np.ndarray) -> None:
    moved = weights.copy()
    for bone in range(len(parents) - 1, 0, -1):
        moved[:, parents[bone]] += moved[:, bone]
    assert (weights.max(axis=0) > 0.05).all()
    assert (moved[:, 1:].min(axis=0) == 0).all()


@pytest.mark.parametrize("parts", [shapes.HUMANOID, shapes.QUADRUPED], ids=["humanoid", "quadruped"])
@pytest.mark.parametrize("kind", ["humanoid", "quadruped", "generic"])
def test_every_bone_of_an_estimated_skeleton_moves_some_vertices_and_not_all(parts, kind):
    vertices, faces = shapes.body(parts)
    skeleton = estimate_skeleton(vertices, faces, kind)
    binding = bind(vertices, faces, skeleton.heads, skeleton.tails, skeleton.parents)
    assert_valid(binding, vertices, len(skeleton.names))
    assert_every_bone_moves_some_and_not_all(dense(binding, len(skeleton.names)), skeleton.parents)


@pytest.mark.parametrize("kind", ["humanoid", "quadruped", "generic"])
def test_bones_guessed_into_a_ball_move_some_vertices_and_not_all(kind):
    ball = trimesh.creation.icosphere(subdivisions=3)
    vertices, faces = np.asarray(ball.vertices, np.float32), np.asarray(ball.faces, np.int32)
    skeleton = estimate_skeleton(vertices, faces, kind)
    binding = bind(vertices, faces, skeleton.heads, skeleton.tails, skeleton.parents)
    assert_valid(binding, vertices, len(skeleton.names))
    assert_every_bone_moves_some_and_not_all(dense(binding, len(skeleton.names)), skeleton.parents)


def test_each_half_of_a_rod_follows_its_bone_and_the_joint_blends():
    rod = trimesh.creation.cylinder(0.1, 2.0, sections=24).subdivide().subdivide().subdivide()
    vertices, faces = np.asarray(rod.vertices, np.float32), np.asarray(rod.faces, np.int32)
    joints = np.float32([[0, 0, -1], [0, 0, 0], [0, 0, 1]])
    weights = dense(bind(vertices, faces, joints[:2], joints[1:]), 2)
    assert (weights[vertices[:, 2] < -0.4, 0] > 0.95).all()
    assert (weights[vertices[:, 2] > 0.4, 1] > 0.95).all()
    middle = weights[np.abs(vertices[:, 2]) < 0.02]
    assert len(middle) and (np.abs(middle - 0.5) < 0.15).all()


def test_neighbouring_legs_do_not_pull_at_each_other():
    parts = {"hip": ((-0.1, 1, 0), (0.1, 1, 0), 0.1), "L": ((0.09, 0, 0), (0.09, 1, 0), 0.07),
             "R": ((-0.09, 0, 0), (-0.09, 1, 0), 0.07)}  # fmt: skip
    vertices, faces = shapes.body(parts)
    heads, tails = (
        np.float32([[0, 1, 0], [0.09, 0.9, 0], [-0.09, 0.9, 0]]),
        np.float32([[0, 1.1, 0], [0.09, 0, 0], [-0.09, 0, 0]]),
    )
    weights = dense(bind(vertices, faces, heads, tails), 3)
    inner_left = (vertices[:, 1] < 0.2) & (vertices[:, 0] > 0) & (vertices[:, 0] < 0.05)
    assert inner_left.any() and (weights[inner_left, 2] < 0.02).all() and (weights[inner_left, 1] > 0.9).all()


def test_vertices_in_one_place_are_bound_alike():
    box = trimesh.creation.capsule(height=1.0, radius=0.2)
    vertices = np.asarray(box.vertices, np.float32)[box.faces].reshape(-1, 3)  # every face has its own corners
    faces = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
    binding = bind(vertices, faces, np.float32([[0, 0, 0], [0, 0, 0.5]]), np.float32([[0, 0, 0.5], [0, 0, 1]]))
    assert_valid(binding, vertices, 2)
    _, of_place = np.unique(vertices, axis=0, return_inverse=True)
    for place in np.unique(of_place):
        same = np.flatnonzero(of_place.ravel() == place)
        assert (binding.weights[same] == binding.weights[same[0]]).all()
        assert (binding.indices[same] == binding.indices[same[0]]).all()


def test_islands_open_edges_and_bones_outside_are_bound_too():
    vertices, faces = shapes.body({"a": ((0, 0, 0), (0, 1, 0), 0.1), "b": ((1, 0, 0), (1, 1, 0), 0.1)})
    faces = faces[::2]  # every other face gone: open everywhere
    heads = np.float32([[0, 0, 0], [1, 0, 0], [0.5, 5, 0]])
    binding = bind(vertices, faces, heads, heads + np.float32([0, 1, 0]))
    assert_valid(binding, vertices, 3)
    weights = dense(binding, 3)
    assert (weights[vertices[:, 0] < 0.5, 0] > 0.9).all() and (weights[vertices[:, 0] > 0.5, 1] > 0.9).all()


def test_one_bone_takes_everything():
    vertices, faces = shapes.body({"a": ((0, 0, 0), (0, 1, 0), 0.1)})
    binding = bind(vertices, faces, np.float32([[0, 0, 0]]), np.float32([[0, 1, 0]]))
    assert_valid(binding, vertices, 1)
    assert (binding.weights[:, 0] == 1).all()


def test_bones_in_one_place_share_what_is_near_them():
    vertices, faces = shapes.body({"a": ((0, 0, 0), (0, 1, 0), 0.1)})
    heads, tails = np.float32([[0, 0, 0]] + [[0, 0.5, 0]] * 6), np.float32([[0, 0.2, 0]] + [[0, 1, 0]] * 6)
    binding = bind(vertices, faces, heads, tails)
    assert_valid(binding, vertices, 7)
    assert (dense(binding, 7).max(axis=0) > 0.05).all()


def test_bones_crowded_beside_the_root_all_own_something():
    vertices, faces = shapes.body({"a": ((0, 0, 0), (0, 1, 0), 0.1)})
    heads = np.float32([[0, 0.5 + 0.001 * k, 0] for k in range(12)])
    binding = bind(vertices, faces, heads, heads + np.float32([0, 0.001, 0]))
    assert_valid(binding, vertices, 12)
    assert_every_bone_moves_some_and_not_all(dense(binding, 12), np.arange(12) - 1)


def test_the_same_input_gives_the_same_bits():
    vertices, faces = shapes.body(shapes.HUMANOID)
    heads = np.float32([[0, 1, 0], [0.2, 1.4, 0]])
    first, second = (bind(vertices, faces, heads, heads + np.float32([0.3, 0, 0])) for _ in range(2))
    assert first.weights.tobytes() == second.weights.tobytes() and first.indices.tobytes() == second.indices.tobytes()
