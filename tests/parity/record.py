# SPDX-License-Identifier: GPL-3.0-or-later
"""Records our own golden vectors, with our own seeds; only after parity with the reference's was proven.

python -m tests.parity.record
"""

from __future__ import annotations

import numpy as np
import torch

from models.unirig.skinning import weigh_points
from tests.parity import (
    test_birefnet,
    test_isosurface_published,
    test_step1x3d_own,
    test_step1x3d_texture,
    test_step1x3d_texture_bake,
    test_unirig_transfer,
    unirig_skeleton_own,
    unirig_skin_own,
)


def record_birefnet() -> None:
    """A network of odd widths: a picture and its logits."""
    x = np.random.default_rng(20).normal(size=(1, 3, 64, 96)).astype(np.float32)
    with torch.inference_mode():
        logits = test_birefnet.own_network()(torch.from_numpy(x)).numpy()
    np.savez_compressed(test_birefnet.OWN_VECTORS, x=x, logits=logits)


def record_step1x3d() -> None:
    """Tiny networks of the geometry half, each once."""
    with torch.inference_mode():
        np.savez_compressed(test_step1x3d_own.VECTORS, **test_step1x3d_own.compute())


def record_step1x3d_texture() -> None:
    """A small network with six views, control, a reference and two prompts: the noise that it finds."""
    generator = np.random.default_rng(21)
    vectors = {
        "latents": generator.normal(size=(6, 4, 8, 8)),
        "reference": generator.normal(size=(1, 4, 8, 8)),
        "control": generator.uniform(size=(6, 6, 64, 64)),
        "tokens": generator.normal(size=(2, 3, 32)),
        "pooled": generator.normal(size=(2, 10)),
    }
    single = {key: value.astype(np.float32) for key, value in vectors.items()}
    np.savez_compressed(test_step1x3d_texture.OWN_VECTORS, **single)
    noise = test_step1x3d_texture.own_noise().numpy()
    np.savez_compressed(test_step1x3d_texture.OWN_VECTORS, **single, noise=noise)


def record_texture_bake() -> None:
    """Two boxes: maps, bake and fill at small sizes, and a reference picture."""
    np.savez_compressed(test_step1x3d_texture_bake.OWN_VECTORS, **test_step1x3d_texture_bake.own_results())


def record_isosurface() -> None:
    """The published grid of an egg, and its surface."""
    np.savez_compressed(test_isosurface_published.OWN_VECTORS, **test_isosurface_published.compute())


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
    record_step1x3d()
    record_step1x3d_texture()
    record_texture_bake()
    record_isosurface()
    record_unirig_skeleton()
    record_unirig_skin()
