# SPDX-License-Identifier: GPL-3.0-or-later
"""Times Voxelize as a whole, in Blender, on the figure of tests.bench.voxels: 20,480 faces, a texture, 24 bones.

    python -m tests.bench.voxel_operator [--sizes 32 64 128] [--repeats 4] [--texture-px 2048]

CPU seconds, the least of the repeats: reading the mesh, the weights and the image, the voxels, the objects.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import bpy
import numpy as np

from blender_addon.operators.voxelize import FIGURINE_OT_voxelize
from blender_addon.voxel.blocky import Skeleton
from blender_addon.voxel.mesh import Influences, SurfaceMesh
from tests.bench.voxels import figure
from tests.integration.image_material import show_image

PREVIEW_SIZE, PREVIEW_BAR_S = 32, 0.2
BONE_LENGTH = 0.08


def main() -> int:
    """Returns the exit code: 1 where the preview misses its bar in any of the three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128])
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--texture-px", type=int, default=2048)
    options = parser.parse_args()
    bpy.utils.register_class(FIGURINE_OT_voxelize)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    mesh, skeleton = figure()
    item = figure_object(mesh, options.texture_px)
    bind(item, mesh.influences, skeleton)
    print("| voxels | smooth | blocky | no bones |")
    print("|---|---|---|---|")
    missed = False
    for size in options.sizes:
        seconds = {rig: least_cpu(item, options.repeats, size=size, rig=rig) for rig in ("SMOOTH", "BLOCKY", "NONE")}
        missed |= size == PREVIEW_SIZE and max(seconds.values()) > PREVIEW_BAR_S
        print(f"| {size} | " + " | ".join(f"{value:.3f} s" for value in seconds.values()) + " |", flush=True)
    return int(missed)


def least_cpu(item: bpy.types.Object, repeats: int, **settings: object) -> float:
    """CPU seconds of the fastest of the repeats."""
    seconds = []
    for _ in range(repeats):
        item.hide_set(False)
        item.select_set(True)
        bpy.context.view_layer.objects.active = item
        started = time.process_time()
        assert bpy.ops.figurine.voxelize(**settings) == {"FINISHED"}
        seconds.append(time.process_time() - started)
        bpy.data.objects.remove(bpy.context.object)
    return min(seconds)


def figure_object(mesh: SurfaceMesh, texture_px: int) -> bpy.types.Object:
    """The mesh with its picture, drawn to another size."""
    data = bpy.data.meshes.new("figure")
    data.from_pydata(mesh.vertices.tolist(), [], mesh.triangles.tolist())
    data.uv_layers.new().data.foreach_set("uv", np.asarray(mesh.uv, np.float32).reshape(-1))
    picture = mesh.materials[0].image
    image = bpy.data.images.new("figure", picture.shape[1], picture.shape[0])
    pixels = np.concatenate([picture[::-1] / 255, np.ones((*picture.shape[:2], 1))], axis=2)
    image.pixels.foreach_set(pixels.astype(np.float32).reshape(-1))
    image.scale(texture_px, texture_px)
    show_image(data, image)
    item = bpy.data.objects.new("figure", data)
    bpy.context.collection.objects.link(item)
    return item


def bind(item: bpy.types.Object, skin: Influences, skeleton: Skeleton) -> None:
    """An armature of the skeleton's bones, and the skin as vertex groups."""
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bones = [rig.data.edit_bones.new(f"bone {index}") for index in range(len(skeleton.heads))]
    for bone, head, parent in zip(bones, skeleton.heads, skeleton.parents, strict=True):
        bone.head, bone.tail = head, head + np.array([0, 0, BONE_LENGTH])
        bone.parent = bones[parent] if parent >= 0 else None
    bpy.ops.object.mode_set(mode="OBJECT")
    for index in range(len(skeleton.heads)):
        group = item.vertex_groups.new(name=f"bone {index}")
        for vertex, column in np.argwhere((skin.bones == index) & (skin.weights > 0)).tolist():
            group.add([vertex], float(skin.weights[vertex, column]), "REPLACE")
    item.modifiers.new("Armature", "ARMATURE").object = rig
    item.parent = rig


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Without Blender's own clean-up, which has crashed after finished work.
    os._exit(code)
