# SPDX-License-Identifier: GPL-3.0-or-later
"""Which colours of a palette give light: vivid ones of small areas, as eyes, lamps and gems are painted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Bools, Bytes, Floats
from .oklab import bytes_to_lab
from .palette import palette_image

MOST_VIVID = 0.2  # OKLab lightness times chroma of the purest yellow and green; of red and cyan 0.15, of skin 0.06
SHADE = 0.1  # OKLab distance of colours that are taken for one area
LARGEST_AREA = 0.08  # of the visible voxels: a yellow coat is no lamp


@dataclass(frozen=True)
class Glow:
    """strength: of the light, 0 for none, as Blender's Emission Strength. from_vividness: 0 to 1, what a colour must
    have to give light; at 0 all do, on areas of any size.
    """

    strength: float = 0.0
    from_vividness: float = 0.4


@dataclass(frozen=True, eq=False)
class Light:
    """strength: as of Glow. is_lit: bool (K,), the palette's colours that give it."""

    strength: float
    is_lit: Bools


def find_light(palette: Bytes, colour: Bytes, glow: Glow) -> Light:
    """What gives light in a figure. palette: (K, 3). colour: (N,), of its visible voxels."""
    if glow.strength == 0 or glow.from_vividness == 0:
        return Light(glow.strength, np.full(len(palette), glow.strength > 0))
    labs = bytes_to_lab(palette)
    share = np.bincount(colour, minlength=len(palette)) / len(colour)
    is_near = np.linalg.norm(labs[:, None] - labs[None], axis=2) < SHADE
    return Light(glow.strength, (vividness(palette) >= glow.from_vividness) & (is_near @ share <= LARGEST_AREA))


def vividness(palette: Bytes) -> Floats:  # (K, 3)
    """(K,): how bright and pure a colour is, 0 for greys and black, about 1 for the purest yellow and green."""
    labs = bytes_to_lab(palette)
    return np.asarray(labs[:, 0] * np.linalg.norm(labs[:, 1:], axis=1) / MOST_VIVID)


def light_image(palette: Bytes, light: Light) -> Bytes:
    """As palette_image, black where a colour gives no light."""
    return palette_image(palette * light.is_lit[:, None])
