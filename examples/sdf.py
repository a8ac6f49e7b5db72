# SPDX-License-Identifier: GPL-3.0-or-later
"""Solid shapes as signed distance fields, and their surface as triangles.

A field maps points (N, 3) float32 to distances (N,) float32, negative inside. Frame: right-handed, +Y up,
+Z toward the viewer, one unit about half a character's height. Distances are bounds rather than exact values, which
is all that blending and meshing need. Smooth minimum: the quadratic polynomial form of Quílez, "Smooth minimum".
"""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
from scipy.ndimage import zoom
from skimage.measure import marching_cubes

Field = Callable[[np.ndarray], np.ndarray]
Vec = Sequence[float]

# Everything that is modelled stays inside this box (low corner, high corner).
WORLD = np.array([[-1.5, -0.2, -1.5], [1.5, 2.6, 1.5]], np.float32)
# Coarse enough to be quick, fine enough that no part of a character slips between two samples.
SEARCH_PITCH = 0.05
# The fine grid is filled from one this many times coarser wherever the surface is far away.
COARSENESS = 4


def turn(degrees: Vec) -> np.ndarray:
    """Rotation (3, 3) about X, then Y, then Z, by angles in degrees."""
    cx, cy, cz = np.cos(np.radians(degrees))
    sx, sy, sz = np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


def placed(shape: Field, centre: Vec, degrees: Vec = (0, 0, 0)) -> Field:
    """A shape modelled about the origin, turned and then moved to `centre`."""
    rotation, offset = turn(degrees), np.asarray(centre, np.float32)
    return lambda p: shape((p - offset) @ rotation)


def ellipsoid(centre: Vec, radii: Vec, degrees: Vec = (0, 0, 0)) -> Field:
    """An ellipsoid; `radii` along its own axes before the turn."""
    r = np.asarray(radii, np.float32)

    def shape(p: np.ndarray) -> np.ndarray:
        outer = np.linalg.norm(p / r, axis=1)
        slope = np.linalg.norm(p / (r * r), axis=1)
        return np.where(outer < 0.05, -r.min(), outer * (outer - 1) / np.maximum(slope, 1e-6))

    return placed(shape, centre, degrees)


def ball(centre: Vec, radius: float) -> Field:
    return placed(lambda p: np.linalg.norm(p, axis=1) - radius, centre)


def cone(start: Vec, end: Vec, start_radius: float, end_radius: float) -> Field:
    """A limb: the hull of two balls. Neither ball may hold the other.

    It is the union of balls centred at s along the axis, of radius start_radius - s sin(taper); the distance to that
    union is least where s lies a step of (distance from the axis) tan(taper) back from the point's own foot.
    """
    a, span = np.asarray(start, np.float32), np.subtract(end, start).astype(np.float32)
    length = float(np.linalg.norm(span))
    axis, sine = span / np.float32(length), (start_radius - end_radius) / length
    tangent = sine / np.sqrt(1 - sine * sine)

    def shape(p: np.ndarray) -> np.ndarray:
        along = (p - a) @ axis
        aside = np.linalg.norm(p - a - along[:, None] * axis, axis=1)
        s = np.clip(along - aside * tangent, 0, length)
        return np.hypot(aside, along - s) - start_radius + s * sine

    return shape


def box(centre: Vec, half: Vec, rounding: float, degrees: Vec = (0, 0, 0)) -> Field:
    """A box of half sizes `half` whose edges are rounded by `rounding`."""
    inner = np.asarray(half, np.float32) - rounding

    def shape(p: np.ndarray) -> np.ndarray:
        q = np.abs(p) - inner
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0) - rounding

    return placed(shape, centre, degrees)


def ring(centre: Vec, radius: float, thickness: float, degrees: Vec = (0, 0, 0)) -> Field:
    """A torus about +Y before the turn; `thickness` is the radius of its tube."""

    def shape(p: np.ndarray) -> np.ndarray:
        return np.hypot(np.hypot(p[:, 0], p[:, 2]) - radius, p[:, 1]) - thickness

    return placed(shape, centre, degrees)


def drum(centre: Vec, radius: float, half_height: float, rounding: float, degrees: Vec = (0, 0, 0)) -> Field:
    """A cylinder about +Y before the turn, its rims rounded."""

    def shape(p: np.ndarray) -> np.ndarray:
        q = np.stack([np.hypot(p[:, 0], p[:, 2]) - radius, np.abs(p[:, 1]) - half_height], 1) + rounding
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(axis=1), 0) - rounding

    return placed(shape, centre, degrees)


def tube(points: Sequence[Vec], radii: Sequence[float], joins: int = 5) -> Field:
    """A Catmull-Rom curve through `points` (K, 3) with a radius at each; `joins` pieces between two points."""
    keys = np.column_stack([np.asarray(points, float), radii])
    keys = np.vstack([2 * keys[0] - keys[1], keys, 2 * keys[-1] - keys[-2]])
    path = [keys[1]]
    for before, a, b, after in zip(keys, keys[1:], keys[2:], keys[3:], strict=False):
        for t in np.arange(1, joins + 1) / joins:
            bend = (2 * before - 5 * a + 4 * b - after) * t**2 + (3 * a - before - 3 * b + after) * t**3
            path.append(0.5 * (2 * a + (b - before) * t + bend))
    return union(*(cone(a[:3], b[:3], a[3], b[3]) for a, b in pairwise(path)))


