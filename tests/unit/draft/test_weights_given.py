# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights for given skeletons and imported meshes: tails that say nothing, parts, fine and broken meshes."""

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from models.draft.bone_segments import find_segments
from models.draft.gathering import MOST_POINTS
from models.draft.heat import Conduction, spread_heat
from models.draft.voxels import voxelise
from models.draft.weights import bind
from tests.unit.draft import shapes
from tests.unit.draft.test_weights import assert_valid, dense

STUB = np.float32([0, 0, 0.002])


def rod(length: float = 3.0, radius: float = 0.1, subdivisions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Along +x from 0."""
    shape = trimesh.creation.cylinder(radius, length, sections=16)
    shape.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [1, 0, 0]))
    shape.apply_translation([length / 2, 0, 0])
    for _ in range(subdivisions):
        shape = shape.subdivide()
    return np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32)


CHAIN = np.float32([[0, 0, 0], [1, 0, 0], [2, 0, 0]])
CHAIN_PARENTS = np.int32([-1, 0, 1])


def test_stub_tails_are_read_as_joints() -> None:
    vertices, faces = rod()
    ends = np.float32([[1, 0, 0], [2, 0, 0], [3, 0, 0]])
    drawn = dense(bind(vertices, faces, CHAIN, ends, CHAIN_PARENTS), 3)
    stubs = dense(bind(vertices, faces, CHAIN, CHAIN + STUB, CHAIN_PARENTS), 3)
    assert np.abs(drawn - stubs).sum(axis=1).mean() < 0.02
    for bone in range(3):
        middle = np.abs(vertices[:, 0] - bone - 0.5) < 0.2
        assert (stubs[middle, bone] > 0.95).all()


def test_tails_that_meet_the_children_are_obeyed() -> None:
    vertices, faces = rod()
    grid = voxelise(vertices, faces, 48)
    heads = np.float64([[0, 0, 0], [1, 0, 0], [1, 0, 0]])
    tails = np.float64([[1, 0, 0], [2.5, 0, 0], [1, 0.05, 0]])
    segments = find_segments(grid, heads, tails, np.array([-1, 0, 0]))
    assert segments.bones.tolist() == [0, 1, 2]
    assert np.array_equal(segments.starts, heads) and np.array_equal(segments.ends, tails)


def test_a_foot_that_hangs_on_the_root_continues_its_leg() -> None:
    parts = {"hip": ((-0.1, 1, 0), (0.1, 1, 0), 0.12), "L": ((0.1, 0, 0), (0.1, 1, 0), 0.07),
             "R": ((-0.1, 0, 0), (-0.1, 1, 0), 0.07)}  # fmt: skip
    vertices, faces = trimesh.remesh.subdivide_to_size(*shapes.body(parts), 0.15)
    heads = np.float32([[0, -0.3, 0.4], [0, 1, 0], [0.1, 0.9, 0], [-0.1, 0.9, 0], [0.1, 0.5, 0], [-0.1, 0.5, 0],
                        [0.1, 0.1, 0], [-0.1, 0.1, 0]])  # fmt: skip
    parents = np.int32([-1, 0, 1, 1, 2, 3, 0, 0])
    segments = find_segments(voxelise(vertices, faces, 64), heads.astype(float), (heads + STUB).astype(float), parents)
    for shin, foot in ((4, 6), (5, 7)):
        assert np.allclose(segments.ends[segments.bones == shin], heads[foot])
    root = segments.bones == 0
    assert np.array_equal(segments.starts[root], segments.ends[root])
    weights = dense(bind(vertices, faces, heads, heads + STUB, parents), 8)
    shins = (np.abs(vertices[:, 1] - 0.3) < 0.1) & (vertices[:, 0] > 0)
    assert shins.any() and (weights[shins, 4] > 0.9).all()


def test_a_helmet_follows_the_head_alone() -> None:
    body, body_faces = shapes.body({"trunk": ((0, 0, 0), (0, 1.0, 0), 0.2), "head": ((0, 1.2, 0), (0, 1.5, 0), 0.2)})
    dome = trimesh.creation.icosphere(subdivisions=3, radius=0.42)
    dome.apply_translation([0, 1.35, 0])
    vertices = np.concatenate([body, np.asarray(dome.vertices, np.float32)])
    faces = np.concatenate([body_faces, np.asarray(dome.faces, np.int32) + len(body)])
    heads, tails = np.float32([[0, 0, 0], [0, 1.1, 0]]), np.float32([[0, 1.1, 0], [0, 1.6, 0]])
    # so large a helmet is more than half of the surface without a wider body
    plate = trimesh.creation.box((2.0, 0.02, 2.0)).subdivide().subdivide()
    vertices = np.concatenate([vertices, np.asarray(plate.vertices, np.float32)])
    faces = np.concatenate([faces, np.asarray(plate.faces, np.int32) + len(body) + len(dome.vertices)])
    weights = dense(bind(vertices, faces, heads, tails, np.int32([-1, 0])), 2)
    helmet = weights[len(body) : len(body) + len(dome.vertices)]
    assert (helmet[:, 1] == 1).all()


def test_a_small_ring_on_a_joint_stays_stiff() -> None:
    vertices, faces = rod(2.0)
    ring = trimesh.creation.torus(0.12, 0.006, major_sections=16, minor_sections=8)
    ring.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [1, 0, 0]))
    ring.apply_translation([1.0, 0, 0])
    faces = np.concatenate([faces, np.asarray(ring.faces, np.int32) + len(vertices)])
    vertices = np.concatenate([vertices, np.asarray(ring.vertices, np.float32)])
    heads = np.float32([[0, 0, 0], [1, 0, 0]])
    weights = dense(bind(vertices, faces, heads, np.float32([[1, 0, 0], [2, 0, 0]]), np.int32([-1, 0])), 2)
    ring_weights = weights[-len(ring.vertices) :]
    assert np.abs(ring_weights - ring_weights[0]).max() < 1e-6
    assert 0.2 < ring_weights[0, 0] < 0.8


def test_weights_along_a_rod_never_rise_again() -> None:
    vertices, faces = rod(2.0)
    heads = np.float32([[0, 0, 0], [1, 0, 0]])
    weights = dense(bind(vertices, faces, heads, heads + np.float32([1, 0, 0]), np.int32([-1, 0])), 2)
    rings = np.unique(np.round(vertices[:, 0], 4))
    means = [weights[np.abs(vertices[:, 0] - ring) < 1e-3, 0].mean() for ring in rings]
    assert (np.diff(means) < 0.01).all()
    assert means[0] > 0.99 and means[-1] < 0.01


def test_a_fine_mesh_gets_the_weights_of_a_coarse_one() -> None:
    ends = np.float32([[1, 0, 0], [2, 0, 0], [3, 0, 0]])
    coarse, coarse_faces = rod(subdivisions=4)
    fine, fine_faces = rod(subdivisions=5)
    assert len(fine) > MOST_POINTS > len(coarse)
    wanted = dense(bind(coarse, coarse_faces, CHAIN, ends, CHAIN_PARENTS), 3)
    found = bind(fine, fine_faces, CHAIN, ends, CHAIN_PARENTS)
    assert_valid(found, fine, 3)
    rows = cKDTree(fine).query(coarse)[1]
    assert np.abs(dense(found, 3)[rows] - wanted).sum(axis=1).mean() < 0.05


def test_heat_reaches_every_point_and_is_a_partition() -> None:
    vertices, faces = rod(1.0, subdivisions=2)
    alone = np.concatenate([vertices, [[5, 5, 5]]]).astype(float)  # a point without faces
    distances = np.abs(alone[:, :1] - [[0.0, 0.5, 1.0]]).astype(np.float32)
    weights = spread_heat(Conduction.of(alone, faces), distances)
    assert (weights >= 0).all() and np.allclose(weights.sum(axis=1), 1)
    assert weights[-1].argmax() == 2 and weights[-1, 2] == pytest.approx(1)


BROKEN = {
    "one triangle": ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]),
    "faces without area": ([[0, 0, 0], [1, 0, 0], [0.5, 0, 0]], [[0, 1, 2], [0, 1, 1]]),
    "three faces on an edge": (
        [[0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.5, -1, 0], [0.5, 0, 1]],
        [[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 1, 4]],
    ),
    "unused vertices": ([[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]], [[0, 1, 2]]),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("far", [0.0, 20.0])
def test_a_broken_mesh_is_bound(name: str, far: float) -> None:
    vertices, faces = np.float32(BROKEN[name][0]), np.int32(BROKEN[name][1])
    heads = np.float32([[0.2, 0.1, 0], [0.4, 0.1, 0], [0.4, 0.1, 0]]) + np.float32(far)
    assert_valid(bind(vertices, faces, heads, heads + STUB, np.int32([-1, 0, 1])), vertices, 3)
