# SPDX-License-Identifier: GPL-3.0-or-later
"""Records our own golden vectors, with our own seeds; only after parity with the reference's was proven.

python -m tests.parity.record
"""

from __future__ import annotations

import numpy as np
import torch

from models.unirig.skinning import weigh_points
from tests.parity import test_birefnet, test_unirig_transfer, unirig_skeleton_own, unirig_skin_own


def record_birefnet() -> None:
    """A network of odd widths: a picture and its logits."""
    x = np.random.default_rng(20).normal(size=(1, 3, 64, 96)).astype(np.float32)
    with torch.inference_mode():
        logits = test_birefnet.own_network()(torch.from_numpy(x)).numpy()
    np.savez_compressed(test_birefnet.OWN_VECTORS, x=x, logits=logits)


def record_unirig_skeleton() -> None:
    """A network of odd widths: points, their prefix, and what is written behind it."""
    generator = np.random.default_rng(21)
    points = generator.normal(size=(60, 6)).astype(np.float32)
    points[:, :3] = np.clip(points[:, :3], -1, 1)
    points[:, 3:] /= np.linalg.norm(points[:, 3:], axis=1, keepdims=True)
    found = unirig_skeleton_own.own_vectors(points)
    np.savez_compressed(unirig_skeleton_own.OWN_VECTORS, points=points, **found)


def record_unirig_skin() -> None:
    """Weights of points by a small skin network; the prior in a small mesh, and weights brought back to it."""
    np.savez_compressed(
        unirig_skin_own.OWN_VECTORS,
        weights=weigh_points(unirig_skin_own.own_network(), unirig_skin_own.own_input()),
        prior=test_unirig_transfer.own_prior(),
        transfer=test_unirig_transfer.own_transfer(),
    )


if __name__ == "__main__":
    record_birefnet()
    record_unirig_skeleton()
    record_unirig_skin()
