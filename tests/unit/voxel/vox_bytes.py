# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of .vox files, made by hand, and voxels to write."""

from __future__ import annotations

import struct

import numpy as np


def random_voxels(count: int, span: tuple[int, int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = np.unique(rng.integers(0, span, (count, 3)), axis=0)
    palette = rng.integers(0, 256, (255, 3)).astype(np.uint8)
    return cells, rng.integers(0, 255, len(cells)).astype(np.uint8), palette


def chunk(name: bytes, content: bytes = b"", children: bytes = b"") -> bytes:
    return name + struct.pack("<2i", len(content), len(children)) + content + children


def vox(*chunks: bytes) -> bytes:
    return b"VOX " + struct.pack("<i", 150) + chunk(b"MAIN", b"", b"".join(chunks))


def numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def words(**items: str) -> bytes:
    pairs = [part.encode() for pair in items.items() for part in pair]
    return numbers(len(items)) + b"".join(numbers(len(part)) + part for part in pairs)


SIZE = chunk(b"SIZE", numbers(2, 3, 4))
VOXELS = chunk(b"XYZI", numbers(2) + bytes([0, 0, 0, 1, 1, 2, 3, 255]))
MODEL = SIZE + VOXELS


def transform(node: int, child: int, **frame: str) -> bytes:
    return named(node, child, 0, {}, **frame)


def named(node: int, child: int, layer: int, about: dict[str, str], **frame: str) -> bytes:
    return chunk(b"nTRN", numbers(node) + words(**about) + numbers(child, -1, layer, 1) + words(**frame))


def layer_chunk(layer: int, **about: str) -> bytes:
    return chunk(b"LAYR", numbers(layer) + words(**about) + numbers(-1))


def material(colour: int, **about: str) -> bytes:
    return chunk(b"MATL", numbers(colour) + words(**about))


def group(node: int, *children: int) -> bytes:
    return chunk(b"nGRP", numbers(node) + words() + numbers(len(children), *children))


def shape(node: int, model: int) -> bytes:
    return chunk(b"nSHP", numbers(node) + words() + numbers(1, model) + words())


def a_scene_as_artists_save_it() -> bytes:
    """Nested, turned groups, a model that is shown three times, hidden things of three kinds, layers, a lamp."""
    odd = chunk(b"SIZE", numbers(3, 5, 7)) + chunk(
        b"XYZI", numbers(4) + bytes([0, 0, 0, 1, 2, 4, 6, 2, 1, 0, 3, 7, 2, 1, 5, 200])
    )
    palette = np.random.default_rng(5).integers(0, 256, (256, 4)).astype(np.uint8).tobytes()
    return vox(
        MODEL,
        odd,
        named(0, 1, -1, {}),
        group(1, 2, 8, 10, 12),
        named(2, 3, 1, {"_name": "limbs"}, _t="-7 20 4", _r="40"),
        group(3, 4, 6),
        named(4, 5, 0, {"_name": "left"}, _t="5 0 -3", _r="17"),
        shape(5, 1),
        named(6, 7, 0, {}, _t="-5 1 3", _r="98"),
        shape(7, 1),
        named(8, 9, 2, {"_name": "on a hidden layer"}, _t="0 0 90"),
        shape(9, 0),
        named(10, 11, 0, {"_name": "hidden itself", "_hidden": "1"}),
        shape(11, 0),
        named(12, 13, 0, {"_name": "hidden group", "_hidden": "1"}),
        group(13, 14),
        named(14, 15, 0, {"_hidden": "0"}),
        shape(15, 1),
        chunk(b"rCAM", numbers(0) + words(_mode="pers")),
        chunk(b"RGBA", palette),
        *(layer_chunk(n, _name=f"layer {n}", **({"_hidden": "1"} if n == 2 else {})) for n in range(8)),
        *(material(n, _type="_diffuse") for n in range(1, 257) if n != 7),
        material(7, _type="_emit", _weight="1", _emit="0.75", _flux="2", _ldr="0.4"),
        chunk(b"rOBJ", words(_type="_setting")),
        chunk(b"NOTE", numbers(1) + words()[:4]),
    )
