# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxels as small meshes: their places, their faces, what is behind them, and which colours give light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from blender_addon.voxel.blocky import Skeleton
from blender_addon.voxel.errors import GapOutOfRange, TooManyFaces
from blender_addon.voxel.faces import QuadMesh
from blender_addon.voxel.figure_mesh import FigureInstances, FigureLook, figure_mesh, scene_figure
from blender_addon.voxel.glow import Glow, find_light, light_image
from blender_addon.voxel.mesh import Material, SurfaceMesh
from blender_addon.voxel.palette import palette_image
from blender_addon.voxel.styles import VoxelStyle
from blender_addon.voxel.voxelize import VoxelFigure, VoxelSettings, voxelize
from tests.unit.voxel.shapes import box, join, limb, sphere

SHAPES = ("CUBE", "ROUNDED", "BRICK", "SPHERE")


def solid_of(mesh: QuadMesh) -> trimesh.Trimesh:
    faces = np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]]])
    return trimesh.Trimesh(mesh.vertices, faces, process=False)


def bodies(look: FigureLook, figure: VoxelFigure, skeleton: Skeleton | None = None) -> list[trimesh.Trimesh]:
    """The connected pieces; the core's faces, of four corners each, left out."""
    parts = solid_of(figure_mesh(figure, skeleton, look).quads).split(only_watertight=False)
    return [part for part in parts if len(part.faces) > 2]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_piece_is_closed_lies_in_its_voxel_and_keeps_the_gap(shape: str) -> None:
    figure = voxelize(box((4, 4, 4)), VoxelSettings(4))
    pieces = bodies(FigureLook(style=VoxelStyle(shape, 0.2)), figure)
    body = [piece for piece in pieces if piece.extents[2] > 0.5]
    assert all(piece.is_watertight and piece.is_winding_consistent and piece.volume > 0 for piece in pieces)
    if shape != "BRICK":
        assert len(body) == 64 - 8
    for piece in body:
        spans = np.round(piece.extents + 0.2)
        np.testing.assert_allclose(piece.extents, spans - 0.2, atol=1e-9)
        np.testing.assert_allclose(piece.bounds[0] % 1, 0.1, atol=1e-9)


def test_the_volumes_are_those_of_a_cube_and_nearly_a_ball() -> None:
    volumes = {}
    for shape in SHAPES:
        body = VoxelStyle(shape, 0.1).body
        volumes[shape] = solid_of(QuadMesh(body.vertices, body.quads, body.quads[:, 0])).volume
    assert volumes["CUBE"] == pytest.approx(0.729)
    assert volumes["SPHERE"] == pytest.approx(np.pi / 6 * 0.729, rel=0.08)
    assert volumes["SPHERE"] < volumes["ROUNDED"] < volumes["CUBE"]


def test_studs_stand_where_nothing_is_above() -> None:
    stairs = join(box((4, 4, 2)), box((2, 4, 4)))
    figure = voxelize(stairs, VoxelSettings(4))
    made = scene_figure(figure, None, FigureLook(style=VoxelStyle("BRICK")))
    assert isinstance(made, FigureInstances)
    studs = made.instances.centres[made.instances.is_stud]
    tops = {(x + 0.5, y + 0.5, 3.5 if x < 2 else 1.5) for x in range(4) for y in range(4)}
    assert {tuple(centre) for centre in np.round(studs, 6).tolist()} == tops


