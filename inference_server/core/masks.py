# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask that the artist gives beside the picture: it says what the subject is, and becomes the picture's alpha."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from inference_server.core.images import decode_image, read_image
from inference_server.core.types import SourceImage, UInt8
from inference_server.errors import MaskInvalid

_SUBJECT_ALPHA = 128  # from here on a pixel is subject
_HOW = "Paint the subject white and everything else black."
_OR_NONE = "Or leave the mask out."


def read_mask(source: SourceImage, path: Path, max_megapixels: float) -> SourceImage:
    """The picture with the mask of that file for its alpha.

    Raises MaskInvalid where it does not fit the picture, or marks nothing or everything; otherwise as `read_image`.
    """
    return _put_mask(source, read_image(path, max_megapixels), str(path))


def decode_mask(source: SourceImage, content: bytes, max_megapixels: float) -> SourceImage:
    """As `read_mask`, from the file's bytes."""
    return _put_mask(source, decode_image(content, "The mask", max_megapixels), "The mask")


def _put_mask(source: SourceImage, mask: SourceImage, name: str) -> SourceImage:
    """name: what messages call the mask."""
    if mask.rgba.shape != source.rgba.shape:
        own, wanted = (f"{image.rgba.shape[1]} × {image.rgba.shape[0]}" for image in (mask, source))
        raise MaskInvalid(
            f"{name} is {own} pixels, and the picture is {wanted}.",
            "Save the mask in the size of its picture, or leave it out.",
        )
    alpha = _alpha_of(mask.rgba)
    is_subject = alpha >= _SUBJECT_ALPHA
    if not is_subject.any():
        raise MaskInvalid(f"{name} marks no subject: all of it is dark or clear.", _HOW)
    if is_subject.all():
        raise MaskInvalid(f"{name} marks the whole picture as subject.", f"{_HOW} {_OR_NONE}")
    return replace(source, rgba=np.dstack([source.rgba[..., :3], alpha]), has_mask=True)


def _alpha_of(rgba: UInt8) -> UInt8:  # (H, W, 4) uint8 -> (H, W) uint8
    """Its alpha where any of it is clear, its brightest channel otherwise: masks are also painted in a colour."""
    alpha = rgba[..., 3]
    return alpha if (alpha < _SUBJECT_ALPHA).any() else rgba[..., :3].max(axis=2)
