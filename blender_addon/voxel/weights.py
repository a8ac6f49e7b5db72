# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh's skin on the voxels: of each visible cell, and of each corner of the quads."""

from __future__ import annotations

import numpy as np

from .arrays import Bools, Float32s, Floats, Ints, heaviest_first, places_in
from .faces import QuadMesh
from .mesh import Influences, SurfaceMesh
from .samples import Samples
from .shell import Shell

MOST_INFLUENCES = 4
TABLE_ITEMS = 8_000_000  # entries of a table of vertices by bones that is summed at once: 64 MB


def cell_influences(mesh: SurfaceMesh, samples: Samples, chosen: Ints) -> Influences:
    """Of every cell the weights at one sample. chosen: (N,), indices into the samples. Needs a skin."""
    if mesh.influences is None:
        raise ValueError("the mesh has no skin")
    corners = mesh.triangles[samples.face[chosen]]
    bones = np.asarray(mesh.influences.bones, np.int64)[corners]
    weights = np.asarray(mesh.influences.weights, np.float32)[corners] * samples.barycentric[chosen][:, :, None]
    rows = np.repeat(np.arange(len(chosen)), bones.shape[1] * bones.shape[2])
    return strongest(rows, bones.reshape(-1), weights.reshape(-1), len(chosen))


def corner_influences(mesh: QuadMesh, shell: Shell, cells: Influences) -> Influences:
    """Of every vertex the average of the cells whose quads meet there, so that neighbours bend together."""
    rows = shell.rows(mesh.cells)
    shape = *mesh.quads.shape, cells.bones.shape[1]
    vertices, bones, weights = (
        np.broadcast_to(of_quad, shape).reshape(-1)
        for of_quad in (mesh.quads[:, :, None], cells.bones[rows][:, None], cells.weights[rows][:, None])
    )
    return strongest(vertices, bones, weights, len(mesh.vertices))


def strongest(rows: Ints, bones: Ints, weights: Float32s | Floats, count: int) -> Influences:
    """Add up the weights of each row and bone and keep the four largest: (count, 4), rows summing to 1.

    Of equal ones the lower bone stays. A row without weight belongs to bone 0.
    """
    bone_count = int(bones.max(initial=0)) + 1
    kept_bones = np.zeros((count, MOST_INFLUENCES), np.int64)
    kept = np.zeros((count, MOST_INFLUENCES))
    keys, table_rows = rows * bone_count + bones, max(TABLE_ITEMS // bone_count, 1)
    for start in range(0, count, table_rows):
        part: Bools | slice = slice(None) if table_rows >= count else rows // table_rows == start // table_rows
        table = np.bincount(keys[part] - start * bone_count, weights[part])
        key = np.flatnonzero(table)
        row = key // bone_count
        rank = heaviest_first(row, table[key])
        place = places_in(row, count)
        few = place < MOST_INFLUENCES
        row, place, key = start + row[few], place[few], key[rank[few]]
        kept_bones[row, place], kept[row, place] = key % bone_count, table[key]
    total = kept.sum(1, keepdims=True)
    kept[total[:, 0] == 0, 0] = 1
    return Influences(kept_bones, (kept / np.where(total > 0, total, 1)).astype(np.float32))
