# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender would hide or trip over: looks into a mesh file before Blender reads it.

Blender's PLY and glTF importers put a vertex whose coordinates are not finite at the origin and say nothing, and the
PLY importer ends the process over a header that promises more elements than the file can hold. (For OBJ, STL and FBX
the importer's own clean-up can be switched off instead, see `reading.py`.)
"""

from __future__ import annotations

import base64
import json
import re
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from inference_server.blender_worker.failures import WorkerFailure

PLY_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
PLY_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}

GLB_MAGIC = b"glTF"
FLOAT_COMPONENT = 5126  # glTF's number for float32
FLOAT3_BYTES = 12


def check_content(path: Path) -> None:
    """Raises WorkerFailure: UnsupportedMedia where the content is of another kind than the suffix says, MeshInvalid
    where it is empty, promises more than it holds, or has coordinates that are not finite.
    """
    with path.open("rb") as stream:
        start = stream.read(64)
    if not start:
        raise WorkerFailure("MeshInvalid", f"{path.name} is empty (zero bytes).", "Export it again.")
    suffix = path.suffix.lower()
    is_right_kind = {
        ".glb": start.startswith(GLB_MAGIC),
        ".ply": start.startswith(b"ply"),
        ".fbx": start.startswith(b"Kaydara FBX Binary") or start.lstrip().startswith(b";"),
        ".gltf": start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"),
    }.get(suffix, b"\0" not in start or suffix == ".stl")
    if not is_right_kind:
        kind = suffix[1:].upper()
        raise WorkerFailure(
            "UnsupportedMedia", f"The content of {path.name} is not {kind}.", f"Export the mesh as {kind} again."
        )
    if suffix == ".ply":
        _check_ply(path)
    elif suffix in (".glb", ".gltf"):
        _check_gltf(path)


def not_finite(path: Path) -> WorkerFailure:
    """The failure for coordinates that are no numbers."""
    return WorkerFailure(
        "MeshInvalid",
        f"{path.name} has vertices whose coordinates are not finite (NaN or infinite).",
        "Repair the mesh and export it again.",
    )


def damaged(path: Path, reason: str) -> WorkerFailure:
    """The failure for a file that cannot be read."""
    return WorkerFailure("MeshInvalid", f"{path.name} is damaged: {reason}.", "Export it again.")


def _check_ply(path: Path) -> None:
    content = path.read_bytes()
    header_end = re.search(rb"end_header\r?\n", content)
    header = content[: header_end.start()].decode("ascii", "replace").split("\n") if header_end else []
    form = next((line.split()[1] for line in header if line.startswith("format ")), None)
    if header_end is None or form not in PLY_ORDERS:
        raise damaged(path, "its header is incomplete")
    elements = _ply_elements(header)
    body = content[header_end.end() :]
    promised_bytes = sum(count * _least_bytes(columns, form == "ascii") for _name, count, columns in elements)
    if promised_bytes > len(body) + 1:  # the last line may lack its end
        raise damaged(path, "its header promises more elements than it holds")
    if elements and elements[0][0] == "vertex" and "list" not in dict(elements[0][2]).values():
        places = _ply_places(body, elements[0], PLY_ORDERS[form])
        if not np.isfinite(places).all():
            raise not_finite(path)


def _ply_elements(header: list[str]) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """(name, count, [(property, type or "list")]) in the file's order; what is malformed is left to Blender."""
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for line in header:
        words = line.split()
        if len(words) >= 3 and words[0] == "element" and words[2].isdigit():
            elements.append((words[1], int(words[2]), []))
        elif len(words) >= 3 and words[0] == "property" and elements:
            elements[-1][2].append((words[-1], "list" if words[1] == "list" else PLY_TYPES.get(words[1], "u1")))
    return elements


def _least_bytes(columns: list[tuple[str, str]], is_ascii: bool) -> int:
    if is_ascii:
        return 2 * len(columns)  # a digit and a separator
    return sum(1 if kind == "list" else np.dtype(kind).itemsize for _name, kind in columns)


def _ply_places(body: bytes, element: tuple[str, int, list[tuple[str, str]]], order: str) -> NDArray[Any]:
    """The (V, 3) coordinates, in as far as they can be told."""
    _name, count, columns = element
    axes = [axis for axis in ("x", "y", "z") if axis in dict(columns)]
    if order:
        rows = np.frombuffer(body, np.dtype([(name, order + kind) for name, kind in columns]), count)
        return np.stack([rows[axis].astype(np.float64) for axis in axes], axis=1)
    places = [[name for name, _kind in columns].index(axis) for axis in axes]
    lines = [line.split() for line in body.splitlines() if line.strip()][:count]
    with np.errstate(over="ignore"):
        values = np.array([[line[place] for place in places] for line in lines], dtype=np.float64)
        return values.astype(np.float32)


def _check_gltf(path: Path) -> None:
    document, binary = _gltf_parts(path)
    try:
        accessors = document.get("accessors", [])
        indices = {
            primitive["attributes"]["POSITION"]
            for mesh in document.get("meshes", [])
            for primitive in mesh["primitives"]
            if "POSITION" in primitive["attributes"]
        }
        for index in sorted(indices):
            if not np.isfinite(_positions(document, accessors[index], binary, path.parent)).all():
                raise not_finite(path)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise damaged(path, f"its buffers do not fit its description ({error})") from error


def _gltf_parts(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    binary = b""
    try:
        if content.startswith(GLB_MAGIC):
            (json_bytes,) = struct.unpack_from("<I", content, 12)
            binary = content[20 + json_bytes + 8 :]
            content = content[20 : 20 + json_bytes]
        return json.loads(content), binary
    except (struct.error, ValueError) as error:
        raise damaged(path, f"its description cannot be read ({error})") from error


def _positions(document: dict[str, Any], accessor: dict[str, Any], binary: bytes, folder: Path) -> NDArray[Any]:
    """The stored places of one accessor; none for those that a compression or another type hides."""
    if accessor["componentType"] != FLOAT_COMPONENT or "bufferView" not in accessor:
        return np.zeros((0, 3), np.float32)
    view = document["bufferViews"][accessor["bufferView"]]
    uri = document["buffers"][view["buffer"]].get("uri")
    content = binary if uri is None else _linked(uri, folder)
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    stride = view.get("byteStride", FLOAT3_BYTES)
    return np.ndarray((accessor["count"], 3), np.dtype("<f4"), content, start, (stride, 4))


def _linked(uri: str, folder: Path) -> bytes:
    if uri.startswith("data:"):
        return base64.b64decode(uri.partition(",")[2])
    linked = folder / unquote(uri)
    if not linked.is_file():
        raise ValueError(f"{uri} is missing")
    return linked.read_bytes()
