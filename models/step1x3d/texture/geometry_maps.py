# SPDX-License-Identifier: GPL-3.0-or-later
"""What the texture network sees of the mesh: the place and the normal of every pixel's surface, from six sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.common.bake.mesh import check_mesh
from models.common.normals import vertex_normals
from models.common.raster.camera import to_window
from models.common.raster.rasterize import interpolate, rasterize
from models.step1x3d.texture.cameras import six_map_cameras, to_std


@dataclass(frozen=True, eq=False)
class GeometryMaps:
    """Six views in the order of cameras.VIEWS.

    face: (6, S, S) int32, −1 on the background. position, normal: (6, S, S, 3) float32, std frame, 0 on the
    background; normals are unit and smoothed over the welded surface.
    """

    face: np.ndarray
    position: np.ndarray
    normal: np.ndarray

    @property
    def control(self) -> np.ndarray:
        """The adapter's input: (6, 6, S, S) float32, channels position and normal, 0..1, background 0.5."""
        channels = np.concatenate([self.position + 0.5, self.normal / 2.0 + 0.5], axis=-1)
        return np.ascontiguousarray(np.clip(channels, 0.0, 1.0).transpose(0, 3, 1, 2))


def render_geometry_maps(
    vertices: np.ndarray,  # (V, 3) float32
    faces: np.ndarray,  # (F, 3) int32
    size: int = 768,
    device: str = "cpu",
) -> GeometryMaps:
    """vertices: gltf frame, within ±0.5 (see mesh_preparation). Seams of texture coordinates do not show in it.

    Raises MeshUnusable.
    """
    check_mesh(vertices, faces)
    places = to_std(vertices).astype(np.float32)
    welded, welded_faces = weld(places, faces)
    values = np.concatenate([welded, vertex_normals(welded, welded_faces, by_area=True)], axis=1)
    face, mixed = [], []
    for camera in six_map_cameras():
        fragments = rasterize(to_window(welded, camera, size, size), welded_faces, size, size, device=device)
        face.append(fragments.face)
        mixed.append(interpolate(fragments, welded_faces, values))
    maps = np.stack(mixed)
    normal = maps[..., 3:]
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    return GeometryMaps(
        np.stack(face), np.ascontiguousarray(maps[..., :3]), normal / np.where(length > 0.0, length, 1.0)
    )


def weld(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make one vertex of all at the same place; faces keep their order. Returns vertices and faces."""
    kept, names = np.unique(vertices + 0.0, axis=0, return_inverse=True)  # + 0.0 makes −0 the same as 0
    return kept, names.reshape(-1)[faces].astype(np.int32)
