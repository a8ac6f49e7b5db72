# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid pieces: every voxel keeps its shape, and a bent joint shows no inside and no way through."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from blender_addon.voxel.blocky import BlockyMesh, Skeleton, blocky_mesh
from blender_addon.voxel.errors import MeshUnusable
from blender_addon.voxel.voxelize import VoxelFigure, VoxelSettings, rigid_mesh, voxelize
from tests.unit.voxel.picture import Picture, evenly_spread_views, window
from tests.unit.voxel.shapes import limb, sphere

SIZE = 40  # voxels along the limb: it is ten thick
BEND_deg = 60.0
PIXEL = 1 / 3.1  # of a voxel: no row of pixels falls on a row of voxels
VIEWS = evenly_spread_views(12)
BLUNT_cells = 1.5  # that the outline of a knuckle of cubes may lie within that of a round one


def bent(vertices: np.ndarray, bones: np.ndarray, pivot: np.ndarray, axis: tuple[int, int, int]) -> np.ndarray:
    """The vertices after the second bone has turned about its head."""
    turn = Rotation.from_rotvec(np.radians(BEND_deg) * np.array(axis) / np.linalg.norm(axis))
    return np.where((bones == 1)[:, None], turn.apply(vertices - pivot) + pivot, vertices)


def arm(size: int = SIZE, aside: float = 0.0) -> tuple[VoxelFigure, BlockyMesh, np.ndarray]:
    """A limb of two bones whose joint lies aside of its middle by a share of its radius: figure, pieces, joint."""
    mesh, heads, parents = limb()
    heads = heads + np.array([[0, 0, 0], [0, aside, 0]])
    figure = voxelize(mesh, VoxelSettings(size))
    return figure, rigid_mesh(figure, Skeleton(heads, parents)), heads[1]


def elbow(pivot: np.ndarray, axis: tuple[int, int, int]) -> np.ndarray:
    """(F, 3, 3) the limb with a round elbow, bent."""
    mesh, _, _ = limb()
    upper = (mesh.vertices[:, 2] > pivot[2]).astype(int)
    inside = np.ptp(upper[mesh.triangles], axis=1) == 0
    ball = trimesh.creation.icosphere(subdivisions=3, radius=1.0)
    round_ = np.asarray(ball.vertices)[ball.faces] + pivot
    return np.concatenate([bent(mesh.vertices, upper, pivot, axis)[mesh.triangles[inside]], round_])


@pytest.mark.parametrize("size", [4, 8, 12, 16, 24])  # a quarter as many voxels thick
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (1, -1, 0)])
def test_a_bent_limb_shows_no_inside_and_no_hole(size: int, axis: tuple[int, int, int]) -> None:
    figure, pieces, pivot = arm(size)
    pitch = figure.grid.lattice.pitch
    posed = bent(pieces.mesh.vertices, pieces.vertex_bones, pivot, axis)
    wanted = elbow(pivot, axis)
    for view in VIEWS:
        low, shape = window(np.concatenate([posed, wanted.reshape(-1, 3)]), view, pitch * PIXEL)
        picture = Picture(posed[pieces.mesh.quads], view, pitch * PIXEL, low, shape)
        # From outside a closed surface shows its front first; a back means that one looks into a piece.
        assert not picture.is_back.any()
        assert not picture.gaps.any()
        smooth = Picture(wanted, view, pitch * PIXEL, low, shape)
        assert (picture.face[within(smooth.face >= 0, BLUNT_cells / PIXEL)] >= 0).all()


@pytest.mark.parametrize("aside", [-0.7, -0.4, 0.4, 0.7])
def test_a_joint_beside_the_middle_leaves_no_hole_and_no_stub(aside: float) -> None:
    figure, pieces, pivot = arm(24, aside)
    pitch = figure.grid.lattice.pitch
    posed = bent(pieces.mesh.vertices, pieces.vertex_bones, pivot, (1, 0, 0))
    alone = bent(*pieces_without_a_joint(figure), pivot, (1, 0, 0))
    for view in VIEWS:
        low, shape = window(posed, view, pitch * PIXEL)
        picture = Picture(posed[pieces.mesh.quads], view, pitch * PIXEL, low, shape)
        assert not picture.is_back.any()
        assert not picture.gaps.any()
    # Nothing lies further from both halves than the gap between them is wide.
    beyond = cKDTree(alone).query(posed)[0]
    assert beyond.max() < 1.0


def pieces_without_a_joint(figure: VoxelFigure) -> tuple[np.ndarray, np.ndarray]:
    pieces = rigid_mesh(figure, Skeleton(np.array([[0, 0, 0], [0, 0, 4.0]]), np.array([-1, -1])))
    return pieces.mesh.vertices, pieces.vertex_bones


def within(mask: np.ndarray, pixels: float) -> np.ndarray:
    """What lies further than so many pixels inside."""
    return np.asarray(ndimage.distance_transform_edt(mask) > pixels)


