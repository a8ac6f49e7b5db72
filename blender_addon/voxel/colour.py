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
from .shell import Shell, neighbour_rows

ColourMode = Literal["MEAN", "DOMINANT", "EDGES"]

BIN_BITS = 4  # of each channel: colours that share them are one for DOMINANT and EDGES
CANDIDATES = 6  # of those colours, the most frequent of a voxel, from which one is chosen
SAME_COLOUR = 0.08  # OKLab distance at which colours support each other little: shades of one colour are not rivals
AROUND_steps = 3  # from voxel to voxel, to what EDGES compares a voxel's colours with
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
    light, share = _candidates(samples, colours, linear, count)
    labs = linear_to_lab(light)
    support = _support(labs, share)
    chosen = _best(light, support)
    if mode == "EDGES":
        has = share[:, 0] > 0
        around = _surroundings(mean, has, neighbour_rows(lattice, shell))
        chosen = _best(light, support * (PLAIN_CONTRAST + np.linalg.norm(labs - around[:, None], axis=2)))
    return linear_to_bytes(chosen)


def _candidates(samples: Samples, colours: Bytes, linear: Floats, count: int) -> tuple[Floats, Floats]:
    """The colours that most of a voxel's surface has: linear light (N, C, 3) and shares (N, C), the largest first."""
    coarse = (colours >> (8 - BIN_BITS)).astype(np.int64)
    bins = (coarse[:, 0] << 2 * BIN_BITS) + (coarse[:, 1] << BIN_BITS) + coarse[:, 2]
    keys, inverse = np.unique((samples.row << 3 * BIN_BITS) + bins, return_inverse=True)
    inverse = inverse.reshape(-1)
    row = keys >> 3 * BIN_BITS
    weight = np.bincount(inverse, samples.weight)
    order = np.lexsort((-weight, row))
    place = np.arange(len(row)) - np.searchsorted(row, row)  # sorted by row as the keys are
    kept = place < CANDIDATES
    row, place, best = row[kept], place[kept], order[kept]
    light, share = np.zeros((count, CANDIDATES, 3)), np.zeros((count, CANDIDATES))
    light[row, place] = _weighted_mean(inverse, samples.weight, linear, len(keys))[best]
    share[row, place] = weight[best] / np.bincount(samples.row, samples.weight, count)[row]
    return light, share


def _support(labs: Floats, share: Floats) -> Floats:
    """(N, C): each candidate's share and, the nearer the more, those of its shades. labs: OKLab (N, C, 3)."""
    support = share.copy()
    for first in range(1, CANDIDATES):
        rows = np.flatnonzero(share[:, first])
        for second in range(first):
            apart = labs[rows, first] - labs[rows, second]
            alike = np.exp(-np.einsum("ni,ni->n", apart, apart) / SAME_COLOUR**2)
            support[rows, first] += alike * share[rows, second]
            support[rows, second] += alike * share[rows, first]
    return support


def _best(light: Floats, score: Floats) -> Floats:
    """Of each row (N, C, 3) the candidate with the highest score (N, C)."""
    return np.asarray(light[np.arange(len(light)), score.argmax(1)])


def _weighted_mean(row: Ints, weight: Float32s, values: Floats, count: int) -> Floats:
    total = np.maximum(np.bincount(row, weight, count), 1e-30)
    return np.stack([np.bincount(row, weight * values[:, c], count) / total for c in range(3)], axis=1)


def _surroundings(light: Floats, has: Bools, neighbours: Ints) -> Floats:
    """OKLab (N, 3) of what lies about each row: rounds of averages with the neighbours on the surface.

    neighbours: as of `neighbour_rows`. The same on both sides of a figure, wherever the grid begins.
    """
    known = np.zeros((len(has) + 1, 4))
    known[:-1, :3], known[:-1, 3] = np.where(has[:, None], light, 0), has
    for _ in range(AROUND_steps):
        total = known.copy()
        for column in neighbours.T:
            total[:-1] += known[column]
        known = total / np.maximum(total[:, [3]], 1e-30)
    return linear_to_lab(known[:-1, :3])
