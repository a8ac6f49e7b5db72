# SPDX-License-Identifier: GPL-3.0-or-later
"""A cut-out picture made ready for the encoders: the subject centred in a white square, then normalised pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Of the picture's sides: what the subject fills. The networks were trained on pictures framed so.
FOREGROUND_SHARE = 0.95
BACKGROUND = (255, 255, 255)


class PictureEmpty(ValueError):
    """Every pixel of the picture is clear."""


@dataclass(frozen=True)
class Normalisation:
    """Mean and spread of a network's training pictures, red, green, blue, of values 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def frame_subject(rgba: np.ndarray) -> Image.Image:
    """The subject scaled to FOREGROUND_SHARE of the picture and centred, on white, in a square.

    rgba: (H, W, 4) uint8, straight alpha. Returns RGBA, side max(H, W); its colour is already that over white.
    Raises PictureEmpty.
    """
    picture = Image.fromarray(np.ascontiguousarray(rgba))
    width, height = picture.size
    box = picture.getchannel("A").getbbox()
    if box is None:
        raise PictureEmpty("The picture has no visible pixel.")
    box_width, box_height = box[2] - box[0], box[3] - box[1]
    scale = min(height * FOREGROUND_SHARE / box_height, width * FOREGROUND_SHARE / box_width)
    size = max(1, int(box_width * scale)), max(1, int(box_height * scale))
    composed = Image.alpha_composite(Image.new("RGBA", picture.size, (*BACKGROUND, 255)), picture).convert("RGB")
    framed = _centred(composed.crop(box).resize(size), Image.new("RGB", (width, height), BACKGROUND))
    framed.putalpha(_centred(picture.getchannel("A").crop(box).resize(size), Image.new("L", (width, height), 0)))
    side = max(width, height)
    return framed if width == height else _centred(framed, Image.new("RGBA", (side, side), (*BACKGROUND, 0)))


def _centred(picture: Image.Image, ground: Image.Image) -> Image.Image:
    """The ground with the picture on its middle."""
    ground.paste(picture, ((ground.width - picture.width) // 2, (ground.height - picture.height) // 2))
    return ground


def to_pixels(picture: Image.Image, side_px: int, normalisation: Normalisation) -> Tensor:
    """A square picture as a network sees it: (1, 3, side_px, side_px) float32. Alpha is dropped.

    Resized by Pillow's bicubic filter, whose antialiasing tensor libraries do not reproduce exactly.
    """
    resized = picture.convert("RGB").resize((side_px, side_px), Image.Resampling.BICUBIC)
    values = np.asarray(resized, dtype=np.float32) * np.float32(1 / 255)
    values = (values - np.array(normalisation.mean, np.float32)) / np.array(normalisation.std, np.float32)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]
