# SPDX-License-Identifier: GPL-3.0-or-later
"""What a MagicaVoxel file holds: models of up to 256³ voxels, where they stand, and 255 colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from .arrays import Bytes, Int32s, Ints
from .errors import PaletteInvalid, SizeOutOfRange
from .palette import MOST_COLOURS

MODEL_SIDE = 256  # cells: coordinates are bytes
MOST_MODELS = 4096  # pieces of one file: a grid of 4,096 cells a side
MOST_VOXELS = 12_000_000  # that a scene shows, a solid ball of 256 and more: 0.4 GiB while they become cells
VOXELS_AT_ONCE = 1 << 20  # of a scene, as cells: 12 MiB
COLOUR_SLOTS = 256


def _default_palette() -> Bytes:
    """The colours of a file without any: a cube of six steps without its black, then four ramps of ten."""
    steps = range(255, -1, -51)
    cube = [(r, g, b) for r in steps for g in steps for b in steps][:-1]
    ramp = (0xEE, 0xDD, 0xBB, 0xAA, 0x88, 0x77, 0x55, 0x44, 0x22, 0x11)
    ramps = [
        tuple(value * on for on in mask) for mask in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)) for value in ramp
    ]
    return np.array([(*colour, 255) for colour in [*cube, *ramps]], np.uint8)


DEFAULT_PALETTE = _default_palette()


@dataclass(frozen=True, eq=False)
class VoxModel:
    """size: cells along X, Y, Z, 1 to 256. voxels: uint8 (N, 4): x, y, z and colour index 1 to 255."""

    size: tuple[int, int, int]
    voxels: Bytes


@dataclass(frozen=True)
class VoxPlacement:
    """model: index into the scene's. corner: the lowest cell of the scene that the turned model reaches to. rotation:
    (3, 3) as nested tuples, rows of a signed permutation that turns the model before it is placed. is_hidden: it, a
    group around it or its layer is switched off in MagicaVoxel.
    """

    model: int
    corner: tuple[int, int, int]
    name: str = ""
    rotation: tuple[tuple[int, int, int], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    is_hidden: bool = False


@dataclass(frozen=True, eq=False)
class VoxScene:
    """palette: uint8 (255, 4), sRGB and alpha; colour index i is row i - 1. Z is up, right-handed, as in Blender.

    display_order: the 256 bytes of IMAP, in which order MagicaVoxel shows the colours; it changes no voxel's colour.
    materials: what MATL says of a colour index, words as they are; colours that it does not name are matt.
    """

    models: tuple[VoxModel, ...]
    placements: tuple[VoxPlacement, ...]
    palette: Bytes
    display_order: bytes = field(default=b"", repr=False)
    materials: Mapping[int, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def cells(self) -> tuple[Int32s, Bytes]:
        """The voxels of all placements that are not hidden: cells (N, 3) of the scene, their colour indices (N,)."""
        parts = [(np.zeros((0, 3), np.int32), np.zeros(0, np.uint8)), *self.parts()]
        return np.concatenate([cells for cells, _ in parts]), np.concatenate([colours for _, colours in parts])

    def parts(self) -> Iterator[tuple[Int32s, Bytes]]:
        """As `cells`, in order, a part at a time: all together take much memory."""
        for placement in self.placements:
            if placement.is_hidden:
                continue
            model = self.models[placement.model]
            turn = np.array(placement.rotation, np.int32)
            turned = np.abs(turn) @ np.array(model.size, np.int32)
            corner = np.where(turn.sum(1) < 0, turned - 1, 0) + np.array(placement.corner, np.int32)
            for start in range(0, len(model.voxels), VOXELS_AT_ONCE):
                voxels = model.voxels[start : start + VOXELS_AT_ONCE]
                yield (voxels[:, :3].astype(np.int32) @ turn.T + corner).astype(np.int32), voxels[:, 3]


def lowest_cell(size: tuple[int, int, int], rotation: tuple[tuple[int, int, int], ...]) -> tuple[int, int, int]:
    """The lowest cell that a model reaches to when it is turned and then not moved.

    A model turns about its middle rounded down to a border between cells: where an odd side is turned round, it
    reaches one cell further down than one that is not.
    """
    turn = np.array(rotation)
    turned = np.abs(turn) @ np.array(size)
    return _triple(np.where(turn.sum(1) < 0, turned // 2 - turned, -(turned // 2)))


def scene_of_cells(cells: Ints, indices: Bytes, palette: Bytes, name: str = "") -> VoxScene:
    """Cut voxels into models of at most 256³. cells: (N, 3) ≥ 0. indices: (N,) into palette (K, 3), K ≤ 255.

    A name gets a number where it takes several models. Raises PaletteInvalid, SizeOutOfRange.
    """
    if not 1 <= len(palette) <= MOST_COLOURS:
        raise PaletteInvalid(f"it has {len(palette)} colours, and a .vox file holds from 1 to {MOST_COLOURS}")
    if len(indices) and int(indices.max()) >= len(palette):
        raise PaletteInvalid("a voxel has a colour that is not in it")
    colours = np.zeros((MOST_COLOURS, 4), np.uint8)
    colours[: len(palette), :3], colours[: len(palette), 3] = palette, 255
    if not 0 < len(cells) <= MOST_VOXELS:
        raise SizeOutOfRange("The number of voxels", 1, MOST_VOXELS, len(cells))
    block, which = np.unique(cells // MODEL_SIDE, axis=0, return_inverse=True)
    which = which.reshape(-1)
    if len(block) > MOST_MODELS:
        raise SizeOutOfRange("The number of models in a .vox file", 1, MOST_MODELS, len(block))
    models, placements = [], []
    for index in range(len(block)):
        own = np.flatnonzero(which == index)
        corner = cells[own].min(0)
        inside = cells[own] - corner
        voxels = np.concatenate([inside, indices[own, None].astype(np.int64) + 1], axis=1).astype(np.uint8)
        models.append(VoxModel(_triple(inside.max(0) + 1), voxels))
        label = name if not name or len(block) == 1 else f"{name} {index + 1}"
        placements.append(VoxPlacement(index, _triple(corner), label))
    return VoxScene(tuple(models), tuple(placements), colours)


def _triple(values: Ints) -> tuple[int, int, int]:
    x, y, z = values.tolist()
    return x, y, z
