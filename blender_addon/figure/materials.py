# SPDX-License-Identifier: GPL-3.0-or-later
"""One material that looks the same in Eevee, in Cycles, and in the viewport's Solid and Texture shading."""

from __future__ import annotations

import bpy
import numpy as np

from ..errors import ImportFailed

# Painted characters carry their shading in the texture: nearly matt, so that no highlight swims over it.
_ROUGHNESS = 0.8
_SPECULAR = 0.2
_METALLIC = 0.0
# Alpha below this is meant; what is nearer to 1 comes from rounding.
_OPAQUE = 0.99
# Steps of a channel: colours of the same steps are one shade.
_SHADES = 6
_SRGB_KNEE, _SRGB_SLOPE, _SRGB_OFFSET, _SRGB_GAMMA = 0.04045, 12.92, 0.055, 2.4
_NODE_GAP = 300.0


def settle_materials(figure: bpy.types.Object, name: str, needs_texture: bool) -> None:
    """Rebuild the materials of an imported mesh around their base colour pictures, and pack these.

    needs_texture: whether a mesh without a picture or without UVs is an error. Raises ImportFailed.
    """
    materials = [slot.material for slot in figure.material_slots if slot.material is not None]
    has_uv = figure.data.uv_layers.active is not None
    if needs_texture and not (materials and has_uv):
        raise _no_texture()
    for material in materials:
        image = _base_color_of(material)
        if has_uv and image is not None and 0 not in image.size:
            _settle_image(image, f"{name}_base_color")
            settle_material(material, image, figure.data)
        elif needs_texture:
            raise _no_texture()
        material.name = name


def _base_color_of(material: bpy.types.Material) -> bpy.types.Image | None:
    """The picture behind the material's base colour."""
    for link in material.node_tree.links if material.node_tree else ():
        if link.to_socket.name == "Base Color" and link.from_node.type == "TEX_IMAGE":
            return link.from_node.image
    return None


def _settle_image(image: bpy.types.Image, name: str) -> None:
    image.name = name
    if image.packed_file is None:
        image.pack()
    # A path of its own: Blender's importer takes a picture that is already there under the same path for the new one.
    image.filepath_raw = f"//{image.name}.png"


def settle_material(
    material: bpy.types.Material, image: bpy.types.Image, mesh: bpy.types.Mesh, uv_name: str = ""
) -> None:
    """Build the material around the picture, as the mesh's active UV map lays it out. uv_name: a UV map that it asks
    for by name, whatever the mesh renders with; "" for that.
    """
    texels = _texels_of(image, mesh)
    tree = material.node_tree
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    surface = tree.nodes.new("ShaderNodeBsdfPrincipled")
    picture = tree.nodes.new("ShaderNodeTexImage")
    picture.image = image
    surface.location.x = output.location.x - _NODE_GAP
    picture.location.x = surface.location.x - _NODE_GAP
    surface.inputs["Roughness"].default_value = _ROUGHNESS
    surface.inputs["Specular IOR Level"].default_value = _SPECULAR
    surface.inputs["Metallic"].default_value = _METALLIC
    if uv_name:
        layout = tree.nodes.new("ShaderNodeUVMap")
        layout.uv_map = uv_name
        layout.location.x = picture.location.x - _NODE_GAP
        tree.links.new(layout.outputs["UV"], picture.inputs["Vector"])
    tree.links.new(picture.outputs["Color"], surface.inputs["Base Color"])
    tree.links.new(surface.outputs["BSDF"], output.inputs["Surface"])
    if texels.shape[1] == 4 and (texels[:, 3] < _OPAQUE).any():
        tree.links.new(picture.outputs["Alpha"], surface.inputs["Alpha"])
    # Texture shading shows the active node's picture, Solid shading the material's own colour.
    tree.nodes.active = picture
    material.diffuse_color = _main_color(texels)
    material.roughness = _ROUGHNESS
    material.metallic = _METALLIC


def _texels_of(image: bpy.types.Image, mesh: bpy.types.Mesh) -> np.ndarray:
    """(L, channels) float32: the picture, encoded as in the file, where each corner of the mesh lies in it."""
    width, height = image.size
    pixels = np.empty(width * height * image.channels, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    uv = np.empty(2 * len(mesh.loops), dtype=np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uv)
    columns, rows = (uv.reshape(-1, 2) * (width, height)).astype(int).T
    return pixels.reshape(height, width, -1)[rows.clip(0, height - 1), columns.clip(0, width - 1)]


def _main_color(texels: np.ndarray) -> tuple[float, float, float, float]:  # (L, channels)
    """Linear RGBA, opaque: the mean of the most frequent shade. The mean of all would be mud."""
    rgb = np.broadcast_to(texels[:, : min(3, texels.shape[1])], (len(texels), 3)).astype(np.float64)
    steps = (rgb.clip(0.0, 1.0) * (_SHADES - 1)).round().astype(int)
    shades = steps @ (_SHADES**2, _SHADES, 1)
    encoded = rgb[shades == np.bincount(shades).argmax()].mean(axis=0)
    linear = np.where(
        encoded <= _SRGB_KNEE,
        encoded / _SRGB_SLOPE,
        ((encoded + _SRGB_OFFSET) / (1 + _SRGB_OFFSET)) ** _SRGB_GAMMA,
    )
    red, green, blue = linear.tolist()
    return red, green, blue, 1.0


def _no_texture() -> ImportFailed:
    return ImportFailed(
        "The model has lost its texture: the FBX file holds no picture.",
        "Import it again from the job list: the files are fetched again.",
    )
