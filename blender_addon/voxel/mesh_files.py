# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxel meshes as PLY, OBJ and STL files in which every face has exactly its own colour.

Blender's own writers mix the colours of faces that share a corner (PLY) and leave a packed picture out (OBJ).
Sources: G. Turk, The PLY Polygon File Format; Wavefront's OBJ and MTL; the binary STL of 3D Systems.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from .arrays import Bytes, Float32s, Floats, Ints
from .errors import PaletteInvalid
from .palette import MOST_COLOURS, palette_image, palette_uv

MM_PER_M = 1000.0
STL_HEAD_bytes = 80
_COLOUR_BITS = 24
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


@dataclass(frozen=True)
class PaintedFaces:
    """vertices: float64 (V, 3), metres, +Z up. corners: int (C,), the vertices of all faces, one after the other,
    counter-clockwise from outside. sizes: int (F,), corners of each, 3 to 255. colours: uint8 (F, 3), sRGB.
    """

    vertices: Floats
    corners: Ints
    sizes: Ints
    colours: Bytes

    @property
    def starts(self) -> Ints:
        """Where each face begins in `corners`."""
        return np.cumsum(self.sizes) - self.sizes


def ply_bytes(faces: PaintedFaces) -> bytes:
    """Binary PLY, +Z up: a vertex for each place and colour, so that no colour runs into its neighbour's.

    Faces that differ in their number of corners are cut into triangles: not every reader takes both.
    """
    places = (faces.corners << _COLOUR_BITS) + np.repeat(_packed(faces.colours), faces.sizes)
    pairs, corners = np.unique(places, return_inverse=True)
    vertices = np.zeros(len(pairs), np.dtype([("place", "<f4", 3), ("colour", "u1", 3)]))
    vertices["place"] = faces.vertices[pairs >> _COLOUR_BITS]
    vertices["colour"] = _unpacked(pairs)
    kinds = _by_size(faces)
    rows = kinds[0][1] if len(kinds) == 1 else _fans(kinds)
    record = np.zeros(len(rows), np.dtype([("count", "u1"), ("corners", "<i4", rows.shape[1])]))
    record["count"], record["corners"] = rows.shape[1], corners.reshape(-1)[rows]
    head = [
        "ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in ("red", "green", "blue")),
        f"element face {len(record)}", "property list uchar int vertex_indices", "end_header",
    ]  # fmt: skip
    return "\n".join(head).encode() + b"\n" + vertices.tobytes() + record.tobytes()


def obj_files(faces: PaintedFaces, stem: str) -> dict[str, bytes]:
    """STEM.obj (+Y up), STEM.mtl and STEM_palette.png, which the faces take their colours from.

    Raises PaletteInvalid where there are more colours than a palette holds.
    """
    keys, colour = np.unique(_packed(faces.colours), return_inverse=True)
    if len(keys) > MOST_COLOURS:
        raise PaletteInvalid(f"the faces have {len(keys)} colours")
    palette = _unpacked(keys)
    x, y, z = np.asarray(faces.vertices, np.float32).T
    lines = [f"mtllib {stem}.mtl", f"o {stem}"]
    lines += [f"v {a:.9g} {b:.9g} {c:.9g}" for a, b, c in zip(x.tolist(), z.tolist(), (-y).tolist(), strict=True)]
    lines += [f"vt {u:.9g} {v:.9g}" for u, v in palette_uv(np.arange(len(keys), dtype=np.uint8)).tolist()]
    lines.append("usemtl palette")
    for _, rows in _by_size(faces):
        own = colour.reshape(-1)[np.searchsorted(faces.starts, rows[:, 0])] + 1
        corners = (faces.corners[rows] + 1).tolist()
        lines += [
            "f " + " ".join(f"{corner}/{uv}" for corner in face) for face, uv in zip(corners, own.tolist(), strict=True)
        ]
    material = f"newmtl palette\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {stem}_palette.png\n"
    return {
        f"{stem}.obj": ("\n".join(lines) + "\n").encode(),
        f"{stem}.mtl": material.encode(),
        f"{stem}_palette.png": png_bytes(palette_image(palette)[..., :3]),
    }


def stl_bytes(faces: PaintedFaces, scale: float = 1.0) -> bytes:
    """Binary STL, +Z up, without colours. scale: units of the file in a metre; printers' programs take millimetres."""
    places = (faces.vertices[faces.corners[_fans(_by_size(faces))]] * scale).astype(np.float32)
    record = np.zeros(len(places), _STL_TRIANGLE)
    record["corners"] = places
    record["normal"] = _normals(places)
    return bytes(STL_HEAD_bytes) + struct.pack("<I", len(record)) + record.tobytes()


def png_bytes(image: Bytes) -> bytes:  # (H, W, 3)
    """An 8-bit RGB picture."""
    height, width, _ = image.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], axis=1)
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _by_size(faces: PaintedFaces) -> list[tuple[int, Ints]]:
    """The faces with equally many corners together: that number, and (N, size) places in `corners`."""
    starts = faces.starts
    found = []
    for size in np.unique(faces.sizes).tolist():
        found.append((size, starts[faces.sizes == size][:, None] + np.arange(size)))
    return found


def _fans(kinds: list[tuple[int, Ints]]) -> Ints:
    """Triangles (T, 3) about the first corner of each face: voxels have only convex ones."""
    return np.concatenate([rows[:, [0, step, step + 1]] for size, rows in kinds for step in range(1, size - 1)])


def _normals(places: Float32s) -> Floats:
    wide = places.astype(np.float64)
    normal = np.cross(wide[:, 1] - wide[:, 0], wide[:, 2] - wide[:, 0])
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(np.float64).tiny))


def _packed(colours: Bytes) -> Ints:
    wide = colours.astype(np.int64)
    return np.asarray((wide[:, 0] << 16) + (wide[:, 1] << 8) + wide[:, 2])


def _unpacked(keys: Ints) -> Bytes:
    """The colours in the lowest 24 bits."""
    return np.asarray(np.stack([keys >> 16 & 255, keys >> 8 & 255, keys & 255], axis=1), np.uint8)
