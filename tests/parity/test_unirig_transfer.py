# SPDX-License-Identifier: GPL-3.0-or-later
"""What is around UniRig's skin network: the voxel prior, the way back to the vertices, the metrics, the whole path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array

from models.unirig import metrics, postprocess, voxel_prior
from models.unirig.depth_slabs import depth_slabs
from models.unirig.postprocess import (
    Bones,
    SampledSkin,
    TransferConfig,
    flow_along_edges,
    keep_strongest,
    lend_to_idle,
    transfer_skin,
)
from models.unirig.preprocess import fit_box
from models.unirig.skinning import SkinSettings, bring_back, predict_skin
from models.unirig.voxel_prior import PriorConfig, estimate_prior, solid_voxels
from tests.parity.unirig_skin_own import (
    GRID,
    OWN_TRANSFER,
    OWN_VECTORS,
    PARENTS,
    own_joints,
    own_mesh,
    own_network,
    own_samples,
)

PRIOR_ATOL = 1e-6
TRANSFER_ATOL = 1e-5
SMALL = SkinSettings(points=300, prior=PriorConfig(grid=24))


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "unirig"


@pytest.mark.shared
@pytest.mark.parametrize("grid", [24, 48])
def test_voxels_and_prior_are_those_of_the_reference(golden: Path, grid: int) -> None:
    vectors = np.load(golden / "preprocess_voxel.npz")
    vertices, faces = vectors["norm_vertices"], vectors["in_faces"]

    def cells(voxels: np.ndarray) -> set[tuple[int, ...]]:
        return {tuple(cell) for cell in np.rint((voxels + 1) * grid / 2 - 0.5).astype(int)}

    scaling = fit_box(vertices)
    voxels = solid_voxels(scaling.apply(vertices), faces, grid)
    expected = vectors[f"voxel_coords_g{grid}"]
    assert cells(voxels) == cells(expected) and len(voxels) == len(expected)
    order, expected_order = np.lexsort(voxels.T), np.lexsort(expected.T)
    assert np.abs(voxels[order] - expected[expected_order]).max() < PRIOR_ATOL
    prior = estimate_prior(vertices, faces, vectors["norm_joints"], PriorConfig(grid=grid))
    assert np.abs(prior - vectors[f"voxel_skin_g{grid}"]).max() < PRIOR_ATOL


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("out_median_default", TransferConfig()),
        ("out_median_noiter", TransferConfig(passes=0)),
        ("out_median_3it", TransferConfig(passes=3)),
        ("out_mean", TransferConfig(blend="mean", least_weight=0)),
    ],
)
def test_the_way_back_is_that_of_the_reference(golden: Path, name: str, config: TransferConfig) -> None:
    vectors = np.load(golden / "reskin.npz")
    sampled = SampledSkin(vectors["sampled_vertices"], vectors["sampled_skin"])
    found = transfer_skin(sampled, vectors["vertices"], vectors["faces"], vectors["parents"], config)
    assert np.abs(found - vectors[name]).max() < TRANSFER_ATOL


@pytest.mark.shared
def test_the_four_strongest_are_those_of_the_reference(golden: Path) -> None:
    vectors = np.load(golden / "reskin.npz")
    indices, weights = keep_strongest(vectors["out_median_default"])
    assert np.abs(weights - vectors["top4_weight"]).max() < TRANSFER_ATOL
    assert (indices == vectors["top4_index"])[weights > 0].all()


@pytest.mark.shared
@pytest.mark.parametrize("pair", range(3))
def test_metrics_are_those_of_the_reference(golden: Path, pair: int) -> None:
    vectors = np.load(golden / "metrics.npz")
    joints, bones, other_joints, other_bones = (
        vectors[f"{pair}.{name}"] for name in ("joints_a", "bones_a", "joints_b", "bones_b")
    )
    assert abs(metrics.joint_to_joint(joints, other_joints) - vectors[f"{pair}.j2j"]) < 1e-6
    assert abs(metrics.joint_to_bone(joints, bones, other_joints, other_bones) - vectors[f"{pair}.j2b"]) < 1e-6
    assert abs(metrics.bone_to_bone(bones, other_bones) - vectors[f"{pair}.b2b"]) < 1e-6


def own_prior() -> np.ndarray:
    return estimate_prior(*own_mesh(), own_joints(), PriorConfig(grid=GRID))


def own_transfer() -> np.ndarray:
    return transfer_skin(own_samples(), *own_mesh(), PARENTS, OWN_TRANSFER)


def test_our_own_vectors() -> None:
    vectors = np.load(OWN_VECTORS)
    assert np.abs(own_prior() - vectors["prior"]).max() < PRIOR_ATOL
    assert np.abs(own_transfer() - vectors["transfer"]).max() < TRANSFER_ATOL


def unmirrored(
    vertices: np.ndarray, faces: np.ndarray, axis: int, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    first, last = depth_slabs(vertices, faces, axis, centres)
    return (-last, -first) if axis == 2 else (first, last)


def without_doubles(entries: tuple[np.ndarray, tuple[np.ndarray, np.ndarray]], shape: tuple[int, int]) -> coo_array:
    lengths, (rows, columns) = entries
    _, first = np.unique(rows * shape[1] + columns, return_index=True)
    return coo_array((lengths[first], (rows[first], columns[first])), shape=shape)


@pytest.mark.parametrize(
    ("name", "flipped"),
    [
        ("depth_slabs", unmirrored),
        ("FEWEST_SLABS", 3),
        ("SLACK", 0.9),
        ("reach_islands", lambda distances, *_: np.where(np.isinf(distances), 1.0, distances)),
    ],
)
def test_a_flipped_detail_of_the_prior_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, flipped: object) -> None:
    monkeypatch.setattr(voxel_prior, name, flipped)
    assert np.abs(own_prior() - np.load(OWN_VECTORS)["prior"]).max() > 10 * PRIOR_ATOL


def test_edges_listed_twice_in_one_direction_count_double(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = own_mesh()
    doubled = np.concatenate((faces, faces[:40]))
    config = PriorConfig(grid=GRID)
    found = estimate_prior(vertices, doubled, own_joints(), config)
    assert np.abs(found - own_prior()).max() > 1e-3
    monkeypatch.setattr(voxel_prior, "coo_array", without_doubles)
    once = estimate_prior(vertices, doubled, own_joints(), config)
    monkeypatch.undo()
    assert np.abs(once - own_prior()).max() < PRIOR_ATOL


def first_edges(sums: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return flow_along_edges(sums, vertices, faces[::-1])


@pytest.mark.parametrize(
    ("name", "flipped"),
    [
        ("flow_along_edges", first_edges),
        ("FALLOFF", 1.0),
        ("add_subtrees", lambda weights, parents: weights),
    ],
)
def test_a_flipped_detail_of_the_way_back_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, flipped: Callable[..., np.ndarray] | float
) -> None:
    monkeypatch.setattr(postprocess, name, flipped)
    assert np.abs(own_transfer() - np.load(OWN_VECTORS)["transfer"]).max() > 10 * TRANSFER_ATOL


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_hits_of_a_triangle_are_where_its_plane_is(seed: int, axis: int) -> None:
    """Every line against every triangle, by the plane's equation and three half planes."""
    corners = np.random.default_rng(seed).uniform(-1.2, 1.2, (3, 3, 3))
    centres = (2 * np.arange(9) + 1) / 9 - 1
    first, last = depth_slabs(corners.reshape(-1, 3), np.arange(9).reshape(3, 3), axis, centres)
    across = [side for side in range(3) if side != axis]
    for row, column in np.ndindex(9, 9):
        depths = []
        for triangle in corners:
            system = np.vstack((triangle[:, across].T, np.ones(3)))
            shares = np.linalg.solve(system, [centres[row], centres[column], 1])
            depths += [shares @ triangle[:, axis]] if (shares >= 0).all() else []
        assert np.isclose(first[row, column], min(depths, default=np.inf))
        assert np.isclose(last[row, column], max(depths, default=-np.inf))


