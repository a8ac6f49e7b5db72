# SPDX-License-Identifier: GPL-3.0-or-later
"""What weights are made of: heat against its closed form, ways through the body, fine surfaces made coarse."""

import numpy as np
import pytest
import trimesh

from models.draft import gathering
from models.draft.bone_segments import drawn_segments
from models.draft.gathering import gather
from models.draft.heat import CONDUCTION, Conduction, spread_heat
from models.draft.voxel_binding import UNREACHED, measure_distances
from models.draft.voxels import voxelise
from models.draft.weights import bind
from tests.unit.draft import shapes
from tests.unit.draft.test_weights import assert_valid, dense


def strip(step: float) -> tuple[np.ndarray, np.ndarray]:
    """A flat ribbon along x from -0.5 to 0.5, of right triangles."""
    count = round(1 / step)
    points = np.array([[column * step - 0.5, row * step, 0.0] for row in range(3) for column in range(count + 1)])
    corner = np.array([row * (count + 1) + column for row in range(2) for column in range(count)])
    above = corner + count + 1
    faces = np.concatenate([np.stack([corner, corner + 1, above + 1], 1), np.stack([corner, above + 1, above], 1)])
    return points, faces


def test_heat_falls_off_across_a_joint_as_its_equation_says() -> None:
    points, faces = strip(0.01)
    reach = 0.1
    side = np.where(
        np.abs(points[:, :1]) < 1e-9, [[reach, reach]], np.where(points[:, :1] < 0, [[reach, 1]], [[1, reach]])
    )
    weights = spread_heat(Conduction.of(points, faces), side.astype(np.float32))
    fall = 0.5 * np.exp(-np.sqrt(CONDUCTION) / reach * np.abs(points[:, 0]))  # -w'' + CONDUCTION / reach² (w - p) = 0
    wanted = np.where(points[:, 0] < 0, 1 - fall, fall)
    assert np.abs(weights[:, 0] - wanted).max() < 0.01
    assert np.allclose(weights.sum(axis=1), 1)


def test_only_ways_that_cannot_be_the_nearest_are_left_out() -> None:
    vertices, faces = shapes.body(shapes.HUMANOID)
    grid = voxelise(vertices, faces, 48)
    ends = np.array([part[:2] for part in shapes.HUMANOID.values()], float)
    ends = np.concatenate([ends, [[[0.5, 0.2, 0], [0.5, 0.6, 0]]]])  # beside the legs, in the air
    segments = drawn_segments(ends[:, 0], ends[:, 1])
    points = vertices.astype(float)
    quick = measure_distances(grid, points, segments, np.ones(len(points)))
    slow = measure_distances(grid, points, segments, np.full(len(points), 1e3))
    was_measured = quick.through < UNREACHED
    assert 0.05 < was_measured.mean() < 0.7
    assert np.array_equal(quick.through[was_measured], slow.through[was_measured])
    nearest = slow.through.min(axis=1)
    assert np.array_equal(quick.through.min(axis=1), nearest)
    assert (slow.through > nearest[:, None])[~was_measured].all()
    assert quick.is_inside.tolist() == [True] * len(shapes.HUMANOID) + [False]


def test_the_way_round_a_bend_is_longer_than_the_straight_one() -> None:
    parts = {"L": ((-0.2, 0, 0), (-0.2, 1, 0), 0.06), "top": ((-0.2, 1, 0), (0.2, 1, 0), 0.06),
             "R": ((0.2, 0, 0), (0.2, 1, 0), 0.06)}  # fmt: skip
    vertices, faces = shapes.body(parts)
    segments = drawn_segments(np.array([[-0.2, 0, 0.0]]), np.array([[-0.2, 0.1, 0.0]]))
    foot = np.array([[0.2, 0.0, 0.0]])
    found = measure_distances(voxelise(vertices, faces, 64), foot, segments, np.full(1, 1.0))
    assert found.gaps[0] == pytest.approx(0.4, abs=1e-6)
    assert found.through[0, 0] == pytest.approx(0.9 + 0.4 + 1.0, rel=0.1)


def fine(monkeypatch: pytest.MonkeyPatch, most: int, gathered: int) -> None:
    monkeypatch.setattr(gathering, "MOST_POINTS", most)
    monkeypatch.setattr(gathering, "GATHERED_POINTS", gathered)


def test_a_gathered_surface_is_coarser_and_still_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    fine(monkeypatch, 1_000, 500)
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    points, faces = np.asarray(ball.vertices, float), np.asarray(ball.faces, np.int64)
    found = gather(points, faces)
    assert 300 < len(found.points) < 2_000 < len(points)
    coarse = trimesh.Trimesh(found.points, found.faces, process=False)
    assert coarse.volume == pytest.approx(ball.volume, rel=0.05)
    assert found.parts.areas.sum() == pytest.approx(ball.area)
    assert np.linalg.norm(found.points[found.group] - points, axis=1).max() < 0.2


