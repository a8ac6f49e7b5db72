# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged .vox files: an error, and never a crash or more than 512 MiB."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from blender_addon.voxel.errors import SizeOutOfRange, VoxFileDamaged
from blender_addon.voxel.vox_figure import figure_of_scene
from blender_addon.voxel.vox_read import LARGEST_FILE_bytes, read_vox
from blender_addon.voxel.vox_scene import DEFAULT_PALETTE, VoxModel, VoxPlacement, VoxScene, scene_of_cells
from blender_addon.voxel.vox_write import write_vox
from tests.unit.voxel.vox_bytes import (
    MODEL,
    SIZE,
    VOXELS,
    a_scene_as_artists_save_it,
    chunk,
    group,
    layer_chunk,
    material,
    numbers,
    random_voxels,
    shape,
    transform,
    vox,
)

MOST_MEMORY_bytes = 512 << 20

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
