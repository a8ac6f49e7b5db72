# SPDX-License-Identifier: GPL-3.0-or-later
"""What colour a material shows: a picture of its nodes, or one colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from ..phrases import phrase
from ..voxel.arrays import Bytes
from ..voxel.errors import MeshUnusable
from ..voxel.mesh import Material
from ..voxel.oklab import encode

VALUES_AT_ONCE = 1 << 18  # of a picture, or a row of it, turned into bytes together: they stay in the cache
_COLOUR_SOCKETS = ("Base Color", "Color")
_CLEAR = ("BSDF_TRANSPARENT", "HOLDOUT")  # shaders whose colour is not the surface's


@dataclass(frozen=True)
class MaterialSource:
    """material: as it is voxelized. uv_name: of the UV map that its picture lies on, "" for the rendered one."""

    material: Material
    uv_name: str = ""

    @classmethod
    def plain(cls) -> MaterialSource:
        """What is shown where there is no material."""
        return cls(Material())


class MaterialReader:
    """Reads materials, each picture once."""

    def __init__(self) -> None:
        self._pictures: dict[bpy.types.Image, Bytes] = {}

    def read(self, material: bpy.types.Material | None) -> MaterialSource:
        """The picture that the surface's colour comes from, else its colour. Raises MeshUnusable."""
        if material is None:
            return MaterialSource.plain()
        if material.node_tree is None:
            return MaterialSource(Material(_srgb(material.diffuse_color)))
        for shader in _shaders(material.node_tree):
            for node in _before(_colour_sockets(shader)):
                if node.type == "TEX_IMAGE" and node.image:
                    is_opaque = not node.outputs["Alpha"].is_linked or node.image.alpha_mode == "NONE"
                    return MaterialSource(
                        Material(image=self._picture(node.image), is_opaque=is_opaque), _uv_name(node)
                    )
        for shader in _shaders(material.node_tree):
            for socket in _colour_sockets(shader):
                if socket.type == "RGBA":
                    return MaterialSource(Material(_srgb(socket.default_value)))
        return MaterialSource(Material(_srgb(material.diffuse_color)))

    def _picture(self, image: bpy.types.Image) -> Bytes:
        if image not in self._pictures:
            reason = unreadable(image)
            if reason:
                raise MeshUnusable(
                    phrase("its image {image} {what}", image=image.name, what=phrase(reason[0])), reason[1]
                )
            self._pictures[image] = read_pixels(image)
        return self._pictures[image]


def unreadable(image: bpy.types.Image) -> tuple[str, str] | None:
    """Why an image has no pixels to be read, and what to do about it; None where it has."""
    if image.source == "TILED":
        return "is in tiles (UDIM)", "Bake it into a single image first."
    if not all(image.size):
        return "cannot be read", "Find the file by File > External Data."
    return None


def read_pixels(image: bpy.types.Image) -> Bytes:
    """sRGB (H, W, 3 or 4), top row first, of a readable image."""
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(values)
    if image.is_float or image.colorspace_settings.is_data:
        pixels = values.reshape(-1, image.channels)
        colours = min(image.channels, 3)
        np.nan_to_num(pixels, copy=False)
        pixels[:, :colours] = encode(pixels[:, :colours].astype(np.float64))
        np.clip(pixels, 0, 1, out=pixels)
    pixels = _to_bytes(values.reshape(height, -1)).reshape(height, width, image.channels)
    return np.repeat(pixels[:, :, :1], 3, axis=2) if image.channels < 3 else pixels


def _to_bytes(rows: np.ndarray) -> Bytes:
    """The last row first. They lie in that order in memory, so that the colours of a few places need no copy of all."""
    rounded = np.empty(rows.shape, np.uint8)
    upside_down = rounded[::-1]
    step = max(VALUES_AT_ONCE // rows.shape[1], 1)
    for start in range(0, len(rows), step):
        part = rows[start : start + step] * 255
        part += 0.5
        upside_down[start : start + step] = part
    return rounded


def _shaders(tree: bpy.types.NodeTree) -> Iterator[bpy.types.Node]:
    """The shaders that lead to the surface, the nearest first."""
    output = tree.get_output_node("ALL")
    if output is not None:
        yield from (node for node in _before([output.inputs["Surface"]]) if _colour_sockets(node))


def _colour_sockets(node: bpy.types.Node) -> list[bpy.types.NodeSocket]:
    """Where a shader has its colour from; of a group of nodes, all that may be it."""
    if node.type == "GROUP":
        return list(node.inputs)
    if any(socket.type == "SHADER" for socket in node.outputs) and node.type not in _CLEAR:
        return [node.inputs[name] for name in _COLOUR_SOCKETS if name in node.inputs]
    return []


def _before(sockets: list[bpy.types.NodeSocket]) -> Iterator[bpy.types.Node]:
    """All nodes that lead into the sockets, nearer ones first."""
    seen: set[bpy.types.Node] = set()
    while sockets:
        nodes = [link.from_node for socket in sockets for link in socket.links if link.from_node not in seen]
        sockets = []
        for node in dict.fromkeys(nodes):
            seen.add(node)
            yield node
            sockets.extend(node.inputs)


def _uv_name(picture: bpy.types.Node) -> str:
    for node in _before([picture.inputs["Vector"]]):
        if node.type == "UVMAP":
            return str(node.uv_map)
    return ""


def _srgb(linear: bpy.types.bpy_prop_array) -> tuple[float, float, float]:
    red, green, blue = encode(np.array(linear[:3], np.float64)).tolist()
    return red, green, blue
