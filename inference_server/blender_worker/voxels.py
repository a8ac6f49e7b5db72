# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `voxelize`: a mesh file in, a figure of voxels out, in as many formats as are wanted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_addon.figure.voxel_figure import add_figure
from blender_addon.figure.voxel_source import VoxelSource
from blender_addon.voxel.errors import MeshUnusable, SizeOutOfRange, UvMissing, VoxelError
from blender_addon.voxel.figure_mesh import FigureLook, FigureMesh, figure_mesh
from blender_addon.voxel.glow import Glow
from blender_addon.voxel.lattice import PAD_cells
from blender_addon.voxel.mesh_files import PaintedFaces, obj_files, ply_bytes, stl_bytes
from blender_addon.voxel.palette import palette_of_picture
from blender_addon.voxel.presets import PRESETS
from blender_addon.voxel.printing import PrintSettings
from blender_addon.voxel.styles import VoxelStyle
from blender_addon.voxel.vox_write import write_vox
from blender_addon.voxel.voxelize import VoxelFigure, VoxelSettings, vox_scene, voxelize
from inference_server.blender_worker import preview, reading, rig, scene, writers
from inference_server.blender_worker.delivery import PREVIEW_FILE, Clock
from inference_server.blender_worker.failures import WorkerFailure
from inference_server.blender_worker.request import Labels, labels_of
from inference_server.blender_worker.voxel_source import FileSource, read_file, stand_alone
from inference_server.core.exchange import Exchange
from inference_server.core.types import Float32

MOST_TRIANGLES = 3_000_000
PALETTE_PICTURE = "palette_picture"  # array (H, W, 4) uint8


@dataclass(frozen=True, eq=False)
class _Made:
    """A finished figure, and its faces in the look that is wanted."""

    figure: VoxelFigure
    mesh: FigureMesh


def run_voxelize(request: Exchange, scratch: Path) -> Exchange:
    """See `verbs.voxelize`."""
    clock = Clock()
    labels, formats = labels_of(request), request.document["formats"]
    path = Path(request.document["path"])
    scene.start_empty()
    loaded = reading.load_posable(path)
    clock.note("import")
    try:
        found = read_file(loaded)
        _check_size(path, found)
        made = _make(found.source, request)
        clock.note("voxelize")
        files = _static_files(made.figure, labels, request)
    except VoxelError as error:
        raise _failure(error, path) from error
    clock.note("static files")
    armature = _build(made, found.source, labels)
    for suffix, write in (("fbx", writers.write_fbx), ("glb", writers.write_glb)):
        if suffix in formats:
            files[f"{labels.stem}.{suffix}"] = scratch / f"{labels.stem}.{suffix}"
            write(scratch / f"{labels.stem}.{suffix}")
            clock.note(suffix)
    _check_palette_is_in(files.get(f"{labels.stem}.fbx"))
    files[PREVIEW_FILE] = scratch / PREVIEW_FILE
    preview.render_preview(scratch / PREVIEW_FILE, labels.preview_px, _triangles(made.mesh))
    clock.note("preview")
    missing = [f"The picture {name}, which a material uses, is missing." for name in loaded.missing_pictures]
    left_out = [f"The object {name} has no faces and was left out." for name in loaded.dropped]
    document = {
        "blender": bpy.app.version_string,
        "seconds": clock.seconds,
        "files": list(files),
        "warnings": [*filter(None, [made.figure.grid.warning]), *found.notes, *left_out, *missing],
        "voxels": _describe(made, armature),
        "digests": _digests(made),
    }
    return Exchange(document=document, files=files)


def _make(source: VoxelSource, request: Exchange) -> _Made:
    figure = voxelize(source.mesh, _settings(request))
    return _Made(figure, figure_mesh(figure, source.skeleton, _look(request)))


def _look(request: Exchange) -> FigureLook:
    look = request.document["look"]
    return FigureLook(look["rig"], VoxelStyle(**look["style"]), Glow(**look["glow"]))


def _settings(request: Exchange) -> VoxelSettings:
    palette = None
    if PALETTE_PICTURE in request.arrays:
        palette = palette_of_picture(request.arrays[PALETTE_PICTURE])
    elif request.document["preset"] is not None:
        palette = PRESETS[request.document["preset"]]
    asked = request.document["printing"]
    printing = None if asked is None else PrintSettings(**asked)
    return VoxelSettings(**request.document["settings"], palette=palette, printing=printing)


def _check_size(path: Path, found: FileSource) -> None:
    count = len(found.source.mesh.triangles)
    if count > MOST_TRIANGLES:
        raise WorkerFailure(
            "MeshInvalid",
            f"{path.name} has {count:,} triangles; {MOST_TRIANGLES:,} are the most.",
            "Decimate the mesh first.",
        )


