# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a voxel's colour comes from, and the palettes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from blender_addon.voxel.errors import MeshUnusable, PaletteInvalid
from blender_addon.voxel.mesh import Material, SurfaceMesh
from blender_addon.voxel.oklab import bytes_to_lab, lab_to_bytes
from blender_addon.voxel.palette import (
    calm_colours,
    dithered_colours,
    find_palette,
    nearest_colours,
    palette_image,
    palette_of_picture,
    palette_uv,
)
from blender_addon.voxel.presets import PRESETS
from blender_addon.voxel.voxelize import VoxelFigure, VoxelSettings, voxelize
from tests.unit.voxel.shapes import box, join

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
RED, GREEN, BLUE = (200, 30, 20), (20, 180, 40), (30, 40, 210)


def wall(image: np.ndarray, size: float = 8.0) -> SurfaceMesh:
    """An upright square of `size`, seen from -Y, with the image on it."""
    corners = np.array([[0, 0, 0], [size, 0, 0], [size, 0, size], [0, 0, size]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return SurfaceMesh(corners, faces, uv=uv[faces], materials=(Material(image=image),))


def front(figure: VoxelFigure) -> np.ndarray:
    """What is seen from -Y: sRGB (Z, X, 3), top row first."""
    at = figure.grid.lattice.unflat(figure.shell.cells) - 1
    order = np.argsort(-at[:, 1], kind="stable")
    picture = np.zeros((at[:, 2].max() + 1, at[:, 0].max() + 1, 3), np.uint8)
    picture[at[order, 2].max() - at[order, 2], at[order, 0]] = figure.palette[figure.colour[order]]
    return picture


@pytest.mark.parametrize("mode", ["MEAN", "DOMINANT", "EDGES"])
@pytest.mark.parametrize("as_float", [False, True])
def test_a_picture_with_a_pixel_for_each_voxel_is_seen_pixel_by_pixel(mode: str, as_float: bool) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    image = picture / 255 if as_float else picture
    np.testing.assert_array_equal(front(voxelize(wall(image), VoxelSettings(8, colour_mode=mode))), picture)


def test_uv_maps_repeat() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    mesh = wall(picture)
    moved = SurfaceMesh(mesh.vertices, mesh.triangles, uv=mesh.uv + np.array([2, -1]), materials=mesh.materials)
    np.testing.assert_array_equal(front(voxelize(moved, VoxelSettings(8))), picture)


def stripes(thin: tuple[int, int, int], thick: tuple[int, int, int], share: float) -> np.ndarray:
    """One pixel in so many columns of another colour: in the middle of each voxel of an 8-voxel wall."""
    image = np.zeros((80, 80, 3), np.uint8)
    image[:] = thick
    image[:, np.arange(80) % 10 < round(10 * share)] = thin
    return image


def test_mean_mixes_light_and_dominant_makes_no_colour_up() -> None:
    image = stripes(RED, BLUE, 0.3)
    mixed = front(voxelize(wall(image), VoxelSettings(8, colour_mode="MEAN")))
    light = (mixed.reshape(-1, 3) / 255) ** 2.2
    expected = 0.3 * (np.array(RED) / 255) ** 2.2 + 0.7 * (np.array(BLUE) / 255) ** 2.2
    np.testing.assert_allclose(light.mean(0), expected, atol=0.05)
    assert ((mixed > np.array(RED)) & (mixed < np.array(BLUE)))[..., 2].all()
    assert (front(voxelize(wall(image), VoxelSettings(8, colour_mode="DOMINANT"))) == BLUE).all()


def test_edges_keep_a_thin_dark_line_that_dominant_loses() -> None:
    image = np.full((80, 80, 3), (240, 190, 160), np.uint8)
    image[:, 43:46] = 20  # 3 of the 10 pixels of the fifth column of voxels
    seen = {mode: front(voxelize(wall(image), VoxelSettings(8, colour_mode=mode))) for mode in ("DOMINANT", "EDGES")}
    assert (seen["DOMINANT"][:, 4] == (240, 190, 160)).all()
    assert (seen["EDGES"][:, 4] == 20).all()
    assert (seen["EDGES"][:, [0, 1, 2, 3, 5, 6, 7]] == (240, 190, 160)).all()


def test_both_eyes_and_the_mouth_of_a_face_survive() -> None:
    """White eyes with pupils of less than a voxel, mirrored, and a thin mouth, none of them on the grid."""
    half = np.full((100, 50, 3), (240, 190, 160), np.uint8)
    half[30:55, 8:31] = 245
    half[37:52, 14:23] = (40, 30, 30)
    half[70:74, 30:] = (120, 30, 30)
    face = wall(np.concatenate([half, half[:, ::-1]], axis=1))
    for size in (12, 14, 17, 20):
        seen = front(voxelize(face, VoxelSettings(size)))
        for side in (seen[:, : size // 2], seen[:, -(size // 2) :]):
            for colour in ((40, 30, 30), (245, 245, 245), (120, 30, 30)):
                assert (side == colour).all(-1).any(), (size, colour)


def test_many_shades_of_a_colour_are_not_outvoted_by_one_other() -> None:
    """Eight of ten columns of pixels are noisy brown, no two alike; two are of one green."""
    rng = np.random.default_rng(3)
    image = np.clip(np.array([140, 90, 50]) + rng.normal(0, 9, (80, 80, 3)), 0, 255).astype(np.uint8)
    image[:, np.arange(80) % 10 >= 8] = (90, 130, 60)
    seen = front(voxelize(wall(image), VoxelSettings(8, colour_mode="DOMINANT")))
    assert (seen[..., 0] > seen[..., 1]).all()


def test_vertex_colours_and_materials_need_no_uv_map() -> None:
    mesh = box((4, 4, 8))
    of_face = (mesh.vertices[mesh.triangles][:, :, 0].min(1) > 3.9).astype(int)
    painted = SurfaceMesh(
        mesh.vertices,
        mesh.triangles,
        face_material=of_face,
        materials=(Material(tuple(np.array(GREEN) / 255)), Material(tuple(np.array(RED) / 255))),
    )
    assert (front(voxelize(painted, VoxelSettings(8)))[:, 0] == GREEN).all()
    colours = np.tile(np.array(BLUE) / 255, (len(mesh.triangles), 3, 1))
    painted = SurfaceMesh(mesh.vertices, mesh.triangles, corner_colours=colours)
    assert (front(voxelize(painted, VoxelSettings(8))) == BLUE).all()


def test_clothes_hide_the_skin_below_them() -> None:
    body, shirt = box((4, 4, 8), (-2, -2, 0)), box((4.6, 4.6, 8), (-2.3, -2.3, 0))
    both = join(body, shirt)
    is_shirt = (np.arange(len(both.triangles)) >= len(body.triangles)).astype(int)
    mesh = SurfaceMesh(
        both.vertices,
        both.triangles,
        face_material=is_shirt,
        materials=(Material(tuple(np.array(RED) / 255)), Material(tuple(np.array(BLUE) / 255))),
    )
    assert (front(voxelize(mesh, VoxelSettings(8, colour_mode="DOMINANT"))) == BLUE).all()


def test_a_room_behind_the_skin_does_not_shine_through() -> None:
    """The walls of a mouth face away from the outside, half a voxel behind it."""
    skin, room = box((6, 6, 8), (-3, -3, 0)), box((5, 5, 7), (-2.5, -2.5, 0.5))
    both = join(skin, SurfaceMesh(room.vertices, room.triangles[:, ::-1]))
    mesh = SurfaceMesh(
        both.vertices,
        both.triangles,
        face_material=(np.arange(len(both.triangles)) >= len(skin.triangles)).astype(int),
        materials=(Material(tuple(np.array(GREEN) / 255)), Material(tuple(np.array(RED) / 255))),
    )
    for mode in ("DOMINANT", "EDGES"):
        assert (front(voxelize(mesh, VoxelSettings(8, colour_mode=mode))) == GREEN).all()


def test_oklab_goes_there_and_back() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.uint8)
    np.testing.assert_array_equal(lab_to_bytes(bytes_to_lab(colours)), colours)
    # Values of the source: white, and pure red.
    np.testing.assert_allclose(bytes_to_lab(np.array([[255, 255, 255]], np.uint8)), [[1, 0, 0]], atol=1e-3)
    np.testing.assert_allclose(bytes_to_lab(np.array([[255, 0, 0]], np.uint8)), [[0.628, 0.2249, 0.1258]], atol=1e-3)


def test_few_colours_are_their_own_palette() -> None:
    colours = np.array([RED, GREEN, BLUE, RED], np.uint8)
    palette = find_palette(colours, 3)
    assert {tuple(colour) for colour in palette.tolist()} == {RED, GREEN, BLUE}
    np.testing.assert_array_equal(palette[nearest_colours(colours, palette)], colours)


@pytest.mark.parametrize("count", [2, 5, 16, 255])
def test_a_palette_is_found_again_and_is_not_larger_than_asked(count: int) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (6000, 3)).astype(np.uint8)
    palette = find_palette(colours, count)
    assert 2 <= len(palette) <= count
    np.testing.assert_array_equal(palette, find_palette(colours.copy(), count))
    index = nearest_colours(colours, palette)
    away = np.linalg.norm(bytes_to_lab(colours)[:, None] - bytes_to_lab(palette)[None], axis=2)
    np.testing.assert_allclose(away[np.arange(len(index)), index], away.min(1), atol=1e-7)


def test_an_eye_is_not_lost_to_the_skin() -> None:
    rng = np.random.default_rng(4)
    skin = np.clip(np.array([225, 170, 140]) + rng.normal(0, 14, (4000, 3)), 0, 255)
    eyes = np.clip(np.array([30, 60, 200]) + rng.normal(0, 3, (8, 3)), 0, 255)
    palette = find_palette(np.concatenate([skin, eyes]).astype(np.uint8), 4)
    nearest = np.linalg.norm(bytes_to_lab(palette) - bytes_to_lab(np.array([30, 60, 200], np.uint8)), axis=1).min()
    assert nearest < 0.03


@pytest.mark.parametrize("count", [0, 1, 256])
def test_a_palette_has_from_2_to_255_colours(count: int) -> None:
    with pytest.raises(PaletteInvalid, match="2 to 255"):
        voxelize(box((4, 4, 8)), VoxelSettings(8, colours=count))


def test_a_palette_picture_is_read_in_order_without_transparent_pixels() -> None:
    image = np.array([[[*GREEN, 255], [*RED, 255]], [[9, 9, 9, 0], [*GREEN, 255]]], np.uint8)
    np.testing.assert_array_equal(palette_of_picture(image), [GREEN, RED])
    photograph = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert 200 <= len(palette_of_picture(photograph)) <= 255


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
    ],
)
def test_a_picture_that_is_no_palette_is_refused(image: np.ndarray) -> None:
    with pytest.raises(PaletteInvalid):
        palette_of_picture(image)


