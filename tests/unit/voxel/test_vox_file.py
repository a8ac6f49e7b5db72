# SPDX-License-Identifier: GPL-3.0-or-later
"""MagicaVoxel files: written ones in a second reader, read ones from bytes made by hand, damaged ones."""

from __future__ import annotations

import itertools
import struct
import tracemalloc

import numpy as np
import pytest

from blender_addon.voxel.errors import PaletteInvalid, SizeOutOfRange, VoxFileDamaged
from blender_addon.voxel.vox_figure import figure_of_scene
from blender_addon.voxel.vox_read import LARGEST_FILE_bytes, read_vox
from blender_addon.voxel.vox_scene import DEFAULT_PALETTE, VoxModel, VoxPlacement, VoxScene, scene_of_cells
from blender_addon.voxel.vox_write import write_vox
from blender_addon.voxel.voxelize import VoxelFigure, vox_scene
from tests.unit.voxel.vox_reader import VoxFile

MOST_MEMORY_bytes = 512 << 20


def random_voxels(count: int, span: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, span, (count, 3)), axis=0)
    palette = rng.integers(0, 256, (255, 3)).astype(np.uint8)
    return cells, rng.integers(0, 255, len(cells)).astype(np.uint8), palette


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


def chunk(name: bytes, content: bytes = b"", children: bytes = b"") -> bytes:
    return name + struct.pack("<2i", len(content), len(children)) + content + children


def vox(*chunks: bytes) -> bytes:
    return b"VOX " + struct.pack("<i", 150) + chunk(b"MAIN", b"", b"".join(chunks))


def numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def words(**items: str) -> bytes:
    pairs = [part.encode() for pair in items.items() for part in pair]
    return numbers(len(items)) + b"".join(numbers(len(part)) + part for part in pairs)


SIZE = chunk(b"SIZE", numbers(2, 3, 4))
VOXELS = chunk(b"XYZI", numbers(2) + bytes([0, 0, 0, 1, 1, 2, 3, 255]))
MODEL = SIZE + VOXELS


def transform(node: int, child: int, **frame: str) -> bytes:
    return named(node, child, 0, {}, **frame)


def named(node: int, child: int, layer: int, about: dict[str, str], **frame: str) -> bytes:
    return chunk(b"nTRN", numbers(node) + words(**about) + numbers(child, -1, layer, 1) + words(**frame))


def layer_chunk(layer: int, **about: str) -> bytes:
    return chunk(b"LAYR", numbers(layer) + words(**about) + numbers(-1))


def material(colour: int, **about: str) -> bytes:
    return chunk(b"MATL", numbers(colour) + words(**about))


def group(node: int, *children: int) -> bytes:
    return chunk(b"nGRP", numbers(node) + words() + numbers(len(children), *children))


def shape(node: int, model: int) -> bytes:
    return chunk(b"nSHP", numbers(node) + words() + numbers(1, model) + words())


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


def a_scene_as_artists_save_it() -> bytes:
    """Nested, turned groups, a model that is shown three times, hidden things of three kinds, layers, a lamp."""
    odd = chunk(b"SIZE", numbers(3, 5, 7)) + chunk(
        b"XYZI", numbers(4) + bytes([0, 0, 0, 1, 2, 4, 6, 2, 1, 0, 3, 7, 2, 1, 5, 200])
    )
    palette = np.random.default_rng(5).integers(0, 256, (256, 4)).astype(np.uint8).tobytes()
    return vox(
        MODEL,
        odd,
        named(0, 1, -1, {}),
        group(1, 2, 8, 10, 12),
        named(2, 3, 1, {"_name": "limbs"}, _t="-7 20 4", _r="40"),
        group(3, 4, 6),
        named(4, 5, 0, {"_name": "left"}, _t="5 0 -3", _r="17"),
        shape(5, 1),
        named(6, 7, 0, {}, _t="-5 1 3", _r="98"),
        shape(7, 1),
        named(8, 9, 2, {"_name": "on a hidden layer"}, _t="0 0 90"),
        shape(9, 0),
        named(10, 11, 0, {"_name": "hidden itself", "_hidden": "1"}),
        shape(11, 0),
        named(12, 13, 0, {"_name": "hidden group", "_hidden": "1"}),
        group(13, 14),
        named(14, 15, 0, {"_hidden": "0"}),
        shape(15, 1),
        chunk(b"rCAM", numbers(0) + words(_mode="pers")),
        chunk(b"RGBA", palette),
        *(layer_chunk(n, _name=f"layer {n}", **({"_hidden": "1"} if n == 2 else {})) for n in range(8)),
        *(material(n, _type="_diffuse") for n in range(1, 257) if n != 7),
        material(7, _type="_emit", _weight="1", _emit="0.75", _flux="2", _ldr="0.4"),
        chunk(b"rOBJ", words(_type="_setting")),
        chunk(b"NOTE", numbers(1) + words()[:4]),
    )


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