def test_bricks_cover_every_voxel_once_are_of_one_colour_and_not_longer_than_four() -> None:
    mesh = box((9, 5, 6))
    of_face = (mesh.vertices[mesh.triangles][:, :, 0].min(1) > 8.9).astype(int)
    painted = SurfaceMesh(
        mesh.vertices,
        mesh.triangles,
        face_material=of_face,
        materials=(Material((0.8, 0.1, 0.1)), Material((0.1, 0.1, 0.8))),
    )
    figure = voxelize(painted, VoxelSettings(6))
    style = VoxelStyle("BRICK")
    made = scene_figure(figure, None, FigureLook(style=style))
    assert isinstance(made, FigureInstances)
    own = ~made.instances.is_stud
    spans = np.round(made.instances.sizes[own] * style.edge + 1 - style.edge).astype(int)
    assert spans.max() == 4
    assert spans[:, 2].max() == 1
    assert np.sort(spans[:, :2], axis=1)[:, 0].max() == 2
    lattice = figure.grid.lattice
    low = np.round(lattice.to_cells(made.instances.centres[own]) - spans / 2).astype(int)
    covered: dict[int, int] = {}
    for start, span, colour in zip(low, spans, made.colour[own], strict=True):
        for cell in np.ndindex(*span.tolist()):
            flat = int(lattice.flat(start + cell))
            assert flat not in covered
            covered[flat] = int(colour)
    assert covered == dict(zip(figure.shell.cells.tolist(), figure.colour.tolist(), strict=True))
    assert len(spans) < len(figure.shell.cells) / 2


@pytest.mark.parametrize("shape", SHAPES)
def test_no_line_of_sight_leads_through_a_figure(shape: str) -> None:
    """Straight and slanted views of a wall two voxels thick, between whose spheres and cubes there is room."""
    figure = voxelize(box((6, 2, 6)), VoxelSettings(6))
    solid = solid_of(figure_mesh(figure, None, FigureLook(style=VoxelStyle(shape, 0.15))).quads)
    across = np.linspace(0.6, 5.4, 25)
    starts = np.array([[x, -5.0, z] for x in across for z in across])
    for slant in ((0, 1, 0), (0.06, 1, 0.03)):
        aim = np.array(slant, float)
        origins = starts - aim * 0.01
        origins[:, [0, 2]] -= aim[[0, 2]] * 5
        assert solid.ray.intersects_any(origins, np.tile(aim, (len(origins), 1))).all()


def test_the_core_lies_below_the_voxels_surface_on_every_side() -> None:
    style = VoxelStyle("SPHERE")
    made = scene_figure(voxelize(box((4, 4, 4)), VoxelSettings(4)), None, FigureLook(style=style))
    assert isinstance(made, FigureInstances)
    corners = made.core.vertices
    np.testing.assert_allclose([corners.min(0), corners.max(0)], [[0.35] * 3, [3.65] * 3])
    assert solid_of(made.core).volume == pytest.approx(3.3**3)


@pytest.mark.parametrize("rig", ["SMOOTH", "BLOCKY"])
@pytest.mark.parametrize("shape", SHAPES)
def test_with_bones_every_piece_moves_as_a_whole(rig: str, shape: str) -> None:
    mesh, heads, parents = limb()
    figure = voxelize(mesh, VoxelSettings(24))
    made = figure_mesh(figure, Skeleton(heads, parents), FigureLook(rig, VoxelStyle(shape, 0.1)))
    assert made.influences is not None
    np.testing.assert_allclose(made.influences.weights.sum(1), 1, atol=1e-5)
    own = np.zeros((len(made.quads.vertices), 2))
    for column in range(made.influences.bones.shape[1]):
        np.add.at(own, (np.arange(len(own)), made.influences.bones[:, column]), made.influences.weights[:, column])
    pieces = trimesh.graph.connected_component_labels(
        np.concatenate([made.quads.quads[:, [0, 1]], made.quads.quads[:, [1, 2]], made.quads.quads[:, [2, 3]]]),
        node_count=len(own),
    )
    is_piece = np.bincount(pieces)[pieces] > 4
    for column in range(2):
        spread = [np.full(pieces.max() + 1, start) for start in (np.inf, -np.inf)]
        np.minimum.at(spread[0], pieces[is_piece], own[is_piece, column])
        np.maximum.at(spread[1], pieces[is_piece], own[is_piece, column])
        kept = np.isfinite(spread[0])
        np.testing.assert_allclose(spread[0][kept], spread[1][kept], atol=1e-6)
    if rig == "BLOCKY":
        assert (np.sort(own, axis=1) == [0, 1]).all()


