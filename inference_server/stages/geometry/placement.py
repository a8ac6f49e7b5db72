# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a generated shape stands: the picture shows its front, and the shape's outline fills the subject's outline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_server.core.types import Float32, FrontView, Int32, Mesh, UInt8

# Of 255: fainter pixels are the cut-out's soft edge and not yet the subject.
_SOLID_ALPHA = 128


def place_before_picture(vertices: Float32, faces: Int32, rgba: UInt8) -> Mesh:
    """The mesh, scaled so that the picture's square is one metre a side and standing on the ground, with its view.

    vertices: (V, 3), house frame, any size, seen from +Z by the picture. rgba: (S, S, 4), the subject centred. The
    longer side of the subject's box in the picture decides the scale.
    """
    box_low, box_high = _subject_box(rgba)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    extent = np.maximum((high - low)[:2], np.finfo(np.float32).tiny)
    longer = int(np.argmax(box_high - box_low))
    scale = float((box_high - box_low)[longer] / extent[longer])
    placed = ((vertices - [0.0, low[1], 0.0]) * scale).astype(np.float32)
    middle = (placed.min(axis=0) + placed.max(axis=0))[:2] / 2
    center = middle + 0.5 - (box_low + box_high) / 2
    return Mesh(placed, faces, FrontView(float(center[0]), float(center[1]), 1.0))


def _subject_box(rgba: UInt8) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Lower left and upper right corner of the subject, in sides of the picture, y up from its lower edge."""
    alpha = rgba[..., 3]
    solid = alpha >= min(_SOLID_ALPHA, int(alpha.max()))
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    side = len(alpha)
    low = np.array([columns[0], side - 1 - rows[-1]]) / side
    return low, np.array([columns[-1] + 1, side - rows[0]]) / side
