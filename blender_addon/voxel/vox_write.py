# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes MagicaVoxel files, version 150, with a scene graph. Source: ephtracy/voxel-model, MagicaVoxel-file-format."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np

from .vox_scene import COLOUR_SLOTS, VoxPlacement, VoxScene, lowest_cell

VERSION = 150
NO_CHILD = -1  # reserved fields of a transform, and the layer of the root


def write_vox(scene: VoxScene) -> bytes:
    """The file's bytes; the same scene gives the same bytes."""
    chunks = []
    for model in scene.models:
        chunks.append(_chunk(b"SIZE", struct.pack("<3i", *model.size)))
        voxels = np.ascontiguousarray(model.voxels, np.uint8)
        chunks.append(_chunk(b"XYZI", struct.pack("<i", len(voxels)) + voxels.tobytes()))
    chunks += _graph(scene)
    colours = np.zeros((COLOUR_SLOTS, 4), np.uint8)
    colours[: len(scene.palette)] = scene.palette
    chunks.append(_chunk(b"RGBA", colours.tobytes()))
    if scene.display_order:
        chunks.append(_chunk(b"IMAP", scene.display_order))
    chunks += [_chunk(b"MATL", struct.pack("<i", colour) + _words(words)) for colour, words in scene.materials.items()]
    return b"VOX " + struct.pack("<i", VERSION) + _chunk(b"MAIN", b"", b"".join(chunks))


def _graph(scene: VoxScene) -> list[bytes]:
    """Root transform 0, group 1, then a transform and a shape for each placement."""
    children = [2 + 2 * index for index in range(len(scene.placements))]
    chunks = [_transform(0, {}, 1, {}), _group(1, children)]
    for node, placement in zip(children, scene.placements, strict=True):
        attributes = {"_name": placement.name} if placement.name else {}
        if placement.is_hidden:
            attributes["_hidden"] = "1"
        chunks.append(_transform(node, attributes, node + 1, _frame(scene, placement)))
        shape = struct.pack("<i", node + 1) + _words({}) + struct.pack("<2i", 1, placement.model) + _words({})
        chunks.append(_chunk(b"nSHP", shape))
    return chunks


def _frame(scene: VoxScene, placement: VoxPlacement) -> dict[str, str]:
    """A transform moves the point that the model turns about to the place that it names."""
    lowest = lowest_cell(scene.models[placement.model].size, placement.rotation)
    place = np.array(placement.corner) - lowest
    words = {"_t": " ".join(str(value) for value in place.tolist())}
    packed = _packed_rotation(placement.rotation)
    return words if packed == _packed_rotation(((1, 0, 0), (0, 1, 0), (0, 0, 1))) else {"_r": str(packed), **words}


def _packed_rotation(rows: tuple[tuple[int, int, int], ...]) -> int:
    """Bits 0-1 and 2-3: where the first and the second row have their entry; bits 4-6: which rows are negative."""
    places = [next(column for column, value in enumerate(row) if value) for row in rows]
    signs = sum(1 << (4 + index) for index, row in enumerate(rows) if sum(row) < 0)
    return places[0] | places[1] << 2 | signs


def _transform(node: int, attributes: Mapping[str, str], child: int, frame: Mapping[str, str]) -> bytes:
    fields = struct.pack("<4i", child, NO_CHILD, NO_CHILD if node == 0 else 0, 1)
    return _chunk(b"nTRN", struct.pack("<i", node) + _words(attributes) + fields + _words(frame))


def _group(node: int, children: list[int]) -> bytes:
    return _chunk(
        b"nGRP", struct.pack("<i", node) + _words({}) + struct.pack(f"<{len(children) + 1}i", len(children), *children)
    )


def _words(words: Mapping[str, str]) -> bytes:
    items = (_string(key) + _string(value) for key, value in words.items())
    return struct.pack("<i", len(words)) + b"".join(items)


def _string(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<i", len(data)) + data


def _chunk(name: bytes, content: bytes, children: bytes = b"") -> bytes:
    return name + struct.pack("<2i", len(content), len(children)) + content + children
