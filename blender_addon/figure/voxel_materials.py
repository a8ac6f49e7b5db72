# SPDX-License-Identifier: GPL-3.0-or-later
"""The materials of a figure of voxels: the palette as a picture of one pixel a colour, and what of it gives light."""

from __future__ import annotations

import bpy
import numpy as np

from ..voxel.arrays import Bytes
from ..voxel.glow import Light, light_image
from ..voxel.palette import PALETTE_SIDE_px, palette_image

_ROUGHNESS = 0.9
_NODE_GAP = 300.0


class PaletteMaterials:
    """Makes matt materials that show the pixels of the same pictures, unblurred."""

    def __init__(self, name: str, palette: Bytes, light: Light) -> None:
        self._name, self._strength = name, light.strength
        self._colours = _picture(f"{name}_palette", palette_image(palette))
        self._light = _picture(f"{name}_glow", light_image(palette, light)) if light.is_lit.any() else None

    def by_uv(self) -> bpy.types.Material:
        """Of a mesh whose UV map points at its colours."""
        return self._made(self._name, None)

    def by_instance(self, attribute: str) -> bpy.types.Material:
        """Of instances that carry the place of their colour in this attribute."""
        return self._made(f"{self._name} Instances", attribute)

    def _made(self, name: str, attribute: str | None) -> bpy.types.Material:
        material = bpy.data.materials.new(name)
        if material.node_tree is None:
            material.use_nodes = True
        tree = material.node_tree
        tree.nodes.clear()
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        surface = tree.nodes.new("ShaderNodeBsdfPrincipled")
        surface.location.x = output.location.x - _NODE_GAP
        surface.inputs["Roughness"].default_value = _ROUGHNESS
        tree.links.new(surface.outputs["BSDF"], output.inputs["Surface"])
        shown = [(self._colours, "Base Color")]
        if self._light is not None:
            shown.append((self._light, "Emission Color"))
            surface.inputs["Emission Strength"].default_value = self._strength
        for row, (image, socket) in enumerate(shown):
            picture = tree.nodes.new("ShaderNodeTexImage")
            picture.image, picture.interpolation = image, "Closest"
            picture.location = (surface.location.x - _NODE_GAP, -row * _NODE_GAP)
            tree.links.new(picture.outputs["Color"], surface.inputs[socket])
            if attribute is not None:
                place = tree.nodes.new("ShaderNodeAttribute")
                place.attribute_type, place.attribute_name = "INSTANCER", attribute
                place.location = (picture.location.x - _NODE_GAP, picture.location.y)
                tree.links.new(place.outputs["Vector"], picture.inputs["Vector"])
        return material


def _picture(name: str, pixels: Bytes) -> bpy.types.Image:
    image = bpy.data.images.new(name, PALETTE_SIDE_px, PALETTE_SIDE_px)
    image.pixels.foreach_set((pixels[::-1].astype(np.float32) / 255).reshape(-1))
    image.pack()
    return image
