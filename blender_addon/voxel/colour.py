# SPDX-License-Identifier: GPL-3.0-or-later
"""One colour for each visible voxel, from the points of the surface that fall to it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .arrays import Bools, Bytes, Float32s, Floats, Ints, distinct, dot, heaviest_first, places_in, taken
from .mesh import SurfaceMesh
from .oklab import bytes_to_linear, linear_to_bytes, linear_to_lab
from .samples import Samples

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
    colours = np.zeros((3, len(samples.row)), np.uint8)
    material_of = materials_of(mesh)[samples.face]
    uv = None if mesh.uv is None else blend(np.asarray(mesh.uv, np.float32), samples)
    for index, material in enumerate(mesh.materials):
        own = np.flatnonzero(material_of == index)
        if material.image is None or uv is None:
            colours[:, own] = to_bytes(np.array(material.colour[:3], np.float32))[:, None]
        else:
            colours[:, own] = to_bytes(texels_at(material.image, taken(uv, own))[:, :3]).T
    return colours.T


def materials_of(mesh: SurfaceMesh) -> Ints:
    """The material of every face; the last for an index beyond them, as Blender shows it."""
    if mesh.face_material is None:
        return np.zeros(len(mesh.triangles), np.int64)
    return np.clip(np.asarray(mesh.face_material, np.int64), 0, len(mesh.materials) - 1)


def blend(corner_values: Float32s, samples: Samples) -> Float32s:
    """(S, C) of values (F, 3, C) at the corners."""
    weights = samples.barycentric
    blended = weights[:, :1] * taken(corner_values[:, 0], samples.face)
    for corner in (1, 2):
        blended += weights[:, corner, None] * taken(corner_values[:, corner], samples.face)
    return np.asarray(blended, np.float32)


def texels_at(image: Bytes | Floats, uv: Float32s) -> Bytes | Floats:
    """The texels (N, channels) that hold these places (N, 2); images repeat."""
    height, width = image.shape[:2]
    place = np.nan_to_num(uv, nan=0.0, posinf=0.0, neginf=0.0)
    place = place - np.floor(place)
    column = np.minimum((place[:, 0] * width).astype(np.int64), width - 1)
    row = np.minimum(((1 - place[:, 1]) * height).astype(np.int64), height - 1)
    texels: Bytes | Floats = np.take(image.reshape(height * width, -1), row * width + column, axis=0)
    return texels


def to_bytes(values: Bytes | Floats | Float32s) -> Bytes:
    """Colours of 0 to 1 as bytes; bytes stay."""
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    return np.asarray(np.round(np.clip(np.nan_to_num(values), 0, 1).astype(np.float64) * 255), np.uint8)


def voxel_colours(samples: Samples, colours: Bytes, neighbours: Ints, mode: ColourMode) -> Bytes:
    """sRGB bytes (N, 3) of the shell's rows; black where a row has no sample. neighbours: as of `neighbour_rows`.

    MEAN: the light that they have together. DOMINANT: the colour that most of the surface has, so that no colour is
    made up. EDGES: the same, where a colour counts the more, the more it differs from the surroundings, so that eyes
    and outlines survive.
    """
    count = len(neighbours)
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
        around = _surroundings(mean, has, neighbours)
        chosen = _best(light, support * (PLAIN_CONTRAST + np.linalg.norm(labs - around[:, None], axis=2)))
    return linear_to_bytes(chosen)


def _candidates(samples: Samples, colours: Bytes, linear: Floats, count: int) -> tuple[Floats, Floats]:
    """The colours that most of a voxel's surface has: linear light (N, C, 3) and shares (N, C), the largest first."""
    coarse = (colours >> (8 - BIN_BITS)).astype(np.int64)
    bins = (coarse[:, 0] << 2 * BIN_BITS) + (coarse[:, 1] << BIN_BITS) + coarse[:, 2]
    keys, which = distinct((samples.row << 3 * BIN_BITS) + bins)
    row = keys >> 3 * BIN_BITS
    weight = np.bincount(which, samples.weight)
    order = heaviest_first(row, weight)
    place = places_in(row, count)
    kept = place < CANDIDATES
    row, place, best = row[kept], place[kept], order[kept]
    light, share = np.zeros((3, CANDIDATES, count)).T, np.zeros((CANDIDATES, count)).T
    light[row, place] = _weighted_mean(which, samples.weight, linear, len(keys))[best]
    share[row, place] = weight[best] / np.bincount(samples.row, samples.weight, count)[row]
    return light, share


def _support(labs: Floats, share: Floats) -> Floats:
    """(N, C): each candidate's share and, the nearer the more, those of its shades. labs: OKLab (N, C, 3)."""
    support = share.copy()
    for first in range(1, CANDIDATES):
        rows = np.flatnonzero(share[:, first])
        for second in range(first):
            apart = taken(labs[:, first], rows) - taken(labs[:, second], rows)
            alike = np.exp(-dot(apart, apart) / SAME_COLOUR**2)
            support[rows, first] += alike * share[rows, second]
            support[rows, second] += alike * share[rows, first]
    return support


def _best(light: Floats, score: Floats) -> Floats:
    """Of each row (N, C, 3) the candidate with the highest score (N, C)."""
    return np.asarray(light[np.arange(len(light)), score.argmax(1)])


def _weighted_mean(row: Ints, weight: Float32s, values: Floats, count: int) -> Floats:
    total = np.maximum(np.bincount(row, weight, count), 1e-30)
    return np.asarray(np.stack([np.bincount(row, weight * value, count) / total for value in values.T]).T)


def _surroundings(light: Floats, has: Bools, neighbours: Ints) -> Floats:
    """OKLab (N, 3) of what lies about each row: rounds of averages with the neighbours on the surface.

    neighbours: as of `neighbour_rows`. The same on both sides of a figure, wherever the grid begins.
    """
    known = np.zeros((4, len(has) + 1))
    known[:3, :-1], known[3, :-1] = np.where(has, light.T, 0), has
    for _ in range(AROUND_steps):
        total = known.copy()
        for column in neighbours.T:
            total[:, :-1] += np.take(known, column, axis=1)
        known = total / np.maximum(total[3], 1e-30)
    return linear_to_lab(known[:3, :-1].T)