def _failure(error: VoxelError, path: Path) -> WorkerFailure:
    is_mesh = isinstance(error, MeshUnusable | UvMissing)
    message = error.message.replace("The mesh", path.name, 1) if is_mesh else error.message
    return WorkerFailure("MeshInvalid" if is_mesh else "SettingInvalid", message, error.hint)


def _static_files(figure: VoxelFigure, labels: Labels, request: Exchange) -> dict[str, bytes | Path]:
    """Those that hold no rig."""
    formats = request.document["formats"]
    files: dict[str, bytes | Path] = {}
    if "vox" in formats:
        files[f"{labels.stem}.vox"] = write_vox(_vox_scene(figure, labels.name))
    if not {"ply", "obj", "stl"} & set(formats):
        return files
    mesh = figure_mesh(figure, None, _look(request))
    quads = mesh.quads.quads
    faces = PaintedFaces(mesh.quads.vertices, quads.reshape(-1), np.full(len(quads), 4), figure.palette[mesh.colour])
    if "ply" in formats:
        files[f"{labels.stem}.ply"] = ply_bytes(faces)
    if "obj" in formats:
        files |= obj_files(faces, labels.stem)
    if "stl" in formats:
        files[f"{labels.stem}.stl"] = stl_bytes(faces, _stl_scale(figure, request))
    return files


def _stl_scale(figure: VoxelFigure, request: Exchange) -> float:
    """Units of the STL in a metre of the figure; a print has the size that was asked for, in millimetres."""
    if figure.printed is not None:
        return figure.printed.voxel_mm / figure.grid.lattice.pitch
    return float(request.document["stl_scale"])


def _vox_scene(figure: VoxelFigure, name: str) -> Any:
    try:
        return vox_scene(figure, name)
    except SizeOutOfRange as error:
        hint = "Choose a smaller size or a wall, or leave vox out of the formats."
        raise WorkerFailure("SettingInvalid", error.message.removesuffix(" Change it."), hint) from error


def _build(made: _Made, source: VoxelSource, labels: Labels) -> bpy.types.Object | None:
    """The figure alone in the scene, with the armature where it has one."""
    armature = source.armature if made.mesh.influences is not None else None
    if armature is not None:
        stand_alone(armature)
    figure = add_figure(bpy.context, source.objects[0], source, made.figure, made.mesh)
    kept = [item for item in (figure, armature) if item is not None]
    for item in list(bpy.data.objects):
        if item not in kept:
            bpy.data.objects.remove(item, do_unlink=True)
    bpy.data.orphans_purge(do_recursive=True)
    given = figure.name
    for block in (figure, figure.data, *figure.data.materials, *bpy.data.images):
        block.name = block.name.replace(given, labels.name)
    rig.mark_origin(kept, labels)
    bpy.context.view_layer.update()
    return armature


def _check_palette_is_in(fbx: bytes | Path | None) -> None:
    if isinstance(fbx, Path) and writers.lost_pictures(fbx):
        raise WorkerFailure(
            "ExportCrashed", "The FBX has no palette in it.", "Run it again and report it with the log."
        )


def _triangles(mesh: FigureMesh) -> Float32:
    halves = mesh.quads.quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    return np.asarray(mesh.quads.vertices[halves], np.float32)


def _describe(made: _Made, armature: bpy.types.Object | None) -> dict[str, Any]:
    grid, figure = made.figure.grid, made.figure
    return {
        "grid": [side - 2 * PAD_cells for side in grid.lattice.shape],
        "edge_m": grid.lattice.pitch,
        "solid": int(np.count_nonzero(grid.solid)),
        "visible": len(figure.shell.cells),
        "colours": len(np.unique(figure.colour)),
        "faces": len(made.mesh.quads.quads),
        "bones": 0 if armature is None else len(armature.data.bones),
        "openings_closed": grid.openings_closed,
        "openings_left": grid.openings_left,
        "print": "" if figure.printed is None else figure.printed.sentence,
    }


def _digests(made: _Made) -> dict[str, str]:
    """What the same mesh and settings must give again; the arrays are little-endian on every system."""
    figure, mesh = made.figure, made.mesh
    weights = () if mesh.influences is None else (mesh.influences.bones, mesh.influences.weights)
    return {
        "voxels": _digest(np.array(figure.grid.lattice.shape), np.packbits(figure.grid.solid)),
        "colours": _digest(figure.palette[figure.colour]),
        "mesh": _digest(mesh.quads.vertices, mesh.quads.quads),
        "weights": _digest(*weights),
    }


def _digest(*arrays: np.ndarray) -> str:
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()
