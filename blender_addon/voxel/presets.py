# SPDX-License-Identifier: GPL-3.0-or-later
"""Palettes made for figures, ours: even steps of lightness in OKLab, skins and woods, and one ramp for each hue."""

from __future__ import annotations

import numpy as np

from .arrays import Bytes

_FIGURINE_16 = (
    "15151f 3d4250 737b86 afb9c0 f7f5ef 744828 be8752 ecc19c b71824 ef7926 fad03e 78bb2f 1d6f5c 45bcd6 2c5dbd ad459b"
)
_FIGURINE_32 = (
    "0d0c15 252532 434755 666c79 8d96a2 b6bfc7 d7e0e0 faf8f4 3b2116 6d4025 a46639 cb9467 e8ba92 f7dcbe 680317 bb061e "
    "ed4b40 f68c36 ffbe3d feea74 163f21 2f7434 5eb03d b5e058 157171 57c3cf 192b6f 2256bb 4998dd 662d88 bb52a8 f2a3c1"
)


def _colours(words: str) -> Bytes:
    return np.array([list(bytes.fromhex(word)) for word in words.split()], np.uint8)


# Name → sRGB (K, 3): neutrals from dark to light, skins, then hues.
PRESETS: dict[str, Bytes] = {"FIGURINE_16": _colours(_FIGURINE_16), "FIGURINE_32": _colours(_FIGURINE_32)}
