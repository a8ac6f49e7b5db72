# SPDX-License-Identifier: GPL-3.0-or-later
"""One brightness for all views: networks paint the left and the right of a figure in different light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from models.common.bake.mesh import UvMesh
from models.common.bake.projection import Painted, ProjectionRules, View, gather_view, place_texels

WORK_PX = 256  # side of texture and pictures: brightness is a coarse thing
LUMA = (0.299, 0.587, 0.114)  # Rec. 601
FEWEST_SHARED = 64  # texels; fewer say nothing about two views
DARKEST = 0.04  # of 1: darker texels have no ratio worth knowing
STRONGEST = 1.25  # no view is made brighter or darker by more
STIFFNESS = 0.05  # pull of each view toward its own brightness, against 1 for a pair of views that overlap well
WELL_SHARED = 2000  # texels from which on a pair's say grows no more
ANCHOR = 100.0  # the first view, the picture's own, keeps its brightness


def balance_gains(views: Sequence[View], mesh: UvMesh) -> np.ndarray:
    """What to multiply each view with so that views agree where they overlap: (N,) float64, the first 1.

    Where two views see the same texels the median ratio of their brightness is taken; least squares in logarithms then
    settle all pairs at once.
    """
    rules = ProjectionRules(WORK_PX, WORK_PX)
    texels = place_texels(mesh, WORK_PX)
    layers = [gather_view(replace(view, image=_shrink(view.image)), mesh, texels, rules) for view in views]
    lumas = [layer.color @ np.array(LUMA, np.float32) for layer in layers]
    matrix, target = np.diag([ANCHOR, *[STIFFNESS] * (len(views) - 1)]), np.zeros(len(views))
    for first in range(len(views)):
        for second in range(first + 1, len(views)):
            shared = _shared(layers[first], layers[second]) & (np.minimum(lumas[first], lumas[second]) > DARKEST)
            count = np.count_nonzero(shared)
            if count < FEWEST_SHARED:
                continue
            ratio = np.median(np.log(lumas[first][shared] / lumas[second][shared]))
            say = min(count / WELL_SHARED, 1.0)
            matrix[[first, second], [first, second]] += say
            matrix[[first, second], [second, first]] -= say
            # Wanted: log gain of the second minus that of the first = ratio.
            target[first] -= say * ratio
            target[second] += say * ratio
    gains = np.exp(np.linalg.solve(matrix, target))
    return np.clip(gains / gains[0], 1.0 / STRONGEST, STRONGEST)


def _shared(first: Painted, second: Painted) -> np.ndarray:
    return (first.cosine > 0.0) & (second.cosine > 0.0)


def _shrink(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (WORK_PX, WORK_PX), interpolation=cv2.INTER_AREA) if len(image) > WORK_PX else image
