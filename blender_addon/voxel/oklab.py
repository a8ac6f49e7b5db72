# SPDX-License-Identifier: GPL-3.0-or-later
"""sRGB, linear light, and OKLab, in which distances are as the eye sees them (Björn Ottosson, 2020)."""

from __future__ import annotations

import numpy as np

from .arrays import Bytes, Floats

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_CONES, _FROM_LAB = np.linalg.inv(_TO_CONES), np.linalg.inv(_TO_LAB)


def decode(srgb: Floats) -> Floats:
    """Linear light of sRGB-encoded values, both 0 to 1."""
    return np.asarray(np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0) + 0.055) / 1.055) ** 2.4))


def encode(linear: Floats) -> Floats:
    """The inverse of `decode`."""
    linear = np.clip(linear, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


_LINEAR_OF_BYTE = decode(np.arange(256) / 255)


def _mixed(matrix: Floats, colours: Floats) -> Floats:  # (3, 3), (..., 3)
    """The matrix times each colour, laid out as the colours are. A matrix library would start threads for it."""
    mixed = np.empty_like(colours)
    for channel, (x, y, z) in enumerate(matrix.tolist()):
        mixed[..., channel] = x * colours[..., 0] + y * colours[..., 1] + z * colours[..., 2]
    return mixed


def bytes_to_linear(srgb: Bytes) -> Floats:
    """Linear light, 0 to 1, of sRGB bytes."""
    return np.asarray(np.take(_LINEAR_OF_BYTE, srgb.T).T)


def linear_to_bytes(linear: Floats) -> Bytes:
    """sRGB bytes, rounded; colours outside of sRGB are clipped."""
    return np.asarray(np.round(encode(linear) * 255), np.uint8)


def linear_to_lab(linear: Floats) -> Floats:  # (..., 3)
    """OKLab of linear sRGB."""
    return _mixed(_TO_LAB, np.cbrt(_mixed(_TO_CONES, linear)))


def lab_to_linear(lab: Floats) -> Floats:
    """The inverse of `linear_to_lab`."""
    return _mixed(_FROM_CONES, _mixed(_FROM_LAB, lab) ** 3)


def bytes_to_lab(srgb: Bytes) -> Floats:
    """OKLab of sRGB bytes."""
    return linear_to_lab(bytes_to_linear(srgb))


def lab_to_bytes(lab: Floats) -> Bytes:
    """sRGB bytes of OKLab."""
    return linear_to_bytes(lab_to_linear(lab))
