# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh files: imported, freed of their rig and hierarchy, and turned into arrays. Every vertex stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from inference_server.blender_worker.failures import WorkerFailure, reason_of
from inference_server.blender_worker.precheck import check_content, damaged, not_finite
from inference_server.core.types import Float32, Int32


@dataclass(frozen=True, eq=False)
class LoadedFile:
    """The mesh objects with faces, by name, unparented, in world space; nothing else is in the scene.

    dropped: names of mesh objects without a face. missing_pictures: names of pictures that were not found.
    """

    objects: list[bpy.types.Object]
    dropped: list[str]
    missing_pictures: list[str]


@dataclass(frozen=True, eq=False)
class PosableFile:
    """objects: the mesh objects with faces, by name, at rest, where the file puts them. rigs: the armatures. The other
    two as of LoadedFile.
    """

    objects: list[bpy.types.Object]
    rigs: list[bpy.types.Object]
    dropped: list[str]
    missing_pictures: list[str]


@dataclass(frozen=True, eq=False)
class Triangles:
    """All objects as one mesh. vertices: (V, 3). faces: (F, 3). object_index: (V,). uv: (F, 3, 2), or None where an
    object has none. corners: (F, 3), the objects' face corners, one object's after the other's. polygons: (F,), the
    objects' faces, counted likewise.
    """

    vertices: Float32
    faces: Int32
    object_index: Int32
    uv: Float32 | None
    corners: Int32
    polygons: Int32


def load(path: Path) -> LoadedFile:
    """Import the file into the empty scene. Raises WorkerFailure MeshInvalid or UnsupportedMedia."""
    return stand_alone(load_posable(path))


def stand_alone(found: PosableFile) -> LoadedFile:
    """The file's mesh objects, freed of its rig and hierarchy."""
    for item in found.objects:
        _flatten(item)
    for item in list(bpy.data.objects):
        if item not in found.objects:
            bpy.data.objects.remove(item, do_unlink=True)
    return LoadedFile(found.objects, found.dropped, found.missing_pictures)


def load_posable(path: Path) -> PosableFile:
    """As `load`, with the rig and the hierarchy that the file has."""
    importer = _importer_for(path)
    check_content(path)
    try:
        importer(path)
    except RuntimeError as error:
        raise damaged(path, reason_of(error).rpartition(": ")[2].strip("'")) from error
    rigs = [item for item in bpy.data.objects if item.type == "ARMATURE"]
    shapes = {bone.custom_shape for rig in rigs for bone in rig.pose.bones}
    meshes = [item for item in bpy.data.objects if item.type == "MESH" and item not in shapes]
    _show_at_rest(rigs, meshes)
    for item in meshes:
        _check_finite(item, path)
        item.data.validate()
    solid = sorted((item for item in meshes if len(item.data.polygons)), key=lambda item: item.name)
    if not solid:
        raise WorkerFailure("MeshInvalid", f"{path.name} has no faces.", "Export a mesh that has a surface.")
    dropped = sorted(item.name for item in meshes if item not in solid)
    return PosableFile(solid, rigs, dropped, _pack_pictures())


def triangles_of(objects: list[bpy.types.Object]) -> Triangles:
    """The objects' vertices, one after the other, and their faces cut into triangles."""
    vertices, faces, owners, uvs, corners, polygons = [], [], [], [], [], []
    count = corner_count = polygon_count = 0
    for index, item in enumerate(objects):
        mesh = item.data
        mesh.calc_loop_triangles()
        vertices.append(_read(mesh.vertices, "co", 3, np.float32))
        faces.append(_read(mesh.loop_triangles, "vertices", 3, np.int32) + count)
        owners.append(np.full(len(mesh.vertices), index, np.int32))
        own = _read(mesh.loop_triangles, "loops", 3, np.int32)
        if mesh.uv_layers.active is not None:
            uvs.append(_read(mesh.uv_layers.active.uv, "vector", 2, np.float32)[own])
        corners.append(own + corner_count)
        polygons.append(_read(mesh.loop_triangles, "polygon_index", 1, np.int32).ravel() + polygon_count)
        count += len(mesh.vertices)
        corner_count += len(mesh.loops)
        polygon_count += len(mesh.polygons)
    return Triangles(
        vertices=np.concatenate(vertices),
        faces=np.concatenate(faces),
        object_index=np.concatenate(owners),
        uv=np.concatenate(uvs) if len(uvs) == len(objects) else None,
        corners=np.concatenate(corners),
        polygons=np.concatenate(polygons),
    )


