# SPDX-License-Identifier: GPL-3.0-or-later
"""The six views that Step1X-3D's texture network paints, in its fixed order.

Frames: `gltf` is +y up with the front toward +z; `std`, in which positions and normals are shown to the network, is
(x, −z, y) of it.
"""

from __future__ import annotations

import numpy as np

from models.common.raster.camera import Camera, orthographic, place_camera

VIEWS = ("front", "right", "back", "left", "top", "bottom")
HALF_SIDE = 0.55  # of the square that a view shows
DISTANCE = 1.8
NEAR, FAR = 0.1, 100.0
POLE_DEGREES = 89.99  # views from above and below of position and normal maps are this little off the axis

# Where each view stands and what is up in its picture, gltf frame.
_BACKWARD = ((0, 0, 1), (1, 0, 0), (0, 0, -1), (-1, 0, 0), (0, 1, 0), (0, -1, 0))
_UP = ((0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1))
_STD_ANGLES = ((0, -90), (0, 0), (0, 90), (0, 180), (POLE_DEGREES, 90), (-POLE_DEGREES, 90))  # elevation, azimuth


def six_cameras() -> tuple[Camera, ...]:
    """The views exactly along the axes, gltf frame: for carrying pictures onto the mesh and for synchronising."""
    projection = orthographic(HALF_SIDE, NEAR, FAR)
    cameras = []
    for backward, up in zip(np.array(_BACKWARD, float), np.array(_UP, float), strict=True):
        cameras.append(Camera(place_camera(DISTANCE * backward, np.cross(up, backward), up), projection))
    return tuple(cameras)


def six_map_cameras() -> tuple[Camera, ...]:
    """The views of position and normal maps, std frame."""
    projection = orthographic(HALF_SIDE, NEAR, FAR)
    cameras = []
    for elevation, azimuth in np.radians(np.array(_STD_ANGLES)):
        backward = np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        )
        right = np.cross([0.0, 0.0, 1.0], backward)
        right /= np.linalg.norm(right)
        cameras.append(Camera(place_camera(DISTANCE * backward, right, np.cross(backward, right)), projection))
    return tuple(cameras)


def to_std(vectors: np.ndarray) -> np.ndarray:  # (..., 3), gltf frame
    """Points or directions in the std frame, (..., 3)."""
    return np.stack([vectors[..., 0], -vectors[..., 2], vectors[..., 1]], axis=-1)
