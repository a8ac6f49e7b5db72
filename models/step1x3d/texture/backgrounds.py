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
KEPT_BELOW = 10  # at and below it the colours stay


class Backgrounds:
    """One colour for each view, as latents; drawn again after each step."""

    def __init__(self, vae: AutoencoderKL, size_px: int, generator: torch.Generator) -> None:
        self._vae, self._size_px, self._generator = vae, size_px, generator
        self._encoded: dict[int, Tensor] = {}
        self._drawn = self._draw(len(COLORS))

    def latents(self) -> Tensor:
        """(6, 4, size / 8, size / 8) float32, on the CPU."""
        return torch.cat([self._encode(color) for color in self._drawn])

    def draw_after(self, t: int) -> None:
        """Choose the colours that follow a step at noise level t."""
        if t > KEPT_BELOW:
            self._drawn = self._draw(len(COLORS) if t > ALL_ABOVE else PLAIN)

    def _draw(self, count: int) -> list[int]:
        return torch.randint(count, (VIEWS,), generator=self._generator).tolist()

    def _encode(self, color: int) -> Tensor:
        if color not in self._encoded:
            picture = torch.tensor(COLORS[color]).view(3, 1, 1).expand(3, self._size_px, self._size_px)
            self._encoded[color] = encode_picture(self._vae, picture, self._generator).cpu()
        return self._encoded[color]
