# SPDX-License-Identifier: GPL-3.0-or-later
"""What `rotations` does, for many at once: float64 arrays (…, 3, 3) of turns and (…, 3) of vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rotations import PARALLEL

Array = NDArray[np.float64]


def units(vectors: Array) -> Array:
    """The same directions, 1 long; what has no length stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Array = vectors / np.where(lengths > 0.0, lengths, 1.0)
    return result


def turned(turns: Array, vectors: Array) -> Array:
    """(…, 3): each vector by its turn."""
    result: Array = (turns @ vectors[..., None])[..., 0]
    return result


def dots(one: Array, other: Array) -> Array:  # (…, 3), (…, 3)
    """(…, 1): how far each goes along the other."""
    result: Array = (one * other).sum(axis=-1, keepdims=True)
    return result


def across(vectors: Array, along: Array) -> Array:  # (…, 3), (…, 3)
    """(…, 3): what is left without the part along a unit direction."""
    result: Array = vectors - dots(vectors, along) * along
    return result


def abouts(axes: Array, angles_rad: Array) -> Array:
    """Turns about unit axes, (…, 3), by angles, (…); no turn where the angle is 0."""
    x, y, z = np.moveaxis(axes, -1, 0)
    nothing = np.zeros_like(x)
    rows = ((nothing, -z, y), (z, nothing, -x), (-y, x, nothing))
    crosses = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    sines, cosines = np.sin(angles_rad)[..., None, None], np.cos(angles_rad)[..., None, None]
    result: Array = np.eye(3) + sines * crosses + (1.0 - cosines) * crosses @ crosses
    return result


def swings(starts: Array, ends: Array) -> Array:
    """The shortest turns that take unit directions to others; of opposite ones, about any axis across them."""
    axes = np.cross(starts, ends)
    sines, cosines = np.linalg.norm(axes, axis=-1), dots(starts, ends)[..., 0]
    is_half = (sines <= PARALLEL) & (cosines < 0.0)
    if is_half.any():
        apart = np.eye(3)[np.abs(starts[is_half]).argmin(axis=-1)]
        axes[is_half] = np.cross(starts[is_half], apart)
    angles_rad = np.where(sines > PARALLEL, np.arctan2(sines, cosines), np.where(is_half, np.pi, 0.0))
    return abouts(units(axes), angles_rad)


def betweens(starts: Array, ends: Array, shares: Array | float) -> Array:
    """So far on the shortest ways from some orientations to others. shares: (…)."""
    axes, angles_rad = axes_angles(ends @ np.swapaxes(starts, -1, -2))
    return abouts(axes, shares * angles_rad) @ starts


def axes_angles(rotations: Array) -> tuple[Array, Array]:
    """Unit axes (…, 3) and angles in radians (…), 0 to π. Of no turn the axis is no direction of use."""
    cosines = np.clip((np.trace(rotations, axis1=-2, axis2=-1) - 1.0) / 2.0, -1.0, 1.0)
    pairs = ((2, 1), (0, 2), (1, 0))
    twice_sines = np.stack([rotations[..., a, b] - rotations[..., b, a] for a, b in pairs], axis=-1)
    lengths = np.linalg.norm(twice_sines, axis=-1)
    axes = units(twice_sines)
    is_half = (lengths <= PARALLEL) & (cosines < 0.0)
    if is_half.any():
        # Half a turn: the matrix is 2 a aᵀ - 1.
        doubled = rotations[is_half] + np.eye(3)
        largest = np.diagonal(doubled, axis1=-2, axis2=-1).argmax(axis=-1)
        axes[is_half] = units(np.take_along_axis(doubled, largest[:, None, None], axis=-1)[..., 0])
    return axes, np.where(lengths > PARALLEL, np.arctan2(lengths / 2.0, cosines), np.arccos(np.sign(cosines)))


def quaternions(rotations: Array) -> Array:
    """(…, 4) of turns, w first and not negative (Shepperd's method: by the largest of the four, which divides well)."""
    m = rotations
    trace = np.trace(m, axis1=-2, axis2=-1)
    x, y, z = (2.0 * m[..., axis, axis] - trace for axis in range(3))
    sums = np.stack([trace, x, y, z], axis=-1) + 1.0  # four times the square of each
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    ww, xx, yy, zz = np.moveaxis(sums, -1, 0)
    rows = ((ww, wx, wy, wz), (wx, xx, xy, xz), (wy, xy, yy, yz), (wz, xz, yz, zz))
    products = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    largest = sums.argmax(axis=-1)[..., None, None]
    found = np.take_along_axis(products, largest, axis=-2)[..., 0, :]
    found = found / np.linalg.norm(found, axis=-1, keepdims=True)
    result: Array = np.where(found[..., :1] < 0.0, -found, found)
    return result


def continuous(rows: Array) -> Array:  # (F, …, 4)
    """The same quaternions, each of its two signs the nearer to the frame's before: keys take the short way."""
    flips = np.where((rows[1:] * rows[:-1]).sum(axis=-1) < 0.0, -1.0, 1.0)
    result = rows.copy()
    result[1:] *= np.cumprod(flips, axis=0)[..., None]
    return result