def test_a_wire_thinner_than_what_is_gathered_keeps_its_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    fine(monkeypatch, 1_000, 300)
    wire = trimesh.creation.cylinder(0.002, 1.0, sections=8)
    plate = trimesh.creation.box((1.0, 0.02, 1.0))
    both = trimesh.util.concatenate([wire, plate])
    for _ in range(5):
        both = both.subdivide()
    both.merge_vertices()
    points, faces = np.asarray(both.vertices, float), np.asarray(both.faces, np.int64)
    found = gather(points, faces)
    own = found.parts.labels[found.group[np.abs(points[:, 1]) > 0.0099].min()]
    on_wire = found.faces[(np.abs(found.points[found.faces]) < 0.01)[:, :, :2].all(axis=(1, 2))]
    assert len(found.points) < len(points) / 2 and own >= 0
    assert len(on_wire) > 20


def test_carried_back_weights_keep_to_their_part_and_sum_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fine(monkeypatch, 1_000, 400)
    shells = [trimesh.creation.icosphere(subdivisions=4, radius=radius) for radius in (0.5, 0.49)]
    both = trimesh.util.concatenate(shells)  # one inside the other, nearer than what is gathered
    points, faces = np.asarray(both.vertices, float), np.asarray(both.faces, np.int64)
    found = gather(points, faces)
    weights = np.eye(2)[found.parts.labels]
    way_back = found.find_way_back(points, faces)
    assert way_back is not None
    carried = way_back.carry(weights)
    outer = np.arange(len(points)) < len(shells[0].vertices)
    assert np.allclose(carried[outer], carried[0]) and np.allclose(carried[~outer], carried[-1])
    assert not np.allclose(carried[0], carried[-1]) and np.allclose(carried.sum(axis=1), 1)


def cloud(kind: str) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(7)
    corners = draw.random((4_000, 1, 3)) + draw.normal(0, 0.02, (4_000, 3, 3))
    if kind == "shared corners":
        return draw.random((2_000, 3)).astype(np.float32), draw.integers(0, 2_000, (4_000, 3)).astype(np.int32)
    if kind == "large":
        corners = draw.random((4_000, 3, 3))
    if kind == "cubes":
        box = trimesh.creation.box((0.02, 0.02, 0.02))
        corners = box.vertices[box.faces] + draw.random((300, 1, 1, 3))
    corners = corners.reshape(-1, 3).astype(np.float32)
    return corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3)


@pytest.mark.parametrize("kind", ["small", "large", "shared corners", "cubes"])
def test_a_cloud_of_triangles_is_bound_to_what_is_near(kind: str) -> None:
    vertices, faces = cloud(kind)
    heads = np.float32([[0.5, 0.0, 0.5], [0.5, 0.5, 0.5]])
    binding = bind(vertices, faces, heads, heads + np.float32([0, 0.5, 0]), np.int32([-1, 0]))
    assert_valid(binding, vertices, 2)
    weights = dense(binding, 2)
    assert weights[vertices[:, 1] < 0.2, 0].mean() > 0.55 and weights[vertices[:, 1] > 0.8, 1].mean() > 0.55


def test_a_hundred_and_twenty_bones_are_bound() -> None:
    vertices, faces = trimesh.remesh.subdivide_to_size(*shapes.body({"a": ((0, 0, 0), (0, 1, 0), 0.1)}), 0.1)
    heads = np.zeros((120, 3), np.float32)
    heads[:, 1] = np.linspace(0, 1, 120)
    binding = bind(vertices, faces, heads, heads + np.float32([0, 1 / 119, 0]), np.arange(-1, 119, dtype=np.int32))
    assert_valid(binding, vertices, 120)
    followed = (dense(binding, 120) * np.arange(120)).sum(axis=1) / 119
    is_shaft = (vertices[:, 1] > 0.1) & (vertices[:, 1] < 0.9)
    assert is_shaft.any() and np.abs(followed - vertices[:, 1])[is_shaft].max() < 0.1


def test_controls_in_the_air_hide_no_bone_inside() -> None:
    body = {"a": ((0, 0, 0), (0, 1, 0), 0.08), "x": ((-0.4, -0.3, 0), (0.4, -0.3, 0), 0.05),
            "z": ((0, -0.3, -0.4), (0, -0.3, 0.4), 0.05)}  # fmt: skip
    vertices, faces = shapes.body(body)
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    starts = np.zeros((25, 3))
    starts[1:, 0], starts[1:, 2] = 0.3 * np.cos(around), 0.3 * np.sin(around)
    segments = drawn_segments(starts, starts + np.array([0.0, 1.0, 0.0]))
    turn = np.linspace(0, 2 * np.pi, 30)
    points = np.stack([0.08 * np.cos(turn), np.full(30, 0.5), 0.08 * np.sin(turn)], axis=1)
    found = measure_distances(voxelise(vertices, faces, 64), points, segments, np.ones(30))
    assert found.is_inside.tolist() == [True] + [False] * 24
    assert (found.through.argmin(axis=1) == 0).all()
