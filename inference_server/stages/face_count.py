# SPDX-License-Identifier: GPL-3.0-or-later
"""How many triangles a mesh file announces, told without reading it all, so that one that is far too large is refused
before Blender takes minutes over it.

Sources: G. Turk, The PLY Polygon File Format; the binary STL of 3D Systems; Khronos, glTF 2.0; Wavefront's OBJ.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

_CHUNK_BYTES = 1 << 22
_PLY_HEAD_BYTES = 1 << 16
_STL_HEAD_BYTES, _STL_FACE_BYTES = 84, 50
_GLB_HEAD_BYTES = 20
_GLB_JSON = b"JSON"
_TRIANGLES = 4  # glTF's mode, and the one where none is given
_LARGEST_JSON_BYTES = 64 << 20


def announced_faces(path: Path) -> int:
    """At least so many triangles will be read from the file; 0 where its kind does not tell, or it is damaged.

    Raises OSError.
    """
    count = _COUNTERS.get(path.suffix.lower())
    if count is None:
        return 0
    with path.open("rb") as stream:
        try:
            return count(stream, path.stat().st_size)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error):
            return 0  # Blender says what is wrong with it


def _in_ply(stream: IO[bytes], size_bytes: int) -> int:
    head, _, _ = stream.read(_PLY_HEAD_BYTES).partition(b"end_header")
    found = re.search(rb"element\s+face\s+(\d{1,12})\s", head)
    count = int(found[1]) if found else 0
    return count if count < size_bytes else 0  # a face takes more than a byte


def _in_stl(stream: IO[bytes], size_bytes: int) -> int:
    (count,) = struct.unpack_from("<I", stream.read(_STL_HEAD_BYTES), _STL_HEAD_BYTES - 4)
    return int(count) if size_bytes == _STL_HEAD_BYTES + _STL_FACE_BYTES * count else 0


def _in_obj(stream: IO[bytes], size_bytes: int) -> int:
    count, last = 0, b"\n"
    for chunk in _chunks(stream):
        text = last + chunk
        count += text.count(b"\nf ")
        last = text[-2:]
    return count


def _in_glb(stream: IO[bytes], size_bytes: int) -> int:
    head = stream.read(_GLB_HEAD_BYTES)
    length, kind = struct.unpack_from("<I4s", head, 12)
    if kind != _GLB_JSON or length > _LARGEST_JSON_BYTES:
        return 0
    document = json.loads(stream.read(length))
    corners = 0
    for mesh in document["meshes"]:
        for part in mesh["primitives"]:
            if part.get("mode", _TRIANGLES) == _TRIANGLES:
                accessor = part.get("indices", part["attributes"]["POSITION"])
                corners += int(document["accessors"][accessor]["count"])
    return corners // 3


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")


_COUNTERS: Mapping[str, Callable[[IO[bytes], int], int]] = {
    ".ply": _in_ply,
    ".stl": _in_stl,
    ".obj": _in_obj,
    ".glb": _in_glb,
}
