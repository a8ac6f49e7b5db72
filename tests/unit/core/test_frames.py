# SPDX-License-Identifier: GPL-3.0-or-later
"""The two frames, and rolls as Blender has them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference_server.core.frames import from_blender, from_view, front_facing_rolls, to_blender, to_view
from inference_server.core.types import FrontView

POINTS = arrays(np.float32, (7, 3), elements=st.floats(-1e6, 1e6, width=32))
# Reads bones (head, tail, roll) in Blender's frame from standard input; prints each one's local Z axis in that frame.
AXES_IN_BLENDER = """
import json, os, sys
import bpy
bones = json.load(sys.stdin)
armature = bpy.data.armatures.new("a")
held = bpy.data.objects.new("a", armature)
bpy.context.scene.collection.objects.link(held)
bpy.context.view_layer.objects.active = held
bpy.ops.object.mode_set(mode="EDIT")
answer = []
for head, tail, roll in bones:
    bone = armature.edit_bones.new("b")
    bone.head, bone.tail, bone.roll = head, tail, roll
    answer.append(list(bone.z_axis))
print("ANSWER" + json.dumps(answer), flush=True)
os._exit(0)
"""


def test_blenders_axes() -> None:
    house = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)  # left, up, toward the viewer
    np.testing.assert_array_equal(to_blender(house), [[1, 0, 0], [0, 0, 1], [0, -1, 0]])


@given(POINTS)
def test_there_and_back_is_exact(points: np.ndarray) -> None:
    np.testing.assert_array_equal(from_blender(to_blender(points)), points)
    np.testing.assert_array_equal(to_blender(from_blender(points)), points)


@given(POINTS)
def test_the_conversion_is_a_rotation(points: np.ndarray) -> None:
    turned = to_blender(points)
    np.testing.assert_array_equal(np.sort(np.abs(turned), axis=1), np.sort(np.abs(points), axis=1))
    assert np.linalg.det(to_blender(np.eye(3))) == pytest.approx(1.0)


def test_the_shape_is_kept_and_the_result_contiguous() -> None:
    points = np.arange(24, dtype=np.float64).reshape(2, 4, 3)
    for convert in (to_blender, from_blender):
        assert convert(points).shape == (2, 4, 3)
        assert convert(points).dtype == np.float32
        assert convert(points).flags.c_contiguous


@pytest.mark.parametrize(
    ("direction", "roll"),
    [
        ((0, 1, 0), 0.0),  # a spine: Z already faces the front
        ((0, -1, 0), math.pi),  # a leg: half a turn
        ((1, 0, 0), math.pi / 2),  # the left arm
        ((-1, 0, 0), -math.pi / 2),  # the right arm
        ((0, 0, -1), 0.0),  # along Blender's +Y: Z is up
        ((0, 0, 1), 0.0),  # along Blender's -Y: Z is up
    ],
)
def test_known_rolls(direction: tuple[float, float, float], roll: float) -> None:
    found = front_facing_rolls(np.zeros((1, 3)), np.array([direction], dtype=float))[0]
    assert math.cos(found - roll) == pytest.approx(1.0, abs=1e-6)


def directions_of_many_kinds() -> np.ndarray:
    """Random unit vectors, the axes, and the neighbourhood of Blender's -Y, where its formula changes (house frame)."""
    rng = np.random.default_rng(5)
    anywhere = rng.normal(size=(200, 3))
    near_front = np.concatenate(
        [
            np.array([[math.cos(turn) * away, math.sin(turn) * away, 1.0]])
            for away in (0.0, 1e-5, 1e-4, 2e-4, 3e-4, 1e-3, 1e-2, 0.1, 0.3, 0.6)
            for turn in (0.1, 1.0, 2.5, 4.0, 5.5)
        ]
    )
    vectors = np.concatenate([anywhere, near_front, np.eye(3), -np.eye(3)])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_left_and_right_are_mirror_images() -> None:
    left = directions_of_many_kinds()
    right = left * np.array([-1, 1, 1], dtype=np.float32)
    heads = np.zeros_like(left)
    sums = front_facing_rolls(heads, left).astype(np.float64) + front_facing_rolls(heads, right)
    # Next to Blender's -Y both sides get the fixed axes, and with them the same small roll.
    fixed = np.hypot(left[:, 0], left[:, 1]) < 2.5e-4
    np.testing.assert_allclose(np.cos(sums[~fixed]), 1.0, atol=1e-6)
    np.testing.assert_allclose(sums[fixed], 0.0, atol=1e-3)


def test_length_and_place_do_not_count() -> None:
    directions = directions_of_many_kinds()[:50]
    heads = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    np.testing.assert_allclose(
        front_facing_rolls(heads, heads + 4 * directions),
        front_facing_rolls(np.zeros_like(heads), directions),
        atol=1e-5,
    )


@pytest.mark.blender
def test_blenders_own_axes_agree() -> None:
    """Local Z, as Blender computes it from our roll, is the front (or up) made perpendicular to the bone."""
    directions = directions_of_many_kinds()
    rolls = front_facing_rolls(np.zeros_like(directions), directions)
    along = to_blender(directions).astype(np.float64)
    bones = [[[0, 0, 0], axis.tolist(), float(roll)] for axis, roll in zip(along, rolls, strict=True)]
    program = os.environ.get("FIGURINE_BLENDER")
    started_by = [program, "-b", "--factory-startup", "--python-expr"] if program else [sys.executable, "-c"]
    done = subprocess.run(
        [*started_by, AXES_IN_BLENDER], input=json.dumps(bones), capture_output=True, text=True, timeout=120
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    assert answers, done.stderr
    found = np.array(json.loads(answers[0].removeprefix("ANSWER")))
    wanted = np.where(np.abs(along[:, 1:2]) > 0.9, [0.0, 0.0, 1.0], [0.0, -1.0, 0.0])
    wanted = wanted - (wanted * along).sum(axis=1, keepdims=True) * along
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    cosines = (found * wanted).sum(axis=1) / np.linalg.norm(found, axis=1)  # Blender's lengths are off by up to 2e-5
    np.testing.assert_allclose(cosines, 1.0, atol=1e-6)


@pytest.mark.parametrize(
    ("azimuth_deg", "elevation_deg", "seen"),
    [(0, 0, (0, 0, 1)), (90, 0, (-1, 0, 0)), (0, 90, (0, -1, 0)), (-90, 30, (1, 0, 0))],
)
def test_a_view_shows_the_front_where_it_says(azimuth_deg: float, elevation_deg: float, seen: tuple) -> None:
    view = FrontView(0.0, 0.0, 1.0, math.radians(azimuth_deg), math.radians(elevation_deg))
    np.testing.assert_allclose(to_view(np.array([0.0, 0.0, 1.0]), view), seen, atol=1e-6)


def test_from_view_undoes_to_view() -> None:
    view = FrontView(0.0, 0.0, 1.0, 0.6, 0.3)
    points = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_allclose(from_view(to_view(points, view), view), points, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(to_view(points, view), axis=1), np.linalg.norm(points, axis=1), rtol=1e-6)