def test_a_joint_pulls_the_vertices_around_it_the_most() -> None:
    vertices, _ = own_mesh()
    prior = own_prior()
    assert np.abs(prior.sum(axis=1) - 1).max() < 1e-9 and (prior >= 0).all()
    for joint, place in enumerate(own_joints()):
        nearest = np.linalg.norm(vertices - place, axis=1).argmin()
        assert prior[nearest].argmax() == joint


def test_subtrees_split_again_give_the_weights() -> None:
    weights = own_samples().weights.astype(np.float64)
    again = postprocess.split_subtrees(postprocess.add_subtrees(weights, PARENTS), PARENTS)
    assert np.abs(again - weights).max() < 1e-12


def test_a_bone_without_vertices_is_lent_the_nearest() -> None:
    """One that carries others which move is lent nothing."""
    vertices, _ = own_mesh()
    first = np.zeros((len(vertices), 4), np.int32)
    first[:, 0] = np.where(vertices[:, 2] > 0, 3, 0)
    indices, weights = lend_to_idle(
        first, np.tile(np.float32([1, 0, 0, 0]), (len(vertices), 1)), vertices, Bones(own_joints(), PARENTS)
    )
    assert set(np.unique(indices[weights > 0])) == {0, 3, 4}
    lent = np.flatnonzero((indices[:, 0] == 4) & (weights[:, 0] == 0.5))
    assert len(lent) == max(1, round(0.004 * len(vertices)))
    away = np.linalg.norm(vertices - own_joints()[4], axis=1)
    assert away[lent].max() <= np.delete(away, lent).min() + 1e-6
    assert (weights.sum(axis=1) == 1).all() and (np.diff(weights, axis=1) <= 0).all()


