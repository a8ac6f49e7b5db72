# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's scene: emptied, and filled with a mesh and its material."""

from __future__ import annotations

from pathlib import Path

import addon_utils
import bpy
import numpy as np

from inference_server.blender_worker.failures import WorkerFailure
from inference_server.core.types import Float32, Int32

# Bundled with every Blender; an artist's factory settings have them on, but a distribution may leave them off.
NEEDED_ADDONS = ("io_scene_fbx", "io_scene_gltf2", "cycles")
# Painted characters carry their shading in the texture: nearly matt, so that no highlight swims over it.
ROUGHNESS = 0.8
METALLIC = 0.0


def start_empty() -> None:
    """An empty scene in factory settings: nothing of the user's configuration has a say."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for module in NEEDED_ADDONS:
        _is_default, is_enabled = addon_utils.check(module)
        if not is_enabled:
            addon_utils.enable(module)


def add_mesh(name: str, vertices: Float32, faces: Int32, uv: Float32) -> bpy.types.Object:  # (V,3), (F,3), (F,3,2)
    """A smooth-shaded mesh object with one UV layer, linked to the scene. Raises WorkerFailure MeshInvalid."""
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= len(vertices) or not np.isfinite(vertices).all():
        raise _rejected("a face names a vertex that does not exist, there are no faces, or a place is not finite")
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, dtype=np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, dtype=np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.uv_layers.new(name="UVMap", do_init=False)
    mesh.uv_layers[0].uv.foreach_set("vector", np.ascontiguousarray(uv, dtype=np.float32).ravel())
    mesh.update(calc_edges=True)
    if mesh.validate():
        raise _rejected("it has repeated faces, or a face that uses a vertex twice")
    mesh.shade_smooth()
    mesh_object = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(mesh_object)
    return mesh_object


def dress(mesh: bpy.types.Mesh, material: bpy.types.Material, uv: Float32) -> None:  # uv: (L, 2)
    """This material and these texture coordinates, and no others."""
    for name in [layer.name for layer in mesh.uv_layers]:
        mesh.uv_layers.remove(mesh.uv_layers[name])
    mesh.uv_layers.new(name="UVMap", do_init=False)
    mesh.uv_layers[0].uv.foreach_set("vector", np.ascontiguousarray(uv, dtype=np.float32).ravel())
    mesh.materials.clear()
    mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", np.zeros(len(mesh.polygons), dtype=np.int32))


def forget_other_pictures(material: bpy.types.Material) -> None:
    """Remove every other material, and the pictures that only those have."""
    for other in [item for item in bpy.data.materials if item != material]:
        bpy.data.materials.remove(other)
    for image in [item for item in bpy.data.images if not item.users]:
        bpy.data.images.remove(image)


def add_material(name: str, base_color: Path) -> bpy.types.Material:
    """One Principled surface with the picture as its base colour, packed into the file."""
    image = bpy.data.images.load(str(base_color))
    image.name = base_color.stem
    image.pack()
    # The folder that the picture came from is gone tomorrow and is nobody's business.
    image.filepath_raw = f"//{base_color.name}"
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    nodes = material.node_tree.nodes
    principled = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    principled.inputs["Roughness"].default_value = ROUGHNESS
    principled.inputs["Metallic"].default_value = METALLIC
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.location = (principled.location.x - 300.0, principled.location.y)
    material.node_tree.links.new(texture.outputs["Color"], principled.inputs["Base Color"])
    return material


def _rejected(reason: str) -> WorkerFailure:
    return WorkerFailure("MeshInvalid", f"Blender does not accept the mesh: {reason}.", "Report it with the picture.")
