# SPDX-License-Identifier: GPL-3.0-or-later
"""MagicaVoxel files: written ones in a second reader, read ones from bytes made by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from blender_addon.voxel.errors import PaletteInvalid, SizeOutOfRange, VoxFileDamaged
from blender_addon.voxel.vox_figure import figure_of_scene
from blender_addon.voxel.vox_read import read_vox
from blender_addon.voxel.vox_scene import DEFAULT_PALETTE, VoxModel, VoxPlacement, VoxScene, scene_of_cells
from blender_addon.voxel.vox_write import write_vox
from blender_addon.voxel.voxelize import VoxelFigure, vox_scene
from tests.unit.voxel.vox_bytes import (
    MODEL,
    a_scene_as_artists_save_it,
    chunk,
    group,
    named,
    numbers,
    random_voxels,
    shape,
    transform,
    vox,
)
from tests.unit.voxel.vox_reader import VoxFile


def as_dict(cells: np.ndarray, colours: np.ndarray) -> dict[tuple[int, ...], tuple[int, ...]]:
    return {tuple(c): (*rgb, 255) for c, rgb in zip(cells.tolist(), colours.tolist(), strict=True)}


@pytest.mark.parametrize("span", [(1, 1, 1), (5, 8, 3), (256, 256, 256), (257, 30, 300), (600, 20, 520)])
def test_a_second_reader_sees_the_same_voxels_and_colours(span: tuple[int, int, int]) -> None:
    cells, index, palette = random_voxels(4000, span)
    seen = VoxFile(write_vox(scene_of_cells(cells, index, palette, "Knight")))
    assert seen.voxels == as_dict(cells, palette[index])
    blocks = {tuple(block) for block in (cells // 256).tolist()}
    assert len(seen.models) == len(blocks)
    expected = ["Knight"] if len(blocks) == 1 else [f"Knight {n + 1}" for n in range(len(blocks))]
    assert seen.names == expected


def test_a_round_trip_is_exact() -> None:
    cells, index, palette = random_voxels(3000, (300, 40, 270))
    scene = scene_of_cells(cells, index, palette, "Ärmel ✂")
    data = write_vox(scene)
    again = read_vox(data)
    assert write_vox(again) == data
    for one, other in zip(scene.cells(), again.cells(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.palette, scene.palette)
    assert again.placements == scene.placements
    for one, other in zip(scene.models, again.models, strict=True):
        assert one.size == other.size
        np.testing.assert_array_equal(one.voxels, other.voxels)


def signed_permutations() -> list[tuple[tuple[int, int, int], ...]]:
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            rows = [[0, 0, 0] for _ in range(3)]
            for row, (column, sign) in enumerate(zip(order, signs, strict=True)):
                rows[row][column] = sign
            found.append(tuple(tuple(row) for row in rows))
    return found


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 2, 3), (4, 6, 8), (4, 5, 7), (3, 5, 7), (256, 1, 255)])
def test_turned_models_stand_where_the_second_reader_sees_them(size: tuple[int, int, int]) -> None:
    cells, index, palette = random_voxels(40, size)
    corners = np.array([(0, 0, 0), np.array(size) - 1])
    cells, first = np.unique(np.concatenate([corners, cells]), axis=0, return_index=True)
    index = np.concatenate([[0, 1], index]).astype(np.uint8)[first]
    model = scene_of_cells(cells, index, palette).models[0]
    assert model.size == size
    for turn in signed_permutations():
        scene = VoxScene((model,), (VoxPlacement(0, (3, -20, 100), "turned", turn),), DEFAULT_PALETTE)
        data = write_vox(scene)
        again = read_vox(data)
        assert again.placements == scene.placements
        at, colours = again.cells()
        assert at.min(0).tolist() == [3, -20, 100]
        assert VoxFile(data).voxels == {
            tuple(cell): tuple(DEFAULT_PALETTE[colour - 1].tolist())
            for cell, colour in zip(at.tolist(), colours.tolist(), strict=True)
        }


def test_the_order_in_which_colours_are_shown_is_kept_and_changes_no_colour() -> None:
    cells, index, palette = random_voxels(50, (9, 9, 9))
    plain = scene_of_cells(cells, index, palette)
    order = bytes(reversed(range(256)))
    ordered = read_vox(write_vox(VoxScene(plain.models, plain.placements, plain.palette, order)))
    assert ordered.display_order == order
    np.testing.assert_array_equal(ordered.cells()[1], plain.cells()[1])
    assert VoxFile(write_vox(ordered)).index_map == list(order)


def test_a_scene_becomes_a_figure_and_the_same_scene_again() -> None:
    cells, index, palette = random_voxels(900, (20, 9, 300))
    figure = figure_of_scene(scene_of_cells(cells, index, palette), 0.5)
    assert as_dict(*visible(figure)).items() <= as_dict(cells, palette[index]).items()
    again = VoxFile(write_vox(vox_scene(figure)))
    low = cells.min(0)
    moved = {tuple(np.array(cell) - low) for cell in as_dict(cells, palette[index])}
    assert {tuple(np.array(cell)) for cell in again.voxels} == moved
    far = VoxScene(
        scene_of_cells(cells, index, palette).models[:1],
        (VoxPlacement(0, (0, 0, 0)), VoxPlacement(0, (2000, 2000, 2000))),
        DEFAULT_PALETTE,
    )
    with pytest.raises(SizeOutOfRange, match="so wide"):
        figure_of_scene(far, 0.5)
    with pytest.raises(VoxFileDamaged, match="no voxel"):
        figure_of_scene(VoxScene((), (), DEFAULT_PALETTE), 0.5)


def visible(figure: VoxelFigure) -> tuple[np.ndarray, np.ndarray]:
    """Cells and colours of the shell; a voxel of half a unit."""
    lattice = figure.grid.lattice
    places = lattice.to_points(lattice.unflat(figure.shell.cells)) / 0.5
    return np.round(places).astype(int), figure.palette[figure.colour]


def test_what_does_not_fit_into_a_file_is_refused() -> None:
    cells, index, palette = random_voxels(50, (9, 9, 9))
    with pytest.raises(PaletteInvalid):
        scene_of_cells(cells, index, np.zeros((256, 3), np.uint8))
    with pytest.raises(PaletteInvalid):
        scene_of_cells(cells, np.full(len(cells), 3, np.uint8), palette[:3])
    with pytest.raises(SizeOutOfRange):
        scene_of_cells(cells[:0], index[:0], palette)


def test_an_old_file_without_palette_and_scene_graph_is_read() -> None:
    scene = read_vox(vox(chunk(b"PACK", numbers(1)), MODEL, chunk(b"MATT", b"anything")))
    cells, colours = scene.cells()
    assert cells.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert colours.tolist() == [1, 255]
    # The specification's table: index 1 is white, 2 is 0xffccffff as A B G R, 255 is 0xff111111.
    assert scene.palette[[0, 1, 254]].tolist() == [[255, 255, 255, 255], [255, 255, 204, 255], [17, 17, 17, 255]]


def test_nested_transforms_add_up_and_names_come_from_the_nearest_above() -> None:
    outer = named(0, 1, 0, {"_name": "outer"}, _t="10 0 0", _r="17")
    scene = read_vox(vox(MODEL, outer, group(1, 2), transform(2, 3, _t="1 2 3"), shape(3, 0)))
    # 17: row one is -y... the first row has its entry at column 1 and is negative, the second at column 0.
    assert scene.placements[0].rotation == ((0, -1, 0), (1, 0, 0), (0, 0, 1))
    assert scene.placements[0].name == "outer"
    # It turns about (1, 1, 2), which comes to (10, 0, 0) + (-2, 1, 3). Y is turned round to X: two of its three cells
    # lie above the middle, and now below it.
    assert scene.placements[0].corner == (8 - 2, 1 - 1, 3 - 2)


def test_a_scene_as_artists_save_it_is_read_and_comes_back() -> None:
    data = a_scene_as_artists_save_it()
    seen, scene = VoxFile(data), read_vox(data)
    assert len(seen.voxels) == 8
    assert all(max(map(abs, cell)) < 60 for cell in seen.voxels)
    cells, colours = scene.cells()
    assert as_rgba(scene.palette, cells, colours) == seen.voxels
    assert [(place.name, place.is_hidden, place.model) for place in scene.placements] == [
        ("left", False, 1),
        ("limbs", False, 1),
        ("on a hidden layer", True, 0),
        ("hidden itself", True, 0),
        ("hidden group", True, 1),
    ]
    again = write_vox(scene)
    resaved = VoxFile(again)
    assert resaved.voxels == seen.voxels
    assert resaved.names == seen.names
    assert resaved.materials == seen.materials
    assert resaved.materials[7]["_emit"] == "0.75"
    assert write_vox(read_vox(again)) == again


def test_models_of_several_hundred_cells_turn_with_their_group() -> None:
    cells, index, palette = random_voxels(4000, (300, 270, 9))
    plain = scene_of_cells(cells, index, palette)
    body = write_vox(plain)
    # The file of one figure in four pieces, its group turned round on all axes and moved.
    root = named(0, 1, -1, {}, _t="100 -50 7", _r="114")
    assert body.count(named(0, 1, -1, {})) == 1
    chunks = body[20:].replace(named(0, 1, -1, {}), root)
    data = b"VOX " + numbers(150) + b"MAIN" + numbers(0, len(chunks)) + chunks
    seen = VoxFile(data)
    at, colours = read_vox(data).cells()
    assert as_rgba(plain.palette, at, colours) == seen.voxels
    # 114: all rows negative, the axes in the order Z, X, Y; cell c of an axis that is turned round becomes -1 - c.
    wanted = {tuple((np.array([100, -50, 7]) - 1 - cell[[2, 0, 1]]).tolist()) for cell in cells}
    assert set(seen.voxels) == wanted


def as_rgba(palette: np.ndarray, cells: np.ndarray, colours: np.ndarray) -> dict[tuple[int, ...], tuple[int, ...]]:
    return {tuple(c): tuple(palette[i - 1].tolist()) for c, i in zip(cells.tolist(), colours.tolist(), strict=True)}


def test_a_model_without_voxels_and_one_shown_twice_are_read() -> None:
    empty = chunk(b"SIZE", numbers(1, 1, 1)) + chunk(b"XYZI", numbers(0))
    scene = read_vox(vox(empty, MODEL, transform(0, 1), group(1, 2, 2, 3), shape(2, 1), shape(3, 0)))
    assert [placement.model for placement in scene.placements] == [1, 1, 0]
    assert len(scene.cells()[0]) == 4
    assert isinstance(scene.models[0], VoxModel)