def test_without_knuckles_the_same_measures_find_the_gap() -> None:
    """The measures of the tests above can fail."""
    figure, _, pivot = arm()
    pieces = rigid_mesh(figure, Skeleton(np.array([[0, 0, 0], [0, 0, 4.0]]), np.array([-1, -1])))
    posed = bent(pieces.mesh.vertices, pieces.vertex_bones, pivot, (0, 1, 0))
    pixel = figure.grid.lattice.pitch * PIXEL
    view = np.array([0, 1.0, 0])
    low, shape = window(posed, view, pixel)
    smooth = Picture(elbow(pivot, (0, 1, 0)), view, pixel, low, shape)
    picture = Picture(posed[pieces.mesh.quads], view, pixel, low, shape)
    assert (picture.face[within(smooth.face >= 0, BLUNT_cells / PIXEL)] < 0).any()
    is_open = np.abs(posed[pieces.mesh.quads][:, :, 2].mean(1) - pivot[2]) > figure.grid.lattice.pitch
    from_below = np.array([0.1, 0.2, 1.0]) / np.sqrt(1.05)
    low, shape = window(posed, from_below, pixel)
    assert not Picture(posed[pieces.mesh.quads], from_below, pixel, low, shape).is_back.any()
    assert Picture(posed[pieces.mesh.quads[is_open]], from_below, pixel, low, shape).is_back.any()


def test_a_ring_encloses_background() -> None:
    ring = trimesh.creation.torus(2.0, 0.5)
    low, shape = window(np.asarray(ring.vertices), np.array([0, 0, 1.0]), 0.1)
    gaps = Picture(np.asarray(ring.triangles), np.array([0, 0, 1.0]), 0.1, low, shape).gaps
    assert np.isclose((gaps == gaps.max()).sum() * 0.1**2, np.pi * 1.5**2, rtol=0.05)


def test_posing_changes_no_voxels_shape_and_moves_only_the_bones_own() -> None:
    _, blocky, pivot = arm()
    rest, posed = blocky.mesh.vertices, bent(blocky.mesh.vertices, blocky.vertex_bones, pivot, (1, 0, 0))
    for first, second in ((0, 1), (1, 2), (0, 2)):
        before = np.linalg.norm(rest[blocky.mesh.quads[:, first]] - rest[blocky.mesh.quads[:, second]], axis=1)
        after = np.linalg.norm(posed[blocky.mesh.quads[:, first]] - posed[blocky.mesh.quads[:, second]], axis=1)
        np.testing.assert_allclose(after, before, atol=1e-9)
    of_quad = blocky.vertex_bones[blocky.mesh.quads]
    assert (of_quad == of_quad[:, :1]).all()
    np.testing.assert_array_equal(posed[blocky.vertex_bones == 0], rest[blocky.vertex_bones == 0])


def test_every_piece_is_closed() -> None:
    _, blocky, _ = arm()
    quads = blocky.mesh.quads
    edges = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    low = edges.min(1)
    key, inverse = np.unique(low * len(blocky.mesh.vertices) + edges.max(1), return_inverse=True)
    balance = np.bincount(inverse.reshape(-1), np.where(edges[:, 0] == low, 1, -1), len(key))
    assert not balance.any()


def test_at_rest_the_figure_looks_as_it_does_in_one_piece() -> None:
    figure, blocky, _ = arm()
    lattice = figure.grid.lattice
    quads = blocky.mesh.vertices[blocky.mesh.quads]
    normals = np.cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    beyond = np.floor(lattice.to_cells(quads.mean(1) + normals * lattice.pitch / 2)).astype(int)
    places = lattice.to_cells(quads)
    is_borrowed = (np.abs(places - np.round(places)) > 1e-6).any((1, 2))
    assert is_borrowed.any()
    seen = ~figure.grid.solid[tuple(beyond.T)] & ~is_borrowed
    cells, sides = np.unique(blocky.mesh.cells[seen], return_counts=True)
    np.testing.assert_array_equal(cells, figure.shell.cells)
    np.testing.assert_array_equal(sides, np.unpackbits(figure.shell.sides[:, None], axis=1).sum(1))
    np.testing.assert_array_equal(figure.shell.cells[blocky.rows[seen]], blocky.mesh.cells[seen])
    # What a bone borrows lies below the surface of the bone that lends it: no two faces share a plane and flicker.
    for view in VIEWS:
        low, shape = window(blocky.mesh.vertices, view, lattice.pitch * PIXEL)
        shown = Picture(quads, view, lattice.pitch * PIXEL, low, shape).face
        assert not is_borrowed[shown[shown >= 0]].any()


def test_at_a_ragged_seam_no_borrowed_face_lies_in_the_surface() -> None:
    mesh, heads, parents = limb()
    figure = voxelize(mesh, VoxelSettings(24))
    lattice, at = figure.grid.lattice, figure.grid.lattice.unflat(figure.shell.cells)
    ragged = (at[:, 2] + np.random.default_rng(2).integers(-1, 2, len(at)) > 12).astype(np.int64)
    pieces = blocky_mesh(figure.grid, figure.shell, ragged, Skeleton(heads, parents))
    places = lattice.to_cells(pieces.mesh.vertices[pieces.mesh.quads])
    for triangle in ([0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3]):
        corners = places[:, triangle]
        is_level = (np.abs(corners - np.round(corners)) < 1e-6).all(2)
        normals = np.sign(np.round(np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]))).astype(int)
        beyond = lattice.unflat(pieces.mesh.cells) + normals
        bare = np.flatnonzero(is_level.all(1) & ~figure.grid.solid[tuple(beyond.T)])
        faces = np.concatenate([pieces.mesh.cells[bare, None], normals[bare]], axis=1)
        assert len(np.unique(faces, axis=0)) == len(faces)


def test_a_figure_without_bones_cannot_be_in_pieces() -> None:
    with pytest.raises(MeshUnusable, match="bones"):
        rigid_mesh(voxelize(sphere(finer=2), VoxelSettings(8)), Skeleton(np.zeros((1, 3)), np.array([-1])))
