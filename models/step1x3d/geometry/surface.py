# SPDX-License-Identifier: GPL-3.0-or-later
"""From a shape's signed field to its mesh: sample, march, drop specks, reduce to the face budget, judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.common.isosurface import Cube, EmptyField, Field, Sampler, SurfaceError, sample_surface
from models.common.marching import march
from models.step1x3d.geometry.mesh_cleanup import (
    Triangles,
    decimate,
    drop_floaters,
    drop_undefined,
    open_edges,
)
from models.step1x3d.geometry.published_volume import march_published, published_levels, sample_published

__all__ = ["Surface", "SurfaceError", "SurfaceOptions", "extract"]

# Progress, as shares of the whole: the field is asked; then the mesh is made; then it is reduced.
SAMPLED, MARCHED = 0.8, 0.85


@dataclass(frozen=True)
class SurfaceOptions:
    """resolution: cells a side of the finest grid: 256, 384 or 512. most_faces: the face budget. chunk_points: how many
    are asked at once. half_side: of the cube that is searched. level: of the field at the surface. is_published:
    exactly the official pipeline's grid and places, for comparison: more samples, the mesh a cell in R + 1 too small
    and off its place.
    """

    resolution: int = 384
    most_faces: int = 200_000
    chunk_points: int = 65_536
    half_side: float = 1.05
    level: float = 0.0
    is_published: bool = False


@dataclass(frozen=True)
class Surface:
    """A mesh in the field's frame. vertices: (V, 3) float32. faces: (F, 3) int32, counter-clockwise seen from outside.

    is_watertight: every edge has two faces that agree on the outside. queries: how many samples of each grid were
    asked. notes: sentences for the artist: what was closed, dropped or reduced, and what is not as it should be.
    """

    vertices: np.ndarray
    faces: np.ndarray
    is_watertight: bool
    queries: tuple[int, ...]
    notes: tuple[str, ...]


def extract(field: Field, options: SurfaceOptions, on_progress: Callable[[float], None] = lambda _: None) -> Surface:
    """The mesh of the field's level.

    field: (N, 3) float32 in the cube → (N,), positive inside. on_progress: called before each chunk and each step with
    a share of the whole, 0..1, and ten times a second while a large mesh is reduced; what it raises stops the work.
    Raises SurfaceError: EmptyField, FieldNotFinite; MemoryError; ValueError where the resolution has no coarse grid.
    """
    sampler = Sampler(field, options.half_side, options.chunk_points, lambda share: on_progress(SAMPLED * share))
    mesh, queries, notes = (_published if options.is_published else _closed)(sampler, options, on_progress)
    on_progress(MARCHED)
    mesh, floaters = drop_floaters(mesh)
    if floaters:
        notes += (f"Removed {_counted(floaters, 'loose speck')} beside the shape.",)
    full = len(mesh.faces)
    mesh = decimate(mesh, options.most_faces, lambda: on_progress(MARCHED))
    if len(mesh.faces) < full:
        notes += (f"Reduced the surface from {full:,} to {len(mesh.faces):,} faces.",)
    torn = open_edges(mesh)
    if torn:
        notes += (f"The surface is not closed: {_counted(torn, 'edge')} lack a second face.",)
    on_progress(1.0)
    return Surface(mesh.vertices, mesh.faces, not torn, queries, notes)


Made = tuple[Triangles, tuple[int, ...], tuple[str, ...]]


def _closed(sampler: Sampler, options: SurfaceOptions, on_progress: Callable[[float], None]) -> Made:
    cube = Cube(options.half_side, options.resolution)
    volume = sample_surface(sampler, cube, options.level)
    on_progress(SAMPLED)
    found = march(volume.values, cube, options.level, lambda share: on_progress(SAMPLED + (MARCHED - SAMPLED) * share))
    cut = ("The shape reached the wall of the space that the network knows and was closed flat there.",)
    return Triangles(found.vertices, found.faces), volume.queries, cut if found.is_cut else ()


def _published(sampler: Sampler, options: SurfaceOptions, on_progress: Callable[[float], None]) -> Made:
    cube = Cube(options.half_side, options.resolution)
    volume = sample_published(sampler, published_levels(options.resolution), options.level)
    on_progress(SAMPLED)
    vertices, faces = march_published(volume.values, cube, options.level)
    mesh = drop_undefined(Triangles(vertices, faces))
    if not len(mesh.faces):
        raise EmptyField("The shape has no surface: every triangle misses a sample.")
    return mesh, volume.queries, ()


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