DAMAGED = {
    "empty": b"",
    "another kind": b"RIFF" + vox(MODEL)[4:],
    "only a head": b"VOX " + numbers(150),
    "no model": vox(),
    "its last byte missing": vox(MODEL)[:-1],
    "a chunk longer than the file": b"VOX " + numbers(150) + b"MAIN" + numbers(0, 2**31 - 1),
    "a negative length": b"VOX " + numbers(150) + b"MAIN" + numbers(-5, 0),
    "size zero": vox(chunk(b"SIZE", numbers(0, 1, 1)), VOXELS),
    "size 257": vox(chunk(b"SIZE", numbers(257, 1, 1)), VOXELS),
    "size cut": vox(chunk(b"SIZE", numbers(1, 1)), VOXELS),
    "voxels without a size": vox(VOXELS),
    "two sizes": vox(SIZE, MODEL),
    "more voxels announced": vox(SIZE, chunk(b"XYZI", numbers(2**30) + b"1234")),
    "a negative number of voxels": vox(SIZE, chunk(b"XYZI", numbers(-1))),
    "a voxel outside": vox(SIZE, chunk(b"XYZI", numbers(1) + bytes([2, 0, 0, 1]))),
    "colour zero": vox(SIZE, chunk(b"XYZI", numbers(1) + bytes([1, 0, 0, 0]))),
    "a short palette": vox(MODEL, chunk(b"RGBA", bytes(100))),
    "a short order": vox(MODEL, chunk(b"IMAP", bytes(100))),
    "a missing node": vox(MODEL, transform(0, 1)),
    "a missing model": vox(MODEL, transform(0, 1), shape(1, 7)),
    "a negative model": vox(MODEL, transform(0, 1), shape(1, -1)),
    "a circle": vox(MODEL, transform(0, 1), transform(1, 0)),
    "a circle below a root": vox(MODEL, transform(0, 1), group(1, 2), transform(2, 1)),
    "a node named twice": vox(MODEL, transform(0, 1), transform(0, 1), shape(1, 0)),
    "a long chain": vox(MODEL, *(transform(n, n + 1) for n in range(400)), shape(400, 0)),
    "a group that doubles itself": vox(MODEL, *(group(n, n + 1, n + 1) for n in range(40)), shape(40, 0)),
    "a wide group": vox(MODEL, group(0, *[1] * 100_000), shape(1, 0)),
    "a translation of words": vox(MODEL, transform(0, 1, _t="a b c"), shape(1, 0)),
    "a translation of two": vox(MODEL, transform(0, 1, _t="1 2"), shape(1, 0)),
    "a translation beyond numbers": vox(MODEL, transform(0, 1, _t="1 2 " + "9" * 5000), shape(1, 0)),
    "digits that are none": vox(MODEL, transform(0, 1, _t="1 2 ²"), shape(1, 0)),
    "a rotation that is none": vox(MODEL, transform(0, 1, _r="0"), shape(1, 0)),
    "a string longer than its chunk": vox(MODEL, chunk(b"nTRN", numbers(0, 1, 2**31 - 1))),
    "a string of negative length": vox(MODEL, chunk(b"nTRN", numbers(0, 1, -7))),
    "billions of words": vox(MODEL, material(1), chunk(b"MATL", numbers(1, 2**31 - 1))),
    "thousands of materials": vox(MODEL, *(material(n) for n in range(3000))),
    "thousands of layers": vox(MODEL, *(layer_chunk(n) for n in range(9000))),
    "a layer cut short": vox(MODEL, chunk(b"LAYR", numbers(0, 1))),
    "a translation that is no number": vox(MODEL, transform(0, 1, _t="nan inf 0"), shape(1, 0)),
    "a translation that adds up": vox(
        MODEL, *(transform(n, n + 1, _t=f"{1 << 24} 0 0") for n in range(200)), shape(200, 0)
    ),
}


@pytest.mark.parametrize("what", list(DAMAGED))
def test_a_damaged_file_is_an_error(what: str) -> None:
    with pytest.raises(VoxFileDamaged, match=r"cannot be read: .+\."):
        read_vox(DAMAGED[what])


