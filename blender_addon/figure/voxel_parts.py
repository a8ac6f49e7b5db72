# SPDX-License-Identifier: GPL-3.0-or-later
"""Several meshes as one: a character's body, eyes and clothes become one figure of voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..voxel.arrays import Floats, Ints
from ..voxel.mesh import Influences, Material, SurfaceMesh


@dataclass(frozen=True, eq=False)
class SourcePart:
    """One object's share of a SurfaceMesh; the fields are named as there. uv: where a material has an image."""

    vertices: Floats
    triangles: Ints
    uv: Floats | None
    face_material: Ints
    materials: tuple[Material, ...]
    corner_colours: Floats | None
    influences: Influences | None


def joined(parts: Sequence[SourcePart]) -> SurfaceMesh:
    """All parts in one mesh. Vertices of parts without a skin have no weight, where another part has one."""
    if len(parts) > 1 and any(part.corner_colours is not None for part in parts):
        parts = [part if part.corner_colours is None else _painted(part) for part in parts]
    first_vertex = np.cumsum([0, *(len(part.vertices) for part in parts)])
    first_material = np.cumsum([0, *(len(part.materials) for part in parts)])
    return SurfaceMesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.triangles + start for part, start in zip(parts, first_vertex, strict=False)]),
        uv=None if all(part.uv is None for part in parts) else np.concatenate([_uv_of(part) for part in parts]),
        face_material=np.concatenate(
            [part.face_material + start for part, start in zip(parts, first_material, strict=False)]
        ),
        materials=tuple(material for part in parts for material in part.materials),
        corner_colours=parts[0].corner_colours,
        influences=_joined_influences(parts),
    )


def _uv_of(part: SourcePart) -> Floats:
    return np.zeros((len(part.triangles), 3, 2), np.float32) if part.uv is None else part.uv


def _painted(part: SourcePart) -> SourcePart:
    """Its vertex colours as a picture with a pixel for each face: the mean of its corners."""
    count = len(part.triangles)
    side = max(int(np.ceil(np.sqrt(count))), 1)
    picture = np.zeros((side * side, 3))
    picture[:count] = np.nan_to_num(np.asarray(part.corner_colours)).mean(1)
    row, column = np.divmod(np.arange(count), side)
    middle = np.stack([(column + 0.5) / side, 1 - (row + 0.5) / side], axis=1)
    return replace(
        part,
        uv=np.repeat(middle[:, None], 3, axis=1).astype(np.float32),
        face_material=np.zeros(count, np.int64),
        materials=(Material(image=np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8).reshape(side, side, 3)),),
        corner_colours=None,
    )


def _joined_influences(parts: Sequence[SourcePart]) -> Influences | None:
    widths = [part.influences.bones.shape[1] for part in parts if part.influences is not None]
    if not widths:
        return None
    count = sum(len(part.vertices) for part in parts)
    bones, weights = np.zeros((count, max(widths)), np.int64), np.zeros((count, max(widths)), np.float32)
    start = 0
    for part in parts:
        end = start + len(part.vertices)
        if part.influences is not None:
            width = part.influences.bones.shape[1]
            bones[start:end, :width], weights[start:end, :width] = part.influences.bones, part.influences.weights
        start = end
    return Influences(bones, weights)
