# SPDX-License-Identifier: GPL-3.0-or-later
"""A closed triangle mesh in millimetres as STL and 3MF.

Sources: the binary STL of 3D Systems; the 3MF Consortium's Core Specification 1.3, and the Open Packaging Conventions
(ECMA-376 part 2) that its container follows.
"""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

STL_HEAD_bytes = 80
_STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
# The oldest time that a zip can hold: the same print is the same file.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
DECIMALS = 4  # of a millimetre; STL's single precision tells no more apart in a print of two metres
_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    "</Types>"
)
_RELATIONSHIPS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="rel0" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
    "</Relationships>"
)


@dataclass(frozen=True, eq=False)
class Solid:
    """vertices: float64 (V, 3), millimetres, +Z up. triangles: int (T, 3), counter-clockwise from outside."""

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]


def stl_bytes(solid: Solid) -> bytes:
    """Binary."""
    places = solid.vertices[solid.triangles]
    normals = np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    record = np.zeros(len(places), _STL_TRIANGLE)
    record["corners"], record["normal"] = places, normals
    return bytes(STL_HEAD_bytes) + struct.pack("<I", len(record)) + record.tobytes()


def threemf_bytes(solid: Solid, name: str) -> bytes:
    """A package with one object, in millimetres."""
    vertex = f'<vertex x="%.{DECIMALS}f" y="%.{DECIMALS}f" z="%.{DECIMALS}f"/>'
    vertices = (vertex * len(solid.vertices)) % tuple(solid.vertices.ravel().tolist())
    triangle = '<triangle v1="%d" v2="%d" v3="%d"/>'
    triangles = (triangle * len(solid.triangles)) % tuple(solid.triangles.ravel().tolist())
    model = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<model unit="millimeter" xml:lang="en-US" '
        'xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
        f'<resources><object id="1" type="model" name={quoteattr(name)}><mesh>'
        f"<vertices>{vertices}</vertices><triangles>{triangles}</triangles>"
        '</mesh></object></resources><build><item objectid="1"/></build></model>'
    )
    parts = {"[Content_Types].xml": _CONTENT_TYPES, "_rels/.rels": _RELATIONSHIPS, "3D/3dmodel.model": model}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        for path, text in parts.items():
            package.writestr(zipfile.ZipInfo(path, _NO_TIME), text.encode(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()
