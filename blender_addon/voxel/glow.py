# SPDX-License-Identifier: GPL-3.0-or-later
"""Which colours of a palette give light: the vivid ones, as eyes, lamps and gems are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Bytes, Floats
from .oklab import bytes_to_lab
from .palette import palette_image

MOST_VIVID = 0.2  # OKLab lightness times chroma of the purest yellow and green; of red and cyan 0.15, of skin 0.06


@dataclass(frozen=True)
class Glow:
    """strength: of the light, 0 for none, as Blender's Emission Strength. from_vividness: 0 to 1, what a colour must
    have to give light; at 0 all do.
    """

    strength: float = 0.0
    from_vividness: float = 0.5


def vividness(palette: Bytes) -> Floats:  # (K, 3)
    """(K,): how bright and pure a colour is, 0 for greys and black, about 1 for the purest yellow and green."""
    labs = bytes_to_lab(palette)
    return np.asarray(labs[:, 0] * np.linalg.norm(labs[:, 1:], axis=1) / MOST_VIVID)


def glowing(palette: Bytes, glow: Glow) -> Bools:
    """(K,): which colours give light."""
    if glow.strength == 0:
        return np.zeros(len(palette), bool)
    return np.asarray((glow.from_vividness == 0) | (vividness(palette) >= glow.from_vividness))


def glow_image(palette: Bytes, glow: Glow) -> Bytes:
    """As palette_image, black where a colour gives no light."""
    return palette_image(palette * glowing(palette, glow)[:, None])
