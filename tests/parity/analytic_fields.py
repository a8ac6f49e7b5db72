# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields whose surface is known, positive inside, truncated at ±1 as a shape autoencoder's are. (N, 3) → (N,)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

HALF_SIDE = 1.05
SPHERE_RADIUS = 0.8

Field = Callable[[Tensor], Tensor]


def ring_and_ball(points: Tensor) -> Tensor:
    """A torus about z and a ball that it touches; the golden vectors' shape."""
    x, y, z = points.T
    u, v = 0.8 * x + 0.6 * y, -0.6 * x + 0.8 * y
    ring = (((u * u + v * v).sqrt() - 0.55).square() + z * z).sqrt() - 0.2
    ball = (points - torch.tensor([0.35, -0.3, 0.55])).norm(dim=1) - 0.22
    return (-torch.minimum(ring, ball) / 0.08).clamp(-1, 1)


def sphere(points: Tensor) -> Tensor:
    """A ball, a little off the middle; the golden vectors' other shape."""
    return ((SPHERE_RADIUS - (points - torch.tensor([0.03, -0.02, 0.01])).norm(dim=1)) / 0.04).clamp(-1, 1)


def sheet(points: Tensor) -> Tensor:
    """An oblique disc, thinner than a cell of the finest grid."""
    normal = torch.tensor([0.3, 0.5, 0.81]) / torch.tensor([0.3, 0.5, 0.81]).norm()
    thickness = (points @ normal - 0.1).abs() - 0.004
    return (-torch.maximum(thickness, points.norm(dim=1) - 0.6) / 0.05).clamp(-1, 1)


def plate(points: Tensor) -> Tensor:
    """A ball with a tilted plate through it, thinner than a coarse cell, of which the field tells nothing beside it."""
    x, y, z = points.T
    thickness = (0.1 * x + 0.2 * y + 0.9747 * z - 0.01).abs() - 0.01
    thread = torch.maximum(thickness, points.norm(dim=1) - 0.7)
    return torch.maximum(-(points.norm(dim=1) - 0.2) / 0.05, -thread / 0.002).clamp(-1, 1)


def specks(points: Tensor) -> Tensor:
    """A ball and five specks about it, smaller than a cell of the coarsest grid."""
    generator = np.random.default_rng(0)
    distance = points.norm(dim=1) - 0.2
    for centre in generator.uniform(-0.9, 0.9, (5, 3)).astype(np.float32):
        away = (points - torch.from_numpy(centre)).norm(dim=1)
        distance = torch.minimum(distance, away - float(generator.uniform(0.01, 0.02)))
    return (-distance / 0.05).clamp(-1, 1)


def waves(points: Tensor) -> Tensor:
    """Walls of random waves that run into the cube's, with specks about."""
    generator = np.random.default_rng(1)
    places = points.double()  # single precision would depend on how points are chunked
    total = torch.zeros(len(points), dtype=torch.float64)
    for x, y, z, phase in generator.normal(size=(20, 4)).tolist():
        total += (14 * (x * places[:, 0] + y * places[:, 1] + z * places[:, 2]) + 9 * phase).sin()
    return (total / 3 - 0.9).clamp(-1, 1).float()


def steps(points: Tensor) -> Tensor:
    """The same in steps of a quarter: many samples lie on the level itself."""
    return waves(points).mul(4).round().div(4)


def box(points: Tensor) -> Tensor:
    """A box whose faces lie right on samples of a grid of 64: many values are the level's own."""
    return (-(points.abs() - HALF_SIDE * torch.tensor([0.5, 0.625, 0.25])).amax(dim=1) / 0.05).clamp(-1, 1)


SHAPES: dict[str, Field] = {
    "ring and ball": ring_and_ball,
    "sphere": sphere,
    "sheet": sheet,
    "plate": plate,
    "specks": specks,
    "waves": waves,
    "steps": steps,
    "box": box,
}