def test_fewer_bones_than_places_leave_places_free() -> None:
    indices, weights = keep_strongest(np.array([[0.25, 0.75], [1.0, 0.0]]))
    assert indices.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert weights.tolist() == [[0.75, 0.25, 0, 0], [1, 0, 0, 0]]


def test_equal_rigs_are_no_distance_apart_and_a_shift_is_seen() -> None:
    vertices, _ = own_mesh()
    joints = own_joints().astype(np.float64)
    bones = np.concatenate((joints[PARENTS[1:]], joints[1:]), axis=1)
    shifted = joints + np.array([0, 0, 0.02])
    assert metrics.joint_to_joint(joints, joints) == metrics.bone_to_bone(bones, bones) == 0
    assert metrics.joint_to_joint(joints, shifted) == pytest.approx(0.01)
    assert 0 < metrics.joint_to_bone(joints, bones, shifted, bones + 0.01) < 0.02
    one = np.random.default_rng(2).dirichlet(np.ones(5), len(vertices))
    other = np.roll(one, 1, axis=1)
    assert metrics.skin_difference(one, one) == 0 < metrics.skin_difference(one, other)
    assert metrics.skin_agreement(one, one, 0.01) == 1 > metrics.skin_agreement(one, other, 0.01)
    assert metrics.skin_overlap(one, one, 0.1) == 1 > metrics.skin_overlap(one, other, 0.1)
    assert metrics.skin_overlap(one, one, 2.0) == 1
    rest = np.tile(np.eye(4), (5, 1, 1))
    rest[:, :3, 3] = joints
    posed = rest.copy()
    posed[2, :3, 3] += [0, 1, 0]
    assert (
        metrics.motion_loss(vertices, one, one, rest, posed)
        == 0
        < metrics.motion_loss(vertices, one, other, rest, posed)
    )
    moved = metrics.deform(vertices, one, rest, posed) - vertices
    assert np.abs(moved - one[:, 2:3] * [0, 1, 0]).max() < 1e-6


def test_every_vertex_of_a_mesh_gets_bones() -> None:
    vertices, faces = own_mesh()
    told: list[tuple[int, int]] = []
    indices, weights = predict_skin(
        own_network(),
        (vertices * 3 + 5, faces),
        Bones(own_joints() * 3 + 5, PARENTS),
        SMALL,
        lambda *at: told.append(at),
    )
    assert indices.shape == weights.shape == (len(vertices), 4)
    assert (indices.dtype, weights.dtype) == (np.int32, np.float32)
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-5 and (weights >= 0).all()
    assert [done for done, _ in told] == list(range(len(told))) and told[-1][0] == told[-1][1]
    again = predict_skin(own_network(), (vertices * 3 + 5, faces), Bones(own_joints() * 3 + 5, PARENTS), SMALL)
    assert (again[0] == indices).all() and (again[1] == weights).all()


def test_a_reduced_mesh_gives_its_weights_to_every_vertex() -> None:
    """A long tube with two bones: the finer mesh gets what lies nearest on the coarser one."""
    fine = trimesh.creation.cylinder(0.2, 2.0, sections=64).subdivide().subdivide()
    coarse = trimesh.creation.cylinder(0.2, 2.0, sections=24).subdivide_loop(2)
    share = (coarse.vertices[:, 2] + 1) / 2
    indices, weights = bring_back(
        fine.vertices, (coarse.vertices, coarse.faces), np.stack((1 - share, share, 0 * share), axis=1)
    )
    upper = (weights * (indices == 1)).sum(axis=1)
    assert np.abs(upper - (fine.vertices[:, 2] + 1) / 2).max() < 0.03  # the subdivision rounds the rims
    assert (weights[:, 2:] == 0).all()


def test_a_mesh_without_thickness_is_bound() -> None:
    plane = trimesh.creation.box((2, 0, 2)).subdivide()
    joints = np.array([[0, 0, -1], [0, 0, 0.5]], np.float32)
    bones = Bones(joints, np.array([-1, 0]))
    _, weights = predict_skin(own_network(), (plane.vertices.astype(np.float32), plane.faces), bones, SMALL)
    assert np.isfinite(weights).all() and np.abs(weights.sum(axis=1) - 1).max() < 1e-5
