# SPDX-License-Identifier: GPL-3.0-or-later
"""What six views see of a mesh's texture, for synchronising them."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from models.common.normals import vertex_normals
from models.common.raster.camera import Camera, to_window, uv_to_window
from models.common.raster.fragments import Fragments
from models.common.raster.rasterize import RasterRules, interpolate, rasterize
from models.step1x3d.texture.cameras import six_cameras
from models.step1x3d.texture.mesh_preparation import PreparedMesh
from models.step1x3d.texture.synchronize import Coverage, cover

VISIBILITY_PX = 512  # faces that a view of this side shows are visible to it
FRONT = RasterRules(culls_back=True)


def find_coverage(mesh: PreparedMesh, latent_px: int, texture_px: int, device: torch.device | str = "cpu") -> Coverage:
    """Of views of latent_px and a texture of texture_px a side; tensors on the device.

    Angles are measured at normals that break at the texture's seams, towards a viewer at the camera's place although
    the views are orthographic, as the reference does.
    """
    normals = vertex_normals(mesh.vertices, mesh.faces, by_area=True)
    layout = rasterize(uv_to_window(mesh.uv.reshape(-1, 2), texture_px), mesh.whole.corners, texture_px, texture_px)
    covered, uv, cosines, visible = [], [], [], []
    for camera in six_cameras():
        seen = _look(mesh, camera, latent_px)
        covered.append(seen.covered)
        uv.append(interpolate(seen, mesh.whole.corners, mesh.uv.reshape(-1, 2)))
        cosines.append(_cosines(mesh, normals, camera, seen))
        visible.append(_visible_texels(layout, _look(mesh, camera, VISIBILITY_PX).face, len(mesh.faces)))
    tensors = (torch.from_numpy(np.stack(item)).to(device) for item in (covered, uv, cosines, visible))
    return cover(*tensors)


def _look(mesh: PreparedMesh, camera: Camera, size: int) -> Fragments:
    return rasterize(to_window(mesh.vertices, camera, size, size), mesh.faces, size, size, FRONT)


def _cosines(mesh: PreparedMesh, normals: np.ndarray, camera: Camera, seen: Fragments) -> np.ndarray:
    """Of the angle between surface and viewer at every pixel: (H, W) float32, 0 to 1."""
    values = interpolate(seen, mesh.faces, np.concatenate([normals, mesh.vertices], axis=1))
    normal, away = values[..., :3], camera.position.astype(np.float32) - values[..., 3:]
    lengths = np.linalg.norm(normal, axis=-1) * np.linalg.norm(away, axis=-1)
    cosine = np.einsum("hwc,hwc->hw", normal, away) / np.maximum(lengths, np.finfo(np.float32).tiny)
    return np.where(seen.covered, np.clip(cosine, 0.0, 1.0), 0.0).astype(np.float32)


def _visible_texels(layout: Fragments, faces: np.ndarray, face_count: int) -> np.ndarray:
    """(T, T) bool: texels of the faces that are among these (any shape, −1 for none), and those beside them."""
    is_visible = np.zeros(face_count + 1, np.uint8)  # the last stands for none, as −1 finds it
    is_visible[faces.reshape(-1)] = 1
    is_visible[-1] = 0
    return cv2.dilate(is_visible[layout.face], np.ones((3, 3), np.uint8)) > 0
