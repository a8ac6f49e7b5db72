# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes to choose from, as one picture."""

from __future__ import annotations

import math

import numpy as np

from inference_server.core.types import Mesh, UInt8


def draw_candidates(meshes: tuple[Mesh, ...]) -> UInt8:
    """The shapes in rows from left to right, the first at the top left, in a square: (S, S, 4) uint8."""
    from models.common.thumbnail import draw_thumbnail

    across = math.ceil(math.sqrt(len(meshes)))
    drawn = [draw_thumbnail(mesh.vertices, mesh.faces) for mesh in meshes]
    drawn += [np.zeros_like(drawn[0])] * (across**2 - len(drawn))
    return np.concatenate([np.concatenate(drawn[row : row + across], axis=1) for row in range(0, across**2, across)])
