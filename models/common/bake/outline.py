# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a picture shows what a mesh is: their outlines, laid over each other as the picture is laid onto the mesh."""

from __future__ import annotations

import cv2
import numpy as np

from models.common.bake.photo import frame_subject, pad_to_square
from models.common.raster.camera import Camera, to_window
from models.common.raster.rasterize import rasterize

COMPARED_PX = 256  # side of the square around the picture; a finer one tells no more
SHOWN = 128  # alpha of what belongs to the outline
# Measured on 17 models that people made, in other poses too: docs/texture.md.
REACH = 0.03  # of the subject's longer side; closer outlines are those of one shape seen by another lens
MOST_STRAY = 0.035


def outline_notes(rgba: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> tuple[str, ...]:
    """A sentence for the user where the picture is probably not of this mesh as it stands; none otherwise.

    rgba: (H, W, 4) uint8, with a subject. vertices: (V, 3), +y up, the front toward +z, any unit. faces: (F, 3) int32,
    which alone count: a vertex of none may lie anywhere.
    """
    subject = pad_to_square(rgba)[..., 3] >= SHOWN
    camera = frame_subject(subject, vertices[np.unique(faces)])
    share = stray_share(subject, vertices, faces, camera)
    if share <= MOST_STRAY:
        return ()
    return (
        f"The picture's outline is not the mesh's: {share:.0%} of the two lie apart. It may show another subject, "
        "another pose or another side, so its colours may lie in wrong places.",
    )


def stray_share(subject: np.ndarray, vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> float:
    """How much of what subject and mesh cover together lies farther than REACH from the other of them, 0..1.

    subject: (S, S) bool, not empty. camera: of the square, see `frame_subject`. What the mesh has beyond the square
    counts for half a square around it.
    """
    margin = COMPARED_PX // 2
    side = COMPARED_PX + 2 * margin
    scaled = cv2.resize(subject.astype(np.float32), (COMPARED_PX, COMPARED_PX), interpolation=cv2.INTER_AREA)
    picture = np.pad(scaled >= 0.5, margin)
    window = to_window(vertices, camera, COMPARED_PX, COMPARED_PX)
    window[:, :2] += margin
    mesh = rasterize(window, faces, side, side).covered
    longest = max(np.ptp(np.flatnonzero(subject.any(axis=axis))) + 1 for axis in (0, 1))
    reach = REACH * longest * COMPARED_PX / len(subject)
    strays = sum(
        np.count_nonzero(here & (_distance_to(there) > reach)) for here, there in ((picture, mesh), (mesh, picture))
    )
    return strays / max(np.count_nonzero(picture | mesh), 1)


def _distance_to(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32, pixels."""
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
