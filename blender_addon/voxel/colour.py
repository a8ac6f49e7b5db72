# SPDX-License-Identifier: GPL-3.0-or-later
"""One colour for each visible voxel, from the points of the surface that fall to it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .arrays import Bools, Bytes, Float32s, Floats, Ints
from .lattice import Lattice
from .mesh import SurfaceMesh
from .oklab import bytes_to_linear, linear_to_bytes, linear_to_lab
from .samples import Samples
from .shell import Shell

ColourMode = Literal["MEAN", "DOMINANT", "EDGES"]

BIN_BITS = 4  # of each channel: colours that share them count as one for DOMINANT and EDGES
AROUND_cells = 5  # edge of the block whose colour EDGES compares a voxel with
PLAIN_CONTRAST = 0.08  # added to a colour's OKLab distance from its surroundings: with less, specks would win


def sample_colours(mesh: SurfaceMesh, samples: Samples) -> Bytes:
    """sRGB bytes (S, 3) of the samples: of the vertex colours where the mesh has them, else of texture or material."""
    if mesh.corner_colours is not None:
        return to_bytes(blend(np.asarray(mesh.corner_colours, np.float32), samples))
    colours = np.zeros((len(samples.row), 3), np.uint8)
    material_of = materials_of(mesh)[samples.face]
    uv = None if mesh.uv is None else blend(np.asarray(mesh.uv, np.float32), samples)
    for index, material in enumerate(mesh.materials):
        own = np.flatnonzero(material_of == index)
        if material.image is None or uv is None:
            colours[own] = to_bytes(np.array(material.colour[:3], np.float32))
        else:
            colours[own] = to_bytes(texels_at(material.image, uv[own])[:, :3])
    return colours


def materials_of(mesh: SurfaceMesh) -> Ints:
    """The material of every face; the last for an index beyond them, as Blender shows it."""
    if mesh.face_material is None:
        return np.zeros(len(mesh.triangles), np.int64)
    return np.clip(np.asarray(mesh.face_material, np.int64), 0, len(mesh.materials) - 1)


def blend(corner_values: Float32s, samples: Samples) -> Float32s:
    """(S, C) of values (F, 3, C) at the corners."""
    weights = samples.barycentric
    blended = weights[:, [0]] * corner_values[samples.face, 0]
    for corner in (1, 2):
        blended += weights[:, [corner]] * corner_values[samples.face, corner]
    return np.asarray(blended, np.float32)


def texels_at(image: Bytes | Floats, uv: Float32s) -> Bytes | Floats:
    """The texels (N, channels) that hold these places (N, 2); images repeat."""
    height, width = image.shape[:2]
    place = np.nan_to_num(uv, nan=0.0, posinf=0.0, neginf=0.0)
    place = place - np.floor(place)
    column = np.minimum((place[:, 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1 - place[:, 1]) * height).astype(np.int64), height - 1)
    texels: Bytes | Floats = image[row, column]
    return texels


def to_bytes(values: Bytes | Floats | Float32s) -> Bytes:
    """Colours of 0 to 1 as bytes; bytes stay."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return np.asarray(np.round(np.clip(np.nan_to_num(values), 0, 1).astype(np.float64) * 255), np.uint8)


def voxel_colours(samples: Samples, colours: Bytes, lattice: Lattice, shell: Shell, mode: ColourMode) -> Bytes:
    """sRGB bytes (N, 3) of the shell's rows; black where a row has no sample.

    MEAN: the light that they have together. DOMINANT: the colour that most of the surface has, so that no colour is
    made up. EDGES: the same, where a colour counts the more, the more it differs from the surroundings, so that eyes
    and outlines survive.
    """
    count = len(shell.cells)
    linear = bytes_to_linear(colours)
    mean = _weighted_mean(samples.row, samples.weight, linear, count)
    if mode == "MEAN":
        return linear_to_bytes(mean)
    coarse = (colours >> (8 - BIN_BITS)).astype(np.int64)
    bins = (coarse[:, 0] << 2 * BIN_BITS) + (coarse[:, 1] << BIN_BITS) + coarse[:, 2]
    keys, inverse = np.unique((samples.row << 3 * BIN_BITS) + bins, return_inverse=True)
    inverse = inverse.reshape(-1)
    row = keys >> 3 * BIN_BITS
    weight = np.bincount(inverse, samples.weight)
    colour = _weighted_mean(inverse, samples.weight, linear, len(keys))
    score = weight
    if mode == "EDGES":
        share = weight / np.bincount(row, weight, count)[row]
        around = _surroundings(mean, np.bincount(row, minlength=count) > 0, lattice, shell)
        score = share * (PLAIN_CONTRAST + np.linalg.norm(linear_to_lab(colour) - around[row], axis=1))
    order = np.lexsort((score, row))
    chosen = np.zeros((count, 3))
    chosen[row[order]] = colour[order]  # the last, the best, stays
    return linear_to_bytes(chosen)


def _weighted_mean(row: Ints, weight: Float32s, values: Floats, count: int) -> Floats:
    total = np.maximum(np.bincount(row, weight, count), 1e-30)
    return np.stack([np.bincount(row, weight * values[:, c], count) / total for c in range(3)], axis=1)


def _surroundings(mean: Floats, has: Bools, lattice: Lattice, shell: Shell) -> Floats:
    """OKLab (N, 3) of the block that a row lies in."""
    blocks = lattice.unflat(shell.cells) // AROUND_cells
    spans = blocks.max(0) + 1
    _, block = np.unique((blocks[:, 0] * spans[1] + blocks[:, 1]) * spans[2] + blocks[:, 2], return_inverse=True)
    block = block.reshape(-1)
    return linear_to_lab(_weighted_mean(block, has.astype(np.float32), mean, int(block.max()) + 1))[block]
