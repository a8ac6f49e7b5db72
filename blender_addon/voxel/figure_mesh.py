# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of a figure in the look that is wanted, with their colours and weights: what a scene or a file is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .arrays import Bytes
from .blocky import Skeleton
from .faces import QuadMesh
from .mesh import Influences
from .voxelize import VoxelFigure, rigid_mesh, smooth_mesh, static_mesh

Rig = Literal["SMOOTH", "BLOCKY", "NONE"]


@dataclass(frozen=True)
class FigureLook:
    """rig: whether voxels bend together, move each with one bone, or have no bones."""

    rig: Rig = "SMOOTH"


@dataclass(frozen=True, eq=False)
class FigureMesh:
    """colour: uint8 (Q,), the palette's index of every quad. influences: of the vertices, None where no bone moves."""

    quads: QuadMesh
    colour: Bytes
    influences: Influences | None


def figure_mesh(figure: VoxelFigure, skeleton: Skeleton | None, look: FigureLook) -> FigureMesh:
    """The faces of a figure. Without a skeleton, or weights, it has no bones whatever is wanted."""
    influences = None
    if skeleton is None or figure.influences is None or look.rig == "NONE":
        quads = static_mesh(figure)
        rows = figure.shell.rows(quads.cells)
    elif look.rig == "BLOCKY":
        pieces = rigid_mesh(figure, skeleton)
        quads, rows = pieces.mesh, pieces.rows
        influences = Influences(pieces.vertex_bones[:, None], np.ones((len(pieces.vertex_bones), 1), np.float32))
    else:
        quads, influences = smooth_mesh(figure)
        rows = figure.shell.rows(quads.cells)
    return FigureMesh(quads, figure.colour[rows], influences)
