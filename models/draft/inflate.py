# SPDX-License-Identifier: GPL-3.0-or-later
"""From a silhouette to a closed implicit body, by local thickness.

Frame: the square picture spans x and y in [-0.5, 0.5], x to the viewer's right, y up, z toward the viewer,
z = 0 in the picture's plane. Lengths are in sides of the picture.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from .borders import Borders, find_borders, signed_distance
from .errors import EmptySurfaceFound

FIELD_PX = 512  # resolution of the height field; finer changes the silhouette by less than a tenth of a pixel at 512 px
PAD_PX = 20  # a subject that touches the picture's edge is closed in this border, in pixels of the field
PAD = PAD_PX / FIELD_PX
SUPERSAMPLING = 2  # distances are measured at twice the field's resolution: the zero level is then sub-pixel
RADIUS_SMOOTHING = 0.008  # evens out steps where discs of different size meet, in sides of the picture
DEPTH_LIMIT = 0.40  # half-depth that the inflation approaches but never passes, in the subject's longer side


@dataclass(frozen=True)
class InflatedBody:
    """A body {f > 0}, f(x, y, z) = R - sqrt((R - d)^2 + ((z - m) / flatness)^2), given by four fields over the picture.

    Where flatness is 1 and m is 0 this is a round tube around the silhouette's medial axis, and f is a true distance.
    distance: (N, N) float32, d: signed distance to the silhouette, positive inside.
    radius: (N, N) float32, R: radius of the largest disc inside the silhouette that covers the pixel.
    flatness: (N, N) float32, factor on the depth, > 0.
    middle: (N, N) float32, m: where the body's middle lies along z.
    borders: planes beyond which there is no body: what stands on a base, or is cropped, ends in them.
    Rows run down from y = 0.5 + PAD, columns right from x = -0.5 - PAD.
    """

    distance: np.ndarray
    radius: np.ndarray
    flatness: np.ndarray
    middle: np.ndarray
    borders: Borders

    def half_depth(self) -> np.ndarray:  # (N, N) float32
        """Half the body's depth at every pixel; 0 outside the silhouette."""
        tube = 2.0 * self.radius * self.distance - self.distance**2
        return self.flatness * np.sqrt(np.maximum(tube, 0.0))

    def reach(self) -> tuple[float, float]:
        """The body's lowest and highest z."""
        inside, half_depth = self.distance > 0, self.half_depth()
        return float((self.middle - half_depth)[inside].min()), float((self.middle + half_depth)[inside].max())

    def over_picture(self) -> tuple[np.ndarray, np.ndarray]:  # twice (FIELD_PX, FIELD_PX) float32
        """Distance and radius without the border: over exactly the picture."""
        inner = slice(PAD_PX, PAD_PX + FIELD_PX)
        return self.distance[inner, inner], self.radius[inner, inner]

    def distance_at(self, points: np.ndarray) -> np.ndarray:  # points: (..., 3); returns (...) float32
        """Signed distance to the silhouette, seen from the front."""
        return self._fields_at(points[..., 0], points[..., 1])[0]

    def evaluate(self, points: np.ndarray) -> np.ndarray:  # points: (..., 3); returns (...) float32
        """f at the points: positive inside, in sides of the picture."""
        distance, radius, flatness, middle = self._fields_at(points[..., 0], points[..., 1])
        f = radius - np.hypot(radius - distance, (points[..., 2] - middle) / flatness)
        return np.minimum(f, self.borders.within(points[..., 0], points[..., 1]))

    def evaluate_grid(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:  # (X,), (Y,), (Z,)
        """f on the grid spanned by three axes: (X, Y, Z) float32."""
        fields = self._fields_at(x[:, None], y[None, :])
        distance, radius, flatness, middle = (field[..., None] for field in fields)
        f = radius - np.hypot(radius - distance, (z.astype(np.float32) - middle) / flatness)
        return np.minimum(f, self.borders.within(x[:, None, None], y[None, :, None])).astype(np.float32)

    def project(self, points: np.ndarray, steps: int = 2) -> np.ndarray:  # points: (V, 3)
        """Move points along the gradient onto f = 0 by Newton steps: (V, 3) float64."""
        eps = 1.0 / FIELD_PX
        moved = points.astype(np.float64)
        offsets = eps * np.concatenate([np.eye(3), -np.eye(3)])
        for _ in range(steps):
            around = self.evaluate(moved[None] + offsets[:, None])  # (6, V)
            gradient = (around[:3] - around[3:]).T / (2.0 * eps)
            squared = np.maximum((gradient**2).sum(axis=1), 0.25)  # flat spots would throw points far away
            step = (self.evaluate(moved) / squared)[:, None] * gradient
            moved = moved - np.clip(step, -4.0 * eps, 4.0 * eps)
        return moved

    def _fields_at(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        x, y = np.broadcast_arrays(x, y)
        count = self.distance.shape[0]
        pixels_per_unit = count / (1.0 + 2.0 * PAD)
        rows = (0.5 + PAD - y) * pixels_per_unit - 0.5
        columns = (x + 0.5 + PAD) * pixels_per_unit - 0.5
        fields = (self.distance, self.radius, self.flatness, self.middle)
        return [ndimage.map_coordinates(f, [rows, columns], order=1, mode="nearest") for f in fields]


def inflate(alpha: np.ndarray, depth: float = 1.0, *, is_cut_flat: bool = False) -> InflatedBody:  # (S, S) uint8
    """Inflate the silhouette {alpha >= 128}: limbs become round tubes, wide parts flatten towards a limit.

    depth: factor on the third dimension, > 0. is_cut_flat: end in a plane where the picture's edge cuts the subject off
    or it stands on a straight base, instead of rounding off there.
    Raises EmptySurfaceFound when the silhouette is empty.
    """
    inside = _sample_inside(alpha)
    borders = find_borders(alpha) if is_cut_flat else Borders()
    distance = _signed_distance(inside, borders)
    if distance.max() <= 0:
        raise EmptySurfaceFound(
            "The subject vanished: its silhouette is thinner than a pixel or less than half opaque. "
            "Use a larger or more opaque picture of it."
        )
    radius = np.maximum(_local_thickness(distance), np.maximum(distance, 1.0 / FIELD_PX))
    rows, columns = np.nonzero(distance > 0)
    limit = DEPTH_LIMIT * max(np.ptp(rows), np.ptp(columns)) / FIELD_PX
    tube = np.maximum(2.0 * radius * distance - distance**2, 0.0)
    flatness = depth / np.sqrt(1.0 + tube / max(limit, 1.0 / FIELD_PX) ** 2)
    return InflatedBody(distance, radius, flatness.astype(np.float32), np.zeros_like(distance), borders)


def _sample_inside(alpha: np.ndarray) -> np.ndarray:  # (S, S) uint8 -> (M, M) uint8, padded, M = SUPERSAMPLING * N
    fine_px = FIELD_PX * SUPERSAMPLING
    interpolation = cv2.INTER_AREA if alpha.shape[0] >= fine_px else cv2.INTER_LINEAR
    fine = cv2.resize(alpha, (fine_px, fine_px), interpolation=interpolation)
    pad_px = PAD_PX * SUPERSAMPLING
    return cv2.copyMakeBorder((fine >= 128).astype(np.uint8), *[pad_px] * 4, cv2.BORDER_CONSTANT, value=0)


def _signed_distance(inside: np.ndarray, borders: Borders) -> np.ndarray:  # (M, M) uint8 -> (N, N) float32
    distance = signed_distance(inside, borders, PAD_PX * SUPERSAMPLING)
    count = inside.shape[0] // SUPERSAMPLING
    return cv2.resize(distance, (count, count), interpolation=cv2.INTER_AREA) / (FIELD_PX * SUPERSAMPLING)


def _local_thickness(distance: np.ndarray) -> np.ndarray:  # (N, N) float32 -> (N, N) float32, > 0
    """Radius of the largest inscribed disc that covers each pixel, smoothed, continued outside the silhouette."""
    pixels = distance * FIELD_PX
    ridge = (pixels > 0) & (pixels >= cv2.dilate(pixels, np.ones((3, 3), np.uint8)) - 0.3)
    rows, columns = np.nonzero(ridge)
    radii = pixels[rows, columns]
    thickness = np.zeros_like(pixels)
    for i in np.argsort(radii, kind="stable"):
        radius = float(radii[i])
        cv2.circle(thickness, (int(columns[i]), int(rows[i])), max(1, round(radius)), radius, thickness=-1)
    sigma = RADIUS_SMOOTHING * FIELD_PX
    covered = (thickness > 0).astype(np.float32)
    weight = cv2.GaussianBlur(covered, (0, 0), sigma)
    smooth = cv2.GaussianBlur(thickness, (0, 0), sigma) / np.maximum(weight, 1e-4)
    return smooth / FIELD_PX
