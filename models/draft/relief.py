# SPDX-License-Identifier: GPL-3.0-or-later
"""Shallow relief from the picture's brightness: bright details stand out of the body's front, dark ones sink in.

Frame and units: those of models.draft.inflate.
"""

import cv2
import numpy as np
from scipy import ndimage

from .inflate import FIELD_PX, InflatedBody
from .remesh import vertex_normals

RELIEF_HEIGHT = 0.008  # most that a detail stands out, in the subject's longer side; more folds cartoon outlines
DETAIL_SIGMA_PX = 2.0  # finer detail is noise at the mesh's edge length, in pixels of the field
SURROUNDING_SIGMA_PX = 10.0  # coarser shading is light on the body and not relief, in pixels of the field
RIM_WIDTH = 0.02  # relief fades in over this depth into the silhouette, in sides of the picture


def displace_front(
    vertices: np.ndarray,  # (V, 3) float
    faces: np.ndarray,  # (F, 3) int
    rgba: np.ndarray,  # (S, S, 4) uint8
    body: InflatedBody,
) -> np.ndarray:  # (V, 3) float64
    """Move front vertices along z by the picture's local contrast; rim, sides and back stay as they are."""
    small = cv2.resize(rgba, (FIELD_PX, FIELD_PX), interpolation=cv2.INTER_AREA).astype(np.float32) / 255.0
    opaque = small[..., 3]
    luminance = small[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    fine = _blur_inside(luminance, opaque, DETAIL_SIGMA_PX)
    coarse = _blur_inside(luminance, opaque, SURROUNDING_SIGMA_PX)
    rows, columns = (0.5 - vertices[:, 1]) * FIELD_PX - 0.5, (vertices[:, 0] + 0.5) * FIELD_PX - 0.5
    contrast = ndimage.map_coordinates(np.tanh(3.0 * (fine - coarse)), [rows, columns], order=1, mode="nearest")
    rim_fade = np.clip(body.distance_at(vertices) / RIM_WIDTH, 0.0, 1.0)
    facing = np.clip(vertex_normals(vertices, faces)[:, 2], 0.0, 1.0)
    height = RELIEF_HEIGHT * np.ptp(vertices, axis=0)[:2].max()
    moved = vertices.astype(np.float64)
    moved[:, 2] += height * contrast * rim_fade * facing
    return moved


def _blur_inside(image: np.ndarray, opaque: np.ndarray, sigma_px: float) -> np.ndarray:  # (N, N), (N, N) float32
    blurred = cv2.GaussianBlur(image * opaque, (0, 0), sigma_px)
    return blurred / np.maximum(cv2.GaussianBlur(opaque, (0, 0), sigma_px), 1e-3)
