# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh as a figure of voxels, and the meshes and files that are made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import Bytes, Ints, taken
from .blocky import BlockyMesh, Skeleton, blocky_mesh
from .bone_pieces import piece_bones
from .colour import ColourMode, sample_colours, voxel_colours
from .errors import MeshUnusable, PaletteInvalid
from .faces import QuadMesh, merged_quads, shell_quads
from .fill import VoxelGrid, hollow, occupy
from .lattice import Lattice, PAD_cells, fit_lattice
from .mesh import Influences, SurfaceMesh, check_mesh
from .palette import MOST_COLOURS, calm_colours, check_count, dithered_colours, find_palette
from .parts import Openings
from .printing import PrintReport, PrintSettings, make_printable, print_mesh
from .samples import Samples, borrow, representatives, sample_surface
from .shell import Shell, find_shell, nearest_shell, neighbour_rows
from .symmetry import Symmetry, fold, folded_samples, mirror_grid, mirror_influences
from .transparency import opaque_samples, without_transparent_faces
from .vox_scene import VoxScene, scene_of_cells
from .weights import cell_influences, corner_influences


@dataclass(frozen=True)
class VoxelSettings:
    """size: voxels along the height. colours: of the palette that is found, 2 to 255; palette, sRGB (K, 3), takes its
    place. wall_cells: 0 for a solid figure. symmetry: which half is copied to the other, or both joined. printing: for
    a 3D printer, whose walls then count.
    """

    size: int = 64
    openings: Openings = "SMALL"
    colour_mode: ColourMode = "EDGES"
    colours: int = MOST_COLOURS
    palette: Bytes | None = None
    is_dithered: bool = False
    wall_cells: int = 0
    symmetry: Symmetry = "NONE"
    printing: PrintSettings | None = None


@dataclass(frozen=True, eq=False)
class VoxelFigure:
    """colour: uint8 (N,), the palette's index of every row of the shell. palette: sRGB uint8 (K, 3). influences: of the
    rows, None where the mesh has no skin. printed: what the print will be, None where none is meant.
    """

    grid: VoxelGrid
    shell: Shell
    colour: Bytes
    palette: Bytes
    influences: Influences | None
    printed: PrintReport | None = None


def _no_report(share: float) -> None:
    """Nobody asked how far it is."""


def voxelize(mesh: SurfaceMesh, settings: VoxelSettings, report: Callable[[float], None] = _no_report) -> VoxelFigure:
    """The figure of a mesh in its rest pose. report: called with the share done, 0 to 1; what it raises ends the work.

    Raises VoxelError: SizeOutOfRange, MeshUnusable, UvMissing, PaletteInvalid.
    """
    _check_palette(settings)
    mesh = without_transparent_faces(check_mesh(mesh))
    lattice = fit_lattice(mesh.vertices, mesh.triangles, settings.size)
    report(0.05)
    grid, printed = _cells(mesh, lattice, settings)
    report(0.4)
    shell = find_shell(grid)
    samples = opaque_samples(mesh, sample_surface(mesh, lattice, shell))
    own = np.arange(len(shell.cells))
    if settings.symmetry != "NONE":
        own = fold(lattice, shell, settings.symmetry)
    shown = samples if settings.symmetry == "NONE" else folded_samples(samples, own, settings.symmetry)
    if not len(shown.row):
        raise MeshUnusable("none of its faces can be seen from outside")
    source = borrow(lattice, shell, np.bincount(shown.row, minlength=len(own)) > 0)[own]
    report(0.65)
    colours = sample_colours(mesh, shown)
    neighbours = neighbour_rows(lattice, shell)
    colours = taken(voxel_colours(shown, colours, neighbours, settings.colour_mode), source)
    report(0.8)
    palette = find_palette(colours, settings.colours) if settings.palette is None else settings.palette
    if settings.is_dithered:
        index = dithered_colours(colours, palette, lattice.unflat(shell.cells))
    else:
        index = calm_colours(colours, palette, neighbours)
    report(0.9)
    influences = _influences(mesh, lattice, shell, samples, own)
    report(1.0)
    return VoxelFigure(grid, shell, index, palette, influences, printed)


def _cells(mesh: SurfaceMesh, lattice: Lattice, settings: VoxelSettings) -> tuple[VoxelGrid, PrintReport | None]:
    grid = occupy(mesh, lattice, settings.openings)
    if settings.symmetry != "NONE":
        grid = mirror_grid(grid, settings.symmetry)
    if settings.printing is not None:
        return make_printable(grid, settings.printing)
    return (hollow(grid, settings.wall_cells) if settings.wall_cells else grid), None


def _influences(mesh: SurfaceMesh, lattice: Lattice, shell: Shell, samples: Samples, own: Ints) -> Influences | None:
    """Of the shell's rows. own: the row that each is a mirror image of, or itself."""
    if mesh.influences is None:
        return None
    chosen = representatives(samples, len(shell.cells))
    # A cell that no step leads to from a sampled one goes with the first sample.
    found = cell_influences(mesh, samples, np.maximum(chosen[borrow(lattice, shell, chosen >= 0)], 0))
    if (own == np.arange(len(own))).all():
        return found
    return mirror_influences(found, own, mesh.bone_names)


def _check_palette(settings: VoxelSettings) -> None:
    if settings.palette is None:
        check_count(settings.colours)
    elif settings.palette.ndim != 2 or settings.palette.shape[1] != 3 or settings.palette.dtype != np.uint8:
        raise PaletteInvalid("it is not a list of colours with three channels of 8 bits")
    else:
        check_count(len(settings.palette))


def smooth_mesh(figure: VoxelFigure) -> tuple[QuadMesh, Influences | None]:
    """The visible faces with shared corners, and the corners' weights: it bends without cracks, and cubes shear."""
    mesh = shell_quads(figure.grid.lattice, figure.shell)
    if figure.influences is None:
        return mesh, None
    return mesh, corner_influences(mesh, figure.shell, figure.influences)


def rigid_mesh(figure: VoxelFigure, skeleton: Skeleton) -> BlockyMesh:
    """Pieces that move with one bone each: cubes stay cubes. Raises MeshUnusable where the mesh had no skin."""
    if figure.influences is None:
        raise MeshUnusable("it has no bones to move with", "Rig it first, or choose no rig.")
    bones = piece_bones(figure.grid.lattice, figure.shell, figure.influences)
    return blocky_mesh(figure.grid, figure.shell, bones, skeleton)


def static_mesh(figure: VoxelFigure) -> QuadMesh:
    """The visible faces merged to rectangles of one colour; of a figure for print, closed and one by one."""
    if figure.printed is not None:
        return print_mesh(figure.grid, figure.shell)
    return merged_quads(figure.grid.lattice, figure.shell, figure.colour)


def vox_scene(figure: VoxelFigure, name: str = "") -> VoxScene:
    """All solid voxels as models of a .vox file; those inside have the nearest visible one's colour."""
    cells, source = nearest_shell(figure.grid, figure.shell)
    places = figure.grid.lattice.unflat(cells) - PAD_cells
    return scene_of_cells(places, figure.colour[source], figure.palette, name)
