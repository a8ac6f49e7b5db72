# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces of a figure in the look that is wanted, with their colours and weights: what a scene or a file is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .arrays import Bytes, Floats, Ints
from .blocky import Skeleton
from .core import inset_core
from .faces import QuadMesh, shell_quads
from .glow import Glow, Light, find_light
from .mesh import Influences
from .styles import Instances, VoxelStyle, open_above, pieces_mesh, separate_pieces, shell_pieces
from .voxelize import VoxelFigure, rigid_mesh, smooth_mesh, static_mesh

Rig = Literal["SMOOTH", "BLOCKY", "NONE"]


@dataclass(frozen=True)
class FigureLook:
    """rig: whether voxels bend together, move each with one bone, or have no bones."""

    rig: Rig = "SMOOTH"
    style: VoxelStyle = field(default_factory=VoxelStyle)
    glow: Glow = field(default_factory=Glow)


@dataclass(frozen=True, eq=False)
class FigureMesh:
    """colour: uint8 (Q,), the palette's index of every quad. influences: of the vertices, None where no bone moves.
    normals: float64 (V, 3) where the voxels look round, None where faces are flat.
    """

    quads: QuadMesh
    colour: Bytes
    influences: Influences | None
    light: Light
    normals: Floats | None = None


@dataclass(frozen=True, eq=False)
class FigureInstances:
    """colour: uint8 (N,), the palette's index of every instance. core: what is behind them; core_colour: uint8 (Q,).
    pitch: edge of a voxel, in the mesh's unit.
    """

    instances: Instances
    colour: Bytes
    core: QuadMesh
    core_colour: Bytes
    style: VoxelStyle
    pitch: float
    light: Light


def figure_mesh(figure: VoxelFigure, skeleton: Skeleton | None, look: FigureLook) -> FigureMesh:
    """The faces of a figure. Without a skeleton, or weights, no bones whatever is wanted. Raises TooManyFaces."""
    skeleton = _skeleton_of(figure, skeleton, look)
    if not look.style.is_plain:
        return _styled(figure, skeleton, look)
    influences = None
    if skeleton is None:
        quads = static_mesh(figure)
        rows = figure.shell.rows(quads.cells)
    elif look.rig == "BLOCKY":
        pieces = rigid_mesh(figure, skeleton)
        quads, rows, influences = pieces.mesh, pieces.rows, _whole(pieces.vertex_bones)
    else:
        quads, influences = smooth_mesh(figure)
        rows = figure.shell.rows(quads.cells)
    return FigureMesh(quads, figure.colour[rows], influences, find_light(figure.palette, figure.colour, look.glow))


def scene_figure(figure: VoxelFigure, skeleton: Skeleton | None, look: FigureLook) -> FigureMesh | FigureInstances:
    """As `figure_mesh`, and the places of small meshes instead of their faces where no bone moves them."""
    if look.style.is_plain or _skeleton_of(figure, skeleton, look) is not None:
        return figure_mesh(figure, skeleton, look)
    lattice = figure.grid.lattice
    instances = shell_pieces(lattice, figure.shell, figure.colour, look.style)
    core = inset_core(shell_quads(lattice, figure.shell), look.style.core_inset * lattice.pitch).mesh
    core_colour = figure.colour[figure.shell.rows(core.cells)]
    colour = figure.colour[instances.voxels]
    return FigureInstances(
        instances,
        colour,
        core,
        core_colour,
        look.style,
        lattice.pitch,
        find_light(figure.palette, figure.colour, look.glow),
    )


def _skeleton_of(figure: VoxelFigure, skeleton: Skeleton | None, look: FigureLook) -> Skeleton | None:
    """What moves the figure, if anything."""
    return None if figure.influences is None or look.rig == "NONE" else skeleton


@dataclass(frozen=True, eq=False)
class _Parts:
    """Pieces and the surface behind them. rows: of the shell, of each voxel of the instances and each quad of the
    surface; skins: of the voxels and of the surface's vertices.
    """

    instances: Instances
    rows: Ints
    skin: Influences | None
    surface: QuadMesh
    surface_rows: Ints
    surface_skin: Influences | None


def _styled(figure: VoxelFigure, skeleton: Skeleton | None, look: FigureLook) -> FigureMesh:
    """Pieces before a core, as one mesh."""
    lattice = figure.grid.lattice
    parts = _parts(figure, skeleton, look)
    made = pieces_mesh(lattice, parts.instances, look.style)
    core = inset_core(parts.surface, look.style.core_inset * lattice.pitch)
    count = len(made.mesh.vertices)
    mesh = QuadMesh(
        np.concatenate([made.mesh.vertices, core.mesh.vertices]),
        np.concatenate([made.mesh.quads, core.mesh.quads + count]),
        np.concatenate([made.mesh.cells, core.mesh.cells]),
    )
    influences = None
    if parts.skin is not None and parts.surface_skin is not None:
        influences = Influences(
            np.concatenate([parts.skin.bones[made.vertex_voxels], parts.surface_skin.bones[core.corners]]),
            np.concatenate([parts.skin.weights[made.vertex_voxels], parts.surface_skin.weights[core.corners]]),
        )
    rows = np.concatenate([parts.rows[made.quad_voxels], parts.surface_rows])
    normals = None if made.normals is None else np.concatenate([made.normals, core.normals])
    return FigureMesh(
        mesh, figure.colour[rows], influences, find_light(figure.palette, figure.colour, look.glow), normals
    )


def _parts(figure: VoxelFigure, skeleton: Skeleton | None, look: FigureLook) -> _Parts:
    """With Smooth bones a piece is bent as a whole, by its voxel's own weights."""
    lattice, shell, style = figure.grid.lattice, figure.shell, look.style
    rows = np.arange(len(shell.cells))
    if skeleton is None:
        surface = shell_quads(lattice, shell)
        instances = shell_pieces(lattice, shell, figure.colour, style)
        return _Parts(instances, rows, None, surface, shell.rows(surface.cells), None)
    if look.rig == "SMOOTH":
        surface, skin = smooth_mesh(figure)
        instances = separate_pieces(lattice, shell.cells, open_above(shell), style)
        return _Parts(instances, rows, figure.influences, surface, shell.rows(surface.cells), skin)
    blocky = rigid_mesh(figure, skeleton)
    # Where two bones hold a voxel, at a joint, each has a piece.
    bones = blocky.vertex_bones[blocky.mesh.quads[:, 0]]
    key, first = np.unique(bones * lattice.cell_count + blocky.mesh.cells, return_index=True)
    cells = blocky.mesh.cells[first]
    is_open = ~figure.grid.solid.reshape(-1)[cells + lattice.steps[2]]
    return _Parts(
        separate_pieces(lattice, cells, is_open, style),
        blocky.rows[first],
        _whole(key // lattice.cell_count),
        blocky.mesh,
        blocky.rows,
        _whole(blocky.vertex_bones),
    )


def _whole(bones: Ints) -> Influences:
    """One bone each, with all the weight."""
    return Influences(bones[:, None], np.ones((len(bones), 1), np.float32))
