# SPDX-License-Identifier: GPL-3.0-or-later
"""Final size, feet on the ground, origin between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference_server.core.assemble import stand_on_ground
from inference_server.core.frames import front_facing_rolls, to_view, turned
from inference_server.core.types import FrontView, Mesh, Rig, Skeleton, Skin, TexturedMesh


def textured(mesh: Mesh) -> TexturedMesh:
    return TexturedMesh(mesh, np.zeros((len(mesh.faces), 3, 2)), np.zeros((4, 4, 3)))


def rigged(skeleton: Skeleton, mesh: Mesh) -> Rig:
    count = len(mesh.vertices)
    return Rig(skeleton, Skin(np.tile([0, 1, 0, 0], (count, 1)), np.tile([0.25, 0.75, 0, 0], (count, 1))))


def size_of(mesh: Mesh) -> np.ndarray:
    return np.ptp(mesh.vertices, axis=0)


@pytest.mark.parametrize(("height_m", "expected"), [(None, 1.7), (0.3, 0.3), (25.0, 25.0)])
def test_a_humanoid_gets_its_height(
    box: Mesh, tiny_skeleton: Skeleton, height_m: float | None, expected: float
) -> None:
    stood, _ = stand_on_ground(textured(box), rigged(tiny_skeleton, box), height_m)
    assert size_of(stood.mesh)[1] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(size_of(stood.mesh) / size_of(box), expected / 2.0, rtol=1e-4)


@pytest.mark.parametrize("kind", ["quadruped", "bird", "generic", "none"])
@pytest.mark.parametrize(("height_m", "expected"), [(None, 1.0), (3.0, 3.0)])
def test_anything_else_gets_its_largest_side(
    tiny_skeleton: Skeleton, kind: str, height_m: float | None, expected: float
) -> None:
    corners = np.array([[x, y, z] for x in (0, 5) for y in (0, 1) for z in (0, 2)], dtype=np.float32)
    long = Mesh(corners, [[0, 1, 2], [3, 4, 5], [5, 6, 7], [0, 4, 6]])
    skeleton = replace(tiny_skeleton, kind=kind)
    stood, _ = stand_on_ground(textured(long), rigged(skeleton, long), height_m)
    assert size_of(stood.mesh).max() == pytest.approx(expected, rel=1e-5)
    assert size_of(stood.mesh)[0] == size_of(stood.mesh).max()


def test_a_humanoids_origin_is_between_its_feet(box: Mesh, tiny_skeleton: Skeleton) -> None:
    apart = np.array([0.3, 0.1, -0.2], dtype=np.float32)
    skeleton = replace(tiny_skeleton, heads=tiny_skeleton.heads + apart, tails=tiny_skeleton.tails + apart)
    stood, rig = stand_on_ground(textured(box), rigged(skeleton, box), None)
    assert stood.mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=1e-6)
    feet = [skeleton.roles.index(role) for role in ("leftFoot", "rightFoot")]
    np.testing.assert_allclose(rig.skeleton.heads[feet].mean(axis=0)[[0, 2]], 0.0, atol=1e-6)


def test_other_bodies_stand_on_their_middle(box: Mesh, tiny_skeleton: Skeleton) -> None:
    stood, _ = stand_on_ground(textured(box), rigged(replace(tiny_skeleton, kind="generic"), box), None)
    low, high = stood.mesh.vertices.min(axis=0), stood.mesh.vertices.max(axis=0)
    np.testing.assert_allclose([low[0] + high[0], low[1], low[2] + high[2]], 0.0, atol=1e-6)


def test_picture_skeleton_and_mesh_move_as_one(box: Mesh, tiny_skeleton: Skeleton) -> None:
    mesh = replace(box, front_view=FrontView(center_x_m=1.3, center_y_m=2.9, side_m=2.5))
    before = rigged(tiny_skeleton, mesh)
    stood, rig = stand_on_ground(textured(mesh), before, 1.0)
    view = stood.mesh.front_view
    assert view is not None
    # Where each lies on the picture stays where it was.
    in_picture = (mesh.vertices[:, :2] - [1.3, 2.9]) / 2.5
    np.testing.assert_allclose(
        (stood.mesh.vertices[:, :2] - [view.center_x_m, view.center_y_m]) / view.side_m, in_picture, atol=1e-6
    )
    for end in ("heads", "tails"):
        place = (getattr(before.skeleton, end)[:, :2] - [1.3, 2.9]) / 2.5
        moved = (getattr(rig.skeleton, end)[:, :2] - [view.center_x_m, view.center_y_m]) / view.side_m
        np.testing.assert_allclose(moved, place, atol=1e-6)


@pytest.mark.parametrize("turn_rad", [np.pi / 2, -0.6])
def test_a_body_seen_from_the_side_is_turned_with_its_skeleton_and_keeps_its_picture(
    box: Mesh, tiny_skeleton: Skeleton, turn_rad: float
) -> None:
    mesh = replace(box, front_view=FrontView(center_x_m=1.3, center_y_m=2.9, side_m=2.5))
    skeleton = replace(tiny_skeleton, kind="quadruped", turn_rad=turn_rad)
    stood, rig = stand_on_ground(textured(mesh), rigged(skeleton, mesh), 1.0)
    assert rig.skeleton.turn_rad == 0.0
    scale = 1.0 / float(size_of(Mesh(turned(mesh.vertices, turn_rad), mesh.faces)).max())
    for before, after in ((mesh.vertices, stood.mesh.vertices), (skeleton.tails, rig.skeleton.tails)):
        moved = turned(before, turn_rad) * scale
        np.testing.assert_allclose(after - moved, np.broadcast_to((after - moved)[:1], after.shape), atol=1e-5)
    np.testing.assert_allclose(
        rig.skeleton.heads - rig.skeleton.tails, scale * turned(skeleton.heads - skeleton.tails, turn_rad), atol=1e-5
    )
    rolls = front_facing_rolls(rig.skeleton.heads, rig.skeleton.tails)
    np.testing.assert_allclose(rig.skeleton.rolls, rolls, atol=1e-5)
    view = stood.mesh.front_view
    assert view is not None and view.azimuth_rad == turn_rad
    seen = to_view(stood.mesh.vertices, view)[:, :2]
    np.testing.assert_allclose(
        (seen - [view.center_x_m, view.center_y_m]) / view.side_m, (mesh.vertices[:, :2] - [1.3, 2.9]) / 2.5, atol=1e-5
    )


def test_a_quarter_turn_brings_what_faced_plus_x_to_the_front() -> None:
    np.testing.assert_allclose(turned(np.array([[1.0, 2.0, 0.0]]), -np.pi / 2), [[0.0, 2.0, 1.0]], atol=1e-7)


def test_an_oblique_picture_stays_where_it_was(box: Mesh, tiny_skeleton: Skeleton) -> None:
    mesh = replace(box, front_view=FrontView(0.4, 0.7, 2.5, azimuth_rad=0.6, elevation_rad=0.3))
    stood, _ = stand_on_ground(textured(mesh), rigged(replace(tiny_skeleton, kind="generic"), mesh), 1.0)
    places = [
        (to_view(figure.vertices, view)[:, :2] - [view.center_x_m, view.center_y_m]) / view.side_m
        for figure in (mesh, stood.mesh)
        if (view := figure.front_view) is not None
    ]
    np.testing.assert_allclose(*places, atol=1e-6)


def test_all_else_is_untouched(box: Mesh, tiny_skeleton: Skeleton) -> None:
    figure, rig = textured(box), rigged(tiny_skeleton, box)
    stood, stood_rig = stand_on_ground(figure, rig, None)
    assert stood.mesh.faces is box.faces
    assert stood.mesh.front_view is None
    assert stood.uv is figure.uv
    assert stood.base_color is figure.base_color
    assert stood_rig.skin is rig.skin
    np.testing.assert_array_equal(stood_rig.skeleton.rolls, tiny_skeleton.rolls)
    assert stood_rig.skeleton.names == tiny_skeleton.names
