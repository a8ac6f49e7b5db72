# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rasteriser gives for every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOTHING = -1  # the face of a pixel that sees none


@dataclass(frozen=True, eq=False)
class Fragments:
    """face: (H, W) int32, NOTHING where the pixel sees none. barycentric: (H, W, 3) float32, perspective-correct, the
    weights of the face's corners in their order. depth: (H, W) float32, window space, infinite where nothing is seen.
    """

    face: np.ndarray
    barycentric: np.ndarray
    depth: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """(H, W) bool."""
        return self.face != NOTHING
