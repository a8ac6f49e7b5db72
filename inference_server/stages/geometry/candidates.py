# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes to choose from, as one picture."""

from __future__ import annotations

import numpy as np

from inference_server.core.types import Mesh, UInt8


def draw_candidates(meshes: tuple[Mesh, ...]) -> UInt8:
    """The shapes side by side, the first on the left: (S, S · count, 4) uint8."""
    from models.common.thumbnail import draw_thumbnail

    return np.concatenate([draw_thumbnail(mesh.vertices, mesh.faces) for mesh in meshes], axis=1)