def test_a_file_that_shows_few_voxels_very_often_takes_little_memory() -> None:
    voxels = np.stack(np.unravel_index(np.arange(100_000), (64, 64, 64)), axis=1)
    full = chunk(b"XYZI", numbers(len(voxels)) + np.insert(voxels, 3, 1, axis=1).astype(np.uint8).tobytes())
    bomb = vox(chunk(b"SIZE", numbers(64, 64, 64)), full, group(0, *[1] * 10_000), shape(1, 0))
    tracemalloc.start()
    with pytest.raises(VoxFileDamaged, match="more than"):
        read_vox(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY_bytes / 8


def test_two_voxels_at_the_ends_of_the_largest_grid_take_less_than_half_a_gibibyte() -> None:
    shown = VoxScene(
        (VoxModel((1, 1, 1), np.array([[0, 0, 0, 1]], np.uint8)),),
        (VoxPlacement(0, (0, 0, 0)), VoxPlacement(0, (509, 509, 509))),
        DEFAULT_PALETTE,
    )
    tracemalloc.start()
    assert len(figure_of_scene(shown, 1.0).shell.cells) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY_bytes


@pytest.mark.full
def test_the_largest_scene_is_read_in_half_a_gibibyte() -> None:
    side = 228
    cells = np.stack(np.unravel_index(np.arange(side**3), (side, side, side)), axis=1)
    data = write_vox(scene_of_cells(cells, np.zeros(len(cells), np.uint8), np.zeros((1, 3), np.uint8)))
    del cells
    tracemalloc.start()
    figure = figure_of_scene(read_vox(data), 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert figure.grid.solid.sum() == side**3
    assert len(figure.shell.cells) == side**3 - (side - 2) ** 3
    assert peak + len(data) < MOST_MEMORY_bytes


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(VoxFileDamaged, match="larger"):
        read_vox(b"VOX " + bytes(LARGEST_FILE_bytes))


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, double, or overwrite with an extreme number."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if len(changed) < 8:
            break
        at = int(rng.integers(0, len(changed) - 4))
        kind = rng.integers(0, 5)
        if kind == 0:
            changed[at] = int(rng.integers(0, 256))
        elif kind == 1:
            del changed[at : at + int(rng.integers(1, 40))]
        elif kind == 2:
            changed[at:at] = changed[at : at + int(rng.integers(1, 60))]
        elif kind == 3:
            changed[at : at + 4] = numbers(int(rng.choice([-1, 0, 1, 255, 257, 2**31 - 1, -(2**31), 65536])))
        else:
            changed = changed[: max(at, 8)]
    return bytes(changed)


def fuzz(cases: int, seed: int) -> None:
    cells, index, palette = random_voxels(60, (300, 9, 9))
    plain = scene_of_cells(cells, index, palette, "fuzz")
    seeds = [write_vox(VoxScene(plain.models, plain.placements, plain.palette, bytes(256))), vox(MODEL)]
    seeds.append(vox(MODEL, transform(0, 1), group(1, 2, 2), transform(2, 3, _t="1 2 3", _r="17"), shape(3, 0)))
    seeds.append(a_scene_as_artists_save_it())
    rng = np.random.default_rng(seed)
    damaged = 0
    tracemalloc.start()
    for case in range(cases):
        try:
            scene = read_vox(mutate(seeds[case % len(seeds)], rng))
            assert write_vox(read_vox(write_vox(scene))) == write_vox(scene)
            figure_of_scene(scene, 1.0)
        except (VoxFileDamaged, SizeOutOfRange) as error:
            assert error.message
            damaged += 1
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY_bytes
    tracemalloc.stop()
    assert cases / 3 < damaged < cases


def test_a_few_hundred_damaged_files_are_errors_and_never_crashes() -> None:
    fuzz(200, seed=0)


@pytest.mark.full
def test_ten_thousand_damaged_files_are_errors_and_never_crashes() -> None:
    fuzz(10_000, seed=1)


def test_a_model_without_voxels_and_one_shown_twice_are_read() -> None:
    empty = chunk(b"SIZE", numbers(1, 1, 1)) + chunk(b"XYZI", numbers(0))
    scene = read_vox(vox(empty, MODEL, transform(0, 1), group(1, 2, 2, 3), shape(2, 1), shape(3, 0)))
    assert [placement.model for placement in scene.placements] == [1, 1, 0]
    assert len(scene.cells()[0]) == 4
    assert isinstance(scene.models[0], VoxModel)
