# SPDX-License-Identifier: GPL-3.0-or-later
"""What scenes that tests make in Blender have in common: a surface that shows an image."""

from __future__ import annotations

import bpy


def show_image(data: bpy.types.Mesh, image: bpy.types.Image) -> bpy.types.Node:
    """Give the mesh a material whose colour is the image's; the image's node."""
    material = bpy.data.materials.new(image.name)
    if material.node_tree is None:
        material.use_nodes = True
    picture = material.node_tree.nodes.new("ShaderNodeTexImage")
    picture.image = image
    surface = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(picture.outputs["Color"], surface.inputs["Base Color"])
    data.materials.append(material)
    return picture
