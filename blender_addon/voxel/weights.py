# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh's skin on the voxels: of each visible cell, and of each corner of the quads."""

from __future__ import annotations

import numpy as np

from .arrays import Float32s, Floats, Ints
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
    bones = np.repeat(cells.bones[rows][:, None], 4, axis=1)
    weights = np.repeat(cells.weights[rows][:, None], 4, axis=1)
    vertices = np.repeat(mesh.quads.reshape(-1), cells.bones.shape[1])
    return strongest(vertices, bones.reshape(-1), weights.reshape(-1), len(mesh.vertices))


def strongest(rows: Ints, bones: Ints, weights: Float32s | Floats, count: int) -> Influences:
    """Add up the weights of each row and bone and keep the four largest: (count, 4), rows summing to 1.

    Of equal ones the lower bone stays. A row without weight belongs to bone 0.
    """
    used = weights > 0
    rows, bones, weights = rows[used], bones[used], weights[used]
    bone_count = int(bones.max()) + 1 if len(bones) else 1
    kept_bones = np.zeros((count, MOST_INFLUENCES), np.int64)
    kept = np.zeros((count, MOST_INFLUENCES))
    order = np.argsort(rows, kind="stable") if (np.diff(rows) < 0).any() else np.arange(len(rows))
    rows, bones, weights = rows[order], bones[order], weights[order]
    table_rows = max(TABLE_ITEMS // bone_count, 1)
    for start in range(0, count, table_rows):
        part = slice(*np.searchsorted(rows, [start, start + table_rows]))
        table = np.bincount((rows[part] - start) * bone_count + bones[part], weights[part])
        key = np.flatnonzero(table)
        row, bone, weight = key // bone_count, key % bone_count, table[key]
        rank = np.lexsort((-weight, row))
        row, bone, weight = row[rank], bone[rank], weight[rank]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        few = place < MOST_INFLUENCES
        kept_bones[start + row[few], place[few]] = bone[few]
        kept[start + row[few], place[few]] = weight[few]
    total = kept.sum(1, keepdims=True)
    kept[total[:, 0] == 0, 0] = 1
    return Influences(kept_bones, (kept / np.where(total > 0, total, 1)).astype(np.float32))