def half_space(normal: Vec, point: Vec) -> Field:
    """All that lies behind the plane through `point` whose normal is `normal`."""
    n = np.asarray(normal, np.float32) / np.float32(np.linalg.norm(normal))
    return lambda p: (p - np.asarray(point, np.float32)) @ n


def slab(low: float, high: float) -> Field:
    """The layer low ≤ y ≤ high."""
    return lambda p: np.abs(p[:, 1] - (low + high) / 2) - (high - low) / 2


def spot(centre: Vec, radii: Vec, degrees: float = 0) -> Field:
    """An ellipse in the picture's plane, swept along +Z: a stencil for the front of a shape."""
    return front(ellipsoid((*centre, 0), (*radii, 1e3), (0, 0, degrees)))


def stroke(points: Sequence[Vec], widths: Sequence[float]) -> Field:
    """A brush stroke in the picture's plane through `points` (K, 2), swept along +Z: a stencil for the front."""
    line = tube([(*xy, 0) for xy in points], widths)
    flat = np.array([1, 1, 0], np.float32)
    return front(lambda p: line(p * flat))


def front(shape: Field) -> Field:
    return lambda p: np.maximum(shape(p), -p[:, 2])


def union(*shapes: Field) -> Field:
    return lambda p: reduce(np.minimum, (shape(p) for shape in shapes))


def blend(softness: float, *shapes: Field) -> Field:
    """Union whose seams are filled over a width of about `softness`."""

    def join(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        gap = np.maximum(softness - np.abs(a - b), 0) / softness
        return np.minimum(a, b) - gap * gap * softness / 4

    return lambda p: reduce(join, (shape(p) for shape in shapes))


def meet(softness: float, *shapes: Field) -> Field:
    """What the shapes share, its edges rounded."""
    hollow = blend(softness, *(inverse(shape) for shape in shapes))
    return inverse(hollow)


def cut(softness: float, shape: Field, *tools: Field) -> Field:
    """The shape without the tools, edges rounded."""
    return meet(softness, shape, *(inverse(tool) for tool in tools))


def inverse(shape: Field) -> Field:
    return lambda p: -shape(p)


def grow(shape: Field, thickness: float) -> Field:
    return lambda p: shape(p) - thickness


def paint(shape: Field, stencil: Field, thickness: float = 0.006) -> Field:
    """The part of the shape's surface under the stencil, raised by `thickness`."""
    return meet(0.004, grow(shape, thickness), stencil)


def both_sides(shape: Field) -> Field:
    """A shape modelled at +X, and its mirror image."""
    return lambda p: shape(np.column_stack([np.abs(p[:, 0]), p[:, 1:]]))


def polygonise(field: Field, cells: int = 144) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The field's surface: vertices (V, 3) float32, faces (F, 3) int32, unit normals (V, 3) float32.

    `cells` counts grid cells along the longest side of the shape's own bounding box.
    """
    low, high = find_bounds(field)
    pitch = float((high - low).max()) / cells
    blocks = np.ceil((high - low) / (pitch * COARSENESS)).astype(int)
    coarse = sample(field, low, pitch * COARSENESS, blocks + 1)
    values = zoom(coarse, (blocks * COARSENESS + 1) / (blocks + 1), order=1, grid_mode=False)
    near = np.argwhere(np.abs(values) < 2 * pitch * COARSENESS)
    values[tuple(near.T)] = field(low + near.astype(np.float32) * np.float32(pitch))
    vertices, faces, _, _ = marching_cubes(values, 0, spacing=(pitch,) * 3)
    vertices = (vertices + low).astype(np.float32)
    gradients = slopes(field, vertices)
    normals = gradients / np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1e-6)
    return vertices, faces.astype(np.int32), normals


def find_bounds(field: Field) -> np.ndarray:
    """Corners (2, 3) of a box that holds the shape."""
    counts = np.ceil((WORLD[1] - WORLD[0]) / SEARCH_PITCH).astype(int) + 1
    inside = np.argwhere(sample(field, WORLD[0], SEARCH_PITCH, counts) < SEARCH_PITCH)
    return WORLD[0] + np.stack([inside.min(0) - 1, inside.max(0) + 1]).astype(np.float32) * np.float32(SEARCH_PITCH)


def sample(field: Field, low: np.ndarray, pitch: float, counts: np.ndarray) -> np.ndarray:
    """The field at a grid's points: (counts[0], counts[1], counts[2]) float32."""
    points = np.indices(counts, np.float32).reshape(3, -1).T * np.float32(pitch) + low
    return field(points).astype(np.float32).reshape(counts)


def slopes(field: Field, points: np.ndarray, step: float = 2e-3) -> np.ndarray:
    """Central differences of the field: (N, 3) per point of points (N, 3)."""
    offsets = np.eye(3, dtype=np.float32) * np.float32(step)
    return np.stack([field(points + offset) - field(points - offset) for offset in offsets], 1)