def test_a_given_palette_is_used_as_it_is() -> None:
    image = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    figure = voxelize(wall(image), VoxelSettings(8, palette=PRESETS["FIGURINE_16"]))
    assert {tuple(c) for c in front(figure).reshape(-1, 3).tolist()} <= {
        tuple(c) for c in PRESETS["FIGURINE_16"].tolist()
    }
    with pytest.raises(PaletteInvalid):
        voxelize(wall(image), VoxelSettings(8, palette=np.zeros((3, 4), np.uint8)))


@pytest.mark.parametrize(("name", "count"), [("FIGURINE_16", 16), ("FIGURINE_32", 32)])
def test_presets_have_that_many_distinguishable_colours(name: str, count: int) -> None:
    labs = bytes_to_lab(PRESETS[name])
    apart = np.linalg.norm(labs[:, None] - labs[None], axis=2)[np.triu_indices(len(labs), 1)]
    assert len(labs) == count
    assert apart.min() > 0.05


def test_dithering_mixes_to_the_wanted_lightness_and_leaves_exact_colours_alone() -> None:
    palette = np.array([[100, 100, 100], [130, 130, 130]], np.uint8)
    cells = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for level in (100, 107, 115, 123, 130):
        wanted = np.full((len(cells), 3), level, np.uint8)
        mixed = bytes_to_lab(palette[dithered_colours(wanted, palette, cells)])[:, 0].mean()
        assert mixed == pytest.approx(bytes_to_lab(wanted)[0, 0], abs=0.003)
    far = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    assert len(set(dithered_colours(np.full((len(cells), 3), 110, np.uint8), far, cells).tolist())) == 1


