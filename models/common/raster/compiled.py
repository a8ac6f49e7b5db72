# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser for CPUs: numba's loops over bands of rows, one thread a core, with the same results on any number."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.common.raster.fragments import NOTHING, Fragments
from models.common.raster.jit import compile_loop
from models.common.raster.plain import EDGE

ROWS_A_BAND = 64  # enough bands to share out, few enough that walking all faces for each costs little


def rasterize_compiled(
    window: np.ndarray,  # (V, 4) float64
    faces: np.ndarray,  # (F, 3) int32
    height: int,
    width: int,
    depth_steps: float,
) -> Fragments:
    """See `rasterize`; faces behind the viewer are already taken out."""
    fragments = Fragments(
        np.full((height, width), NOTHING, np.int32),
        np.zeros((height, width, 3), np.float32),
        np.full((height, width), np.inf, np.float32),
    )
    window, faces = np.ascontiguousarray(window, np.float64), np.ascontiguousarray(faces, np.int32)

    def draw(top: int, bottom: int) -> None:
        rows = np.s_[top:bottom]
        band = fragments.face[rows], fragments.barycentric[rows], fragments.depth[rows]
        _draw_band(window, faces, top, depth_steps, band)

    for_bands(draw, height)
    return fragments


def interpolate_compiled(fragments: Fragments, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
    """See `interpolate`."""
    height, width = fragments.face.shape
    out = np.zeros((height, width, values.shape[1]), np.float32)
    values, faces = np.ascontiguousarray(values, np.float32), np.ascontiguousarray(faces, np.int32)

    def mix(top: int, bottom: int) -> None:
        _mix_band(fragments.face[top:bottom], fragments.barycentric[top:bottom], faces, values, out[top:bottom])

    for_bands(mix, height)
    return out


def for_bands(work: Callable[[int, int], None], height: int) -> None:
    """Call work(top, bottom) for every band of rows, as many at a time as there are cores."""
    tops = range(0, height, ROWS_A_BAND)
    with ThreadPoolExecutor(os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()) as threads:
        for _ in threads.map(lambda top: work(top, min(top + ROWS_A_BAND, height)), tops):
            pass


@compile_loop
def _draw_band(window, faces, top, depth_steps, band):  # type: ignore[no-untyped-def]
    """Draw the picture's rows from `top` on into the band's faces, barycentrics and depths."""
    face_ids, barycentric, depth = band
    rows, columns = face_ids.shape
    nearest = np.full((rows, columns), np.inf)
    for index in range(faces.shape[0]):
        a, b, c = window[faces[index, 0]], window[faces[index, 1]], window[faces[index, 2]]
        y_low, y_high = min(a[1], b[1], c[1]) - 0.5 - top, max(a[1], b[1], c[1]) - 0.5 - top
        first_row, last_row = np.ceil(max(y_low, 0.0)), np.floor(min(y_high, rows - 1.0))
        if first_row > last_row:
            continue
        first, last = min(a[0], b[0], c[0]) - 0.5, max(a[0], b[0], c[0]) - 0.5
        first_column, last_column = np.ceil(max(first, 0.0)), np.floor(min(last, columns - 1.0))
        x1, y1, x2, y2 = b[0] - a[0], b[1] - a[1], c[0] - a[0], c[1] - a[1]
        doubled_area = x1 * y2 - x2 * y1
        if first_column > last_column or doubled_area == 0.0:
            continue
        for row in range(int(first_row), int(last_row) + 1):
            y = row + top + 0.5 - a[1]
            for column in range(int(first_column), int(last_column) + 1):
                x = column + 0.5 - a[0]
                b1 = (x * y2 - x2 * y) / doubled_area
                b2 = (x1 * y - x * y1) / doubled_area
                b0 = 1.0 - b1 - b2
                if b0 < -EDGE or b1 < -EDGE or b2 < -EDGE:
                    continue
                z = b0 * a[2] + b1 * b[2] + b2 * c[2]
                key = np.floor(z * depth_steps) if depth_steps != 0.0 else z
                if key < nearest[row, column]:
                    nearest[row, column] = key
                    depth[row, column] = z
                    face_ids[row, column] = index
                    w0, w1, w2 = b0 * a[3], b1 * b[3], b2 * c[3]
                    barycentric[row, column, 0] = w0 / (w0 + w1 + w2)
                    barycentric[row, column, 1] = w1 / (w0 + w1 + w2)
                    barycentric[row, column, 2] = w2 / (w0 + w1 + w2)


@compile_loop
def _mix_band(face_ids, barycentric, faces, values, out):  # type: ignore[no-untyped-def]
    """Weigh the corners' values of every covered pixel."""
    for row in range(face_ids.shape[0]):
        for column in range(face_ids.shape[1]):
            face = face_ids[row, column]
            if face < 0:
                continue
            b0, b1, b2 = barycentric[row, column, 0], barycentric[row, column, 1], barycentric[row, column, 2]
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            for channel in range(values.shape[1]):
                out[row, column, channel] = b0 * values[i, channel] + b1 * values[j, channel] + b2 * values[k, channel]