def test_normals_are_unit_vectors_that_look_out() -> None:
    figure = voxelize(sphere(finer=3), VoxelSettings(8))
    made = figure_mesh(figure, None, FigureLook(style=VoxelStyle("ROUNDED")))
    assert made.normals is not None
    np.testing.assert_allclose(np.linalg.norm(made.normals, axis=1), 1)
    corners = made.quads.vertices[made.quads.quads]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("qi,qci->qc", facing, made.normals[made.quads.quads]) > 0).all()
    assert figure_mesh(figure, None, FigureLook(style=VoxelStyle("BRICK"))).normals is None


def test_touching_cubes_stay_one_surface() -> None:
    figure = voxelize(box((4, 4, 8)), VoxelSettings(8))
    assert len(figure_mesh(figure, None, FigureLook(style=VoxelStyle("CUBE", 0))).quads.quads) == 6


def test_too_many_faces_are_refused_and_instances_are_not() -> None:
    figure = voxelize(sphere(finer=4), VoxelSettings(128))
    look = FigureLook(style=VoxelStyle("SPHERE"))
    with pytest.raises(TooManyFaces, match="1,000,000 are the most"):
        figure_mesh(figure, None, look)
    assert isinstance(scene_figure(figure, None, look), FigureInstances)


@pytest.mark.parametrize("gap", [-0.1, 0.51, float("nan")])
def test_a_gap_that_leaves_nothing_is_refused(gap: float) -> None:
    with pytest.raises(GapOutOfRange):
        VoxelStyle("CUBE", gap)


# Grey, skin, dark red, yellow, cyan.
PALETTE = np.array([[128, 128, 128], [235, 185, 150], [90, 10, 10], [250, 220, 40], [60, 240, 255]], np.uint8)


def test_vivid_colours_of_small_areas_give_light() -> None:
    few = np.repeat(np.arange(5, dtype=np.uint8), [40, 40, 12, 4, 4])
    assert find_light(PALETTE, few, Glow(2.0)).is_lit.tolist() == [False, False, False, True, True]
    coat = np.repeat(np.arange(5, dtype=np.uint8), [20, 20, 12, 44, 4])
    assert find_light(PALETTE, coat, Glow(2.0)).is_lit.tolist() == [False, False, False, False, True]
    assert find_light(PALETTE, few, Glow(2.0, 0)).is_lit.all()
    assert not find_light(PALETTE, few, Glow(0.0, 0)).is_lit.any()
    lit = find_light(PALETTE, coat, Glow(2.0))
    expected = palette_image(np.where(lit.is_lit[:, None], PALETTE, 0).astype(np.uint8))
    np.testing.assert_array_equal(light_image(PALETTE, lit), expected)


def test_shades_of_one_area_count_together() -> None:
    shades = PALETTE[[0, 3, 3, 3]].copy()
    shades[2:, 1] += np.array([4, 8], np.uint8)
    colour = np.repeat(np.arange(4, dtype=np.uint8), [80, 6, 7, 7])
    assert not find_light(shades, colour, Glow(1.0)).is_lit.any()
    assert find_light(shades, replace_rare(colour), Glow(1.0)).is_lit.tolist() == [False, True, True, True]


def replace_rare(colour: np.ndarray) -> np.ndarray:
    """All but the last four voxels grey."""
    rare = np.zeros_like(colour)
    rare[-3:] = [1, 2, 3]
    return rare


def test_the_look_says_how_strongly() -> None:
    figure = voxelize(box((4, 4, 8)), VoxelSettings(8))
    look = FigureLook(glow=Glow(3.0, 0.0))
    assert figure_mesh(figure, None, look).light.strength == 3.0
    assert not figure_mesh(figure, None, replace(look, glow=Glow())).light.is_lit.any()
