# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain backgrounds that change while six views are synchronised, so that no view's own takes hold of the texture."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models.step1x3d.texture.attention import VIEWS
from models.step1x3d.texture.latents import encode_picture

# Values of −1 to 1: the corners of the colour cube and what lies halfway, as the reference lists them.
COLORS = (
    (-1.0, -1.0, -1.0),
    (1.0, 1.0, 1.0),
    (0.0, -1.0, -1.0),
    (1.0, -1.0, -1.0),
    (0.0, 0.0, -1.0),
    (1.0, 1.0, -1.0),
    (-1.0, 0.0, -1.0),
    (-1.0, 1.0, -1.0),
    (-1.0, 0.0, 0.0),
    (-1.0, 1.0, 1.0),
    (-1.0, -1.0, 0.0),
    (-1.0, -1.0, 1.0),
    (0.0, -1.0, 0.0),
    (1.0, -1.0, 1.0),
)
PLAIN = 2  # black and white lead the list
ALL_ABOVE = 600  # noise level above which any colour is drawn, below it black or white


def encode_colors(vae: AutoencoderKL, size_px: int, generator: torch.Generator) -> Tensor:
    """Latents of all COLORS as whole pictures: (14, 4, size / 8, size / 8) float32, on the CPU."""
    pictures = (torch.tensor(color).view(3, 1, 1).expand(3, size_px, size_px) for color in COLORS)
    return torch.cat([encode_picture(vae, picture, generator).cpu() for picture in pictures])


def draw_colors(t: float, generator: torch.Generator) -> Tensor:
    """Which colour each view has at noise level t: int64 (6,)."""
    return torch.randint(len(COLORS) if t > ALL_ABOVE else PLAIN, (VIEWS,), generator=generator)