def row_of_voxels(count: int) -> np.ndarray:
    """Neighbours (N, 26) of voxels in a row."""
    neighbours = np.full((count, 26), count)
    neighbours[1:, 0], neighbours[:-1, 1] = np.arange(count - 1), np.arange(1, count)
    return neighbours


def test_shading_between_two_colours_leaves_no_specks_and_a_line_stays() -> None:
    palette = np.array([[100, 80, 60], [130, 104, 78], [20, 20, 20]], np.uint8)
    between = np.full((40, 3), (116, 93, 70), np.uint8)
    between[::3] = (112, 89, 67)
    between[20] = (40, 30, 30)
    plain = nearest_colours(between, palette)
    calm = calm_colours(between, palette, row_of_voxels(40))
    assert np.count_nonzero(np.diff(plain.astype(int))) > 20
    assert (calm[:18] == 1).all()
    assert (calm[23:] == 1).all()
    assert calm[20] == 2


def test_colours_of_the_palette_stay_however_near_to_each_other() -> None:
    palette = np.array([[100, 100, 100], [103, 103, 103], [200, 30, 30]], np.uint8)
    index = np.random.default_rng(1).integers(0, 3, 60).astype(np.uint8)
    np.testing.assert_array_equal(calm_colours(palette[index], palette, row_of_voxels(60)), index)


