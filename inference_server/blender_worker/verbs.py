# SPDX-License-Identifier: GPL-3.0-or-later
"""The five verbs. Each takes the request and a scratch folder and returns the result to write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy

from inference_server.blender_worker import own_rig, reading, rig, scene
from inference_server.blender_worker.delivery import Clock, Delivery
from inference_server.blender_worker.failures import WorkerFailure
from inference_server.blender_worker.request import SkinRows, bones_of, labels_of, skin_of
from inference_server.blender_worker.voxels import run_voxelize
from inference_server.core.exchange import Exchange

BASE_COLOR_FILE = "base_color.png"


def export(request: Exchange, scratch: Path) -> Exchange:
    """Build a rigged, textured model from arrays.

    Arrays: vertices (V, 3) float32, faces (F, 3) int32, uv (F, 3, 2) float32 with the origin bottom left,
    parents (J,) int32, heads and tails (J, 3) float32, rolls (J,) float32 radians, skin_indices (V, 4) int32,
    skin_weights (V, 4) float32. File: base_color.png. Document: name (of the objects), stem (of the
    files), bones, roles, provenance, preview_px.

    Result: STEM.fbx, STEM.glb, preview.png; arrays heads, tails, rolls as Blender holds them; document blender,
    files, seconds, lost_pictures (of an FBX without its texture, which fails here). Raises WorkerFailure.
    """
    clock = Clock()
    labels, bones = labels_of(request), bones_of(request)
    arrays = request.arrays
    scene.start_empty()
    figure = scene.add_mesh(labels.name, arrays["vertices"], arrays["faces"], arrays["uv"])
    figure.data.materials.append(scene.add_material(labels.name, Path(request.files[BASE_COLOR_FILE])))
    armature = rig.add_armature(f"{labels.name}_rig", bones)
    rig.bind(figure, armature, bones, skin_of(request))
    rig.mark_origin([figure, armature], labels)
    clock.note("build")
    measured = rig.measured_bones(armature, bones)
    result = Delivery(labels, scratch, clock).write(arrays["vertices"][arrays["faces"]], measured)
    if result.document["lost_pictures"]:
        raise WorkerFailure(
            "ExportCrashed", "The FBX has no texture in it.", "Run it again and report it with the log."
        )
    return result


def read(request: Exchange, scratch: Path) -> Exchange:
    """Turn a mesh file into arrays.

    Document: path of an OBJ, GLB, glTF, FBX, PLY or STL file.

    Result: vertices (V, 3) float32 of all objects in world space, at rest, without modifiers; faces (F, 3) int32,
    triangulated; object_index (V,) int32; uv (F, 3, 2) float32 if every object has UVs; corners (F, 3) int32 and
    polygons (F,) int32, the face corners and faces that the triangles are cut from, counted over all objects.
    Document: objects (name, vertex_count, has_uv, materials) by name, bounds, dropped (names of objects without a
    face), missing_pictures, blender, and of its rig what `own_rig.describe` adds to both. Raises WorkerFailure.
    """
    scene.start_empty()
    posable = reading.load_posable(Path(request.document["path"]))
    rigged = own_rig.describe(posable)
    loaded = reading.stand_alone(posable)
    found = reading.triangles_of(loaded.objects)
    arrays = {
        "vertices": found.vertices,
        "faces": found.faces,
        "object_index": found.object_index,
        "corners": found.corners,
        "polygons": found.polygons,
    }
    if found.uv is not None:
        arrays["uv"] = found.uv
    document = {
        "objects": [_describe(item) for item in loaded.objects],
        "bounds": [found.vertices.min(axis=0).tolist(), found.vertices.max(axis=0).tolist()],
        "dropped": loaded.dropped,
        "missing_pictures": loaded.missing_pictures,
        "blender": bpy.app.version_string,
    }
    return Exchange(document={**document, **rigged.document}, arrays={**arrays, **rigged.arrays})


def bind(request: Exchange, scratch: Path) -> Exchange:
    """Put a skeleton into a mesh file; its objects, shapes, UVs and materials stay, its own rig goes.

    Document: path, name (of the armature, with "_rig"), stem, bones, roles, provenance, preview_px, and objects (name,
    vertex_count) as `read` gave them. Arrays: the skeleton and skin of `export`, the skin's rows in the order of
    `read`'s vertices. Result: as of `export`, where lost_pictures
    also names those that the mesh file itself lacks or that hang on nodes which FBX has no word for. Raises
    WorkerFailure.
    """
    clock = Clock()
    labels, bones, skin = labels_of(request), bones_of(request), skin_of(request)
    loaded = _load_again(request)
    objects = loaded.objects
    triangles = reading.triangles_of(objects)
    clock.note("import")
    armature = rig.add_armature(f"{labels.name}_rig", bones)
    for index, item in enumerate(objects):
        rows = triangles.object_index == index
        rig.bind(item, armature, bones, SkinRows(skin.indices[rows], skin.weights[rows]))
    rig.mark_origin([*objects, armature], labels)
    clock.note("build")
    measured = rig.measured_bones(armature, bones)
    result = Delivery(labels, scratch, clock).write(triangles.vertices[triangles.faces], measured)
    lost = sorted({*result.document["lost_pictures"], *loaded.missing_pictures})
    return replace(result, document={**result.document, "lost_pictures": lost})


def paint(request: Exchange, scratch: Path) -> Exchange:
    """Give a mesh file another texture; its objects and shapes stay, its materials, texture coordinates and rig go.

    Document: path, name (of the material), stem, provenance, preview_px, and objects as `read` gave them. Array:
    corner_uv (L, 2) float32 of all face corners, in the order in which `read` counts them, origin bottom left. File:
    base_color.png. Result: as of `export`, without arrays. Raises WorkerFailure.
    """
    clock = Clock()
    labels = labels_of(request)
    loaded = _load_again(request)
    clock.note("import")
    material = scene.add_material(labels.name, Path(request.files[BASE_COLOR_FILE]))
    triangles = reading.triangles_of(loaded.objects)
    done = 0
    for item in loaded.objects:
        count = len(item.data.loops)
        scene.dress(item.data, material, request.arrays["corner_uv"][done : done + count])
        done += count
    scene.forget_other_pictures(material)
    rig.mark_origin(loaded.objects, labels)
    clock.note("build")
    return Delivery(labels, scratch, clock).write(triangles.vertices[triangles.faces], {})


def voxelize(request: Exchange, scratch: Path) -> Exchange:
    """Turn a mesh file into a figure of voxels with its colours and its rig.

    Document: path, name, stem, provenance, preview_px; formats (of fbx, glb, vox, ply, obj, stl); settings, look and
    printing (or None): the fields of the core's VoxelSettings, FigureLook and PrintSettings by name; preset, the name
    of a palette or None; stl_scale. Array: palette_picture (H, W, 4) uint8, where a picture holds the palette.

    Result: STEM.<format> each, STEM.mtl and STEM_palette.png beside an OBJ, preview.png; document blender, files,
    seconds, warnings, voxels (counts and measures), digests. Raises WorkerFailure.
    """
    return run_voxelize(request, scratch)


def _load_again(request: Exchange) -> reading.LoadedFile:
    """The file that `read` has read, into the empty scene. Raises WorkerFailure where it is another by now."""
    path = Path(request.document["path"])
    scene.start_empty()
    loaded = reading.load(path)
    found = [(item.name, len(item.data.vertices)) for item in loaded.objects]
    if found != [(item["name"], item["vertex_count"]) for item in request.document["objects"]]:
        raise WorkerFailure("MeshInvalid", f"{path.name} changed while it was worked on.", "Run it again.")
    return loaded


def _describe(item: bpy.types.Object) -> dict[str, object]:
    return {
        "name": item.name,
        "vertex_count": len(item.data.vertices),
        "has_uv": item.data.uv_layers.active is not None,
        "materials": [slot.material.name for slot in item.material_slots if slot.material is not None],
    }
