# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid pieces: every voxel keeps its shape, and a bent joint shows no inside and no way through."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon.voxel.blocky import BlockyMesh, Skeleton
from blender_addon.voxel.errors import MeshUnusable
from blender_addon.voxel.voxelize import VoxelFigure, VoxelSettings, rigid_mesh, voxelize
from tests.unit.voxel.shapes import limb, sphere

SIZE = 40  # voxels along the limb: it is ten thick
BEND = np.radians(60)


def bent(vertices: np.ndarray, bones: np.ndarray, pivot: np.ndarray, axis: str) -> np.ndarray:
    """The vertices after the second bone has turned about its head."""
    c, s = np.cos(BEND), np.sin(BEND)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]] if axis == "x" else [[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.where((bones == 1)[:, None], (vertices - pivot) @ turn.T + pivot, vertices)


def arm() -> tuple[VoxelFigure, BlockyMesh, np.ndarray]:
    mesh, heads, parents = limb()
    figure = voxelize(mesh, VoxelSettings(SIZE))
    return figure, rigid_mesh(figure, Skeleton(heads, parents)), heads[1]


class Picture:
    """Every pixel's nearest quad of a parallel view, by a depth buffer over finely spread points of the quads."""

    def __init__(self, quads: np.ndarray, view: np.ndarray, pixel: float) -> None:
        """quads: (Q, 4, 3). view: unit vector from the eye."""
        side = np.cross(view, [0.3, 0.5, 0.81])
        side /= np.linalg.norm(side)
        self._frame = np.stack([side, np.cross(view, side), view])
        self.pixel = pixel
        flat = quads @ self._frame.T
        self.low = flat.min((0, 1))[:2] - 2 * pixel
        self.shape = tuple(np.ceil((flat.max((0, 1))[:2] - self.low) / pixel).astype(int) + 3)
        self.depth = np.full(self.shape, np.inf)
        self.is_front = np.zeros(self.shape, bool)
        normals = np.cross(flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0])
        for corners, normal in zip(flat, normals, strict=True):
            if abs(normal[2]) > 1e-9 * np.linalg.norm(normal):
                self._draw(corners, normal)

    def _draw(self, corners: np.ndarray, normal: np.ndarray) -> None:
        first = np.floor((corners[:, :2].min(0) - self.low) / self.pixel).astype(int)
        last = np.ceil((corners[:, :2].max(0) - self.low) / self.pixel).astype(int) + 1
        index = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(first, last, strict=True)], indexing="ij"), -1)
        at = self.low + index * self.pixel - corners[0, :2]
        edge_1, edge_2 = corners[1, :2] - corners[0, :2], corners[3, :2] - corners[0, :2]
        area = edge_1[0] * edge_2[1] - edge_1[1] * edge_2[0]
        s = (at[..., 0] * edge_2[1] - at[..., 1] * edge_2[0]) / area
        t = (edge_1[0] * at[..., 1] - edge_1[1] * at[..., 0]) / area
        inside = (s >= -1e-6) & (s <= 1 + 1e-6) & (t >= -1e-6) & (t <= 1 + 1e-6)
        depth = corners[0, 2] + s * (corners[1, 2] - corners[0, 2]) + t * (corners[3, 2] - corners[0, 2])
        place = tuple(index[inside].T)
        nearer = depth[inside] < self.depth[place] - 1e-9
        place = tuple(column[nearer] for column in place)
        self.depth[place] = depth[inside][nearer]
        self.is_front[place] = normal[2] < 0

    def pixels_near(self, point: np.ndarray, radius: float) -> np.ndarray:
        """Which pixels show what lies within a radius of the line through a point."""
        index = np.stack(np.meshgrid(*[np.arange(n) for n in self.shape], indexing="ij"), axis=-1)
        return np.linalg.norm(self.low + index * self.pixel - (self._frame @ point)[:2], axis=-1) < radius


VIEWS = np.array(
    [
        [1, 0, 0],
        [0, 1, 0],
        [0, -1, 0],
        [1, 1, 0.1],
        [-1, 0.3, 0.5],
        [0.2, 0.7, -0.9],
        [0.1, 0.05, -1],
        [-0.5, -0.6, 0.4],
    ]
)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_bent_limb_shows_no_inside_and_no_way_through(axis: str) -> None:
    figure, blocky, pivot = arm()
    pitch = figure.grid.lattice.pitch
    posed = bent(blocky.mesh.vertices, blocky.vertex_bones, pivot, axis)[blocky.mesh.quads]
    for view in VIEWS / np.linalg.norm(VIEWS, axis=1, keepdims=True):
        picture = Picture(posed, view, pitch / 3.1)
        hit = np.isfinite(picture.depth)
        # From outside a closed surface shows its front first; a back means that one looks into a piece.
        assert (picture.is_front | ~hit).sum() == picture.is_front.size
        # The limb is one unit thick about the joint; the outermost voxels part, the knuckle does not.
        assert hit[picture.pixels_near(pivot, 1.0 - 1.75 * pitch)].all()


def test_without_knuckles_the_same_view_finds_the_gap() -> None:
    """The measure of the test above can fail."""
    figure, _, pivot = arm()
    no_joint = rigid_mesh(figure, Skeleton(np.array([[0, 0, 0], [0, 0, 4.0]]), np.array([-1, -1])))
    posed = bent(no_joint.mesh.vertices, no_joint.vertex_bones, pivot, "y")[no_joint.mesh.quads]
    pitch = figure.grid.lattice.pitch
    picture = Picture(posed, np.array([0, 1.0, 0]), pitch / 3.1)
    assert not np.isfinite(picture.depth[picture.pixels_near(pivot, 1.0 - 1.75 * pitch)]).all()
    open_quads = posed[np.abs(posed[:, :, 2].mean(1) - pivot[2]) > pitch]
    assert not Picture(open_quads, np.array([0.1, 0.2, -1.0]) / np.sqrt(1.05), pitch / 3.1).is_front.all()


def test_posing_changes_no_voxels_shape_and_moves_only_the_bones_own() -> None:
    _, blocky, pivot = arm()
    rest, posed = blocky.mesh.vertices, bent(blocky.mesh.vertices, blocky.vertex_bones, pivot, "x")
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
    middles = blocky.mesh.vertices[blocky.mesh.quads].mean(1)
    normals = np.cross(*(np.diff(blocky.mesh.vertices[blocky.mesh.quads[:, :3]], axis=1).transpose(1, 0, 2)))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    beyond = np.floor(lattice.to_cells(middles + normals * lattice.pitch / 2)).astype(int)
    seen = ~figure.grid.solid[tuple(beyond.T)]
    cells, sides = np.unique(blocky.mesh.cells[seen], return_counts=True)
    np.testing.assert_array_equal(cells, figure.shell.cells)
    np.testing.assert_array_equal(sides, np.unpackbits(figure.shell.sides[:, None], axis=1).sum(1))
    np.testing.assert_array_equal(figure.shell.cells[blocky.rows[seen]], blocky.mesh.cells[seen])


def test_a_figure_without_bones_cannot_be_in_pieces() -> None:
    with pytest.raises(MeshUnusable, match="bones"):
        rigid_mesh(voxelize(sphere(finer=2), VoxelSettings(8)), Skeleton(np.zeros((1, 3)), np.array([-1])))