@pytest.mark.parametrize("name", ["adventurer.png", "fox_kid.png", "lantern.png", "pup.png", "robot.jpg"])
@pytest.mark.parametrize("size", [32, 64])
def test_no_colour_of_a_thousandth_of_a_picture_is_lost(name: str, size: int) -> None:
    """Eyes, pupils and outlines of the examples, as shares of the picture on a wall: with many colours and with few."""
    image = cv2.imread(str(EXAMPLES / name))[::2, ::2, ::-1].copy()
    key = (image >> 5).reshape(-1, 3) @ np.array([64, 8, 1])
    labs = bytes_to_lab(image.reshape(-1, 3))
    there = [labs[key == group].mean(0) for group in np.flatnonzero(np.bincount(key) >= len(key) / 1000)]
    for colours, furthest in ((255, 0.1), (16, 0.15)):
        figure = voxelize(wall(image), VoxelSettings(size, colours=colours))
        seen = bytes_to_lab(figure.palette[np.unique(figure.colour)])
        assert max(np.linalg.norm(seen - lab, axis=1).min() for lab in there) < furthest


def test_the_palettes_picture_shows_each_colour_where_its_uv_points() -> None:
    palette = np.random.default_rng(0).integers(0, 256, (255, 3)).astype(np.uint8)
    image, uv = palette_image(palette), palette_uv(np.arange(255, dtype=np.uint8))
    seen = image[((1 - uv[:, 1]) * 16).astype(int), (uv[:, 0] * 16).astype(int)]
    np.testing.assert_array_equal(seen[:, :3], palette)
    assert (image[..., 3] == 255).all()


def test_clear_texels_are_neither_voxels_nor_colours() -> None:
    """Lashes before a face: a clear sheet with one opaque half, a little before a wall."""
    skin = np.full((8, 8, 4), (*GREEN, 255), np.uint8)
    lashes = np.full((8, 8, 4), (*RED, 0), np.uint8)
    lashes[:4] = (*BLUE, 255)
    back, sheet = wall(skin), wall(lashes)
    fine = np.linspace(0, 8, 9)
    vertices = np.array([[x, -3.0, z] for z in fine for x in fine])
    faces = np.array([[r * 9 + c + k for k in (0, 1, 10)] for r in range(8) for c in range(8)])
    faces = np.concatenate([faces, faces[:, [0, 2, 2]] + np.array([0, 0, -1])])
    mesh = SurfaceMesh(
        np.concatenate([back.vertices, vertices]),
        np.concatenate([back.triangles, faces + 4]),
        uv=np.concatenate([back.uv, vertices[faces][:, :, [0, 2]] / 8]),
        face_material=np.repeat([0, 1], [2, len(faces)]),
        materials=(*back.materials, *sheet.materials),
    )
    seen = front(voxelize(mesh, VoxelSettings(8, colour_mode="MEAN")))
    assert (seen[:4] == BLUE).all()
    assert (seen[4:] == GREEN).all()
    clear = SurfaceMesh(sheet.vertices, sheet.triangles, uv=sheet.uv, materials=(Material(image=lashes * 0),))
    with pytest.raises(MeshUnusable, match="transparent"):
        voxelize(clear, VoxelSettings(8))