def _importer_for(path: Path) -> Callable[[Path], Any]:
    """Clean-up by the importers is off where it can be: it would hide coordinates that are not finite."""
    has_new_fbx = "fbx_import" in dir(bpy.ops.wm)
    importers: dict[str, Callable[[str], Any]] = {
        ".obj": lambda name: bpy.ops.wm.obj_import(filepath=name, validate_meshes=False),
        ".ply": lambda name: bpy.ops.wm.ply_import(filepath=name),
        ".stl": lambda name: bpy.ops.wm.stl_import(filepath=name, use_mesh_validate=False),
        ".glb": lambda name: bpy.ops.import_scene.gltf(filepath=name),
        ".gltf": lambda name: bpy.ops.import_scene.gltf(filepath=name),
        ".fbx": (lambda name: bpy.ops.wm.fbx_import(filepath=name, use_anim=False, validate_meshes=False))
        if has_new_fbx
        else (lambda name: bpy.ops.import_scene.fbx(filepath=name, use_anim=False)),
    }
    importer = importers.get(path.suffix.lower())
    if importer is None:
        raise WorkerFailure(
            "UnsupportedMedia",
            f"{path.name} is not a mesh file that Figurine reads.",
            "Use an OBJ, GLB, glTF, FBX, PLY or STL file.",
        )
    return lambda found: importer(str(found))


def _show_at_rest(rigs: list[bpy.types.Object], meshes: list[bpy.types.Object]) -> None:
    """Rest pose, and every object linked and visible: Blender computes no place for those that are hidden."""
    collection = bpy.context.scene.collection
    for rig in rigs:
        rig.data.pose_position = "REST"
    for item in bpy.data.objects:
        item.animation_data_clear()
        item.hide_viewport = False
        if item.name not in collection.objects:
            collection.objects.link(item)
    for item in meshes:
        item.hide_render = False
        item.hide_set(False)
    bpy.context.view_layer.update()


def _check_finite(item: bpy.types.Object, path: Path) -> None:
    places = _read(item.data.vertices, "co", 3, np.float32)
    if not (np.isfinite(places).all() and np.isfinite(np.array(item.matrix_world)).all()):
        raise not_finite(path)


def _flatten(item: bpy.types.Object) -> None:
    """No parent, no transform, no modifier, no weights; shape, winding and normals as they were seen."""
    if item.data.users > 1:
        item.data = item.data.copy()
    matrix = item.matrix_world.copy()
    item.modifiers.clear()
    item.constraints.clear()
    item.vertex_groups.clear()
    item.parent = None
    item.matrix_basis = Matrix()
    item.matrix_parent_inverse = Matrix()
    if matrix == Matrix():
        return
    mesh = item.data
    normals = _world_normals(mesh, matrix) if mesh.has_custom_normals else None
    order = _corner_order(mesh)
    mesh.transform(matrix, shape_keys=True)
    if matrix.determinant() < 0:
        mesh.flip_normals()
    mesh.update()
    if normals is not None:
        kept = np.empty_like(normals)
        kept[_corner_order(mesh)] = normals[order]
        mesh.normals_split_custom_set(kept.tolist())


def _world_normals(mesh: bpy.types.Mesh, matrix: Matrix) -> Float32:
    """(L, 3) unit normals of the face corners, in the world."""
    local = _read(mesh.corner_normals, "vector", 3, np.float32)
    turned = local @ np.array(matrix.to_3x3().inverted_safe(), dtype=np.float32)
    return turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)


def _corner_order(mesh: bpy.types.Mesh) -> Int32:
    """(L,) the corners by face, then by vertex: the same order before and after faces are turned over."""
    sides = _read(mesh.polygons, "loop_total", 1, np.int32).ravel()
    faces = np.repeat(np.arange(len(sides)), sides)
    return np.lexsort((_read(mesh.loops, "vertex_index", 1, np.int32).ravel(), faces)).astype(np.int32)


def _pack_pictures() -> list[str]:
    """Take every picture into the scene; returns the names of those whose files are missing."""
    missing = []
    for image in bpy.data.images:
        if image.source != "FILE" or image.packed_file is not None:
            continue
        if Path(bpy.path.abspath(image.filepath)).is_file():
            image.pack()
        else:
            missing.append(image.name)
    return missing


def _read(collection: Any, attribute: str, width: int, dtype: type[np.generic]) -> NDArray[Any]:
    values = np.empty(len(collection) * width, dtype)
    collection.foreach_get(attribute, values)
    return values.reshape(-1, width)
