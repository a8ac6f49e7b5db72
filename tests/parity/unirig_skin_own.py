# SPDX-License-Identifier: GPL-3.0-or-later
"""A small skin network and a small mesh of our own, from seeds alone: golden vectors need not carry their weights."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor, nn

from models.common.checkpoint import load_strictly
from models.unirig.config import PointEncoderConfig
from models.unirig.point_transformer import PointTransformerConfig
from models.unirig.postprocess import SampledSkin, TransferConfig
from models.unirig.skin import SkinNetwork
from models.unirig.skin_config import SkinConfig
from models.unirig.skinning import PointInput

OWN_VECTORS = Path(__file__).parents[1] / "golden" / "unirig_skin.npz"
OWN = SkinConfig(
    mesh_encoder=PointTransformerConfig(in_channels=9, depths=(2, 5), channels=(6, 8), heads=(1, 2), patch=24),
    global_encoder=PointEncoderConfig(
        width=8, heads=2, num_encoder_layers=1, num_freqs=8, point_feats=3, qkv_bias=False, token_num=12
    ),
    feat_dim=12,
    num_heads=3,
    grid_size=0.11,
    mlp_dim=10,
    num_bone_attn=1,
    num_mesh_bone_attn=2,
    bone_embed_dim=14,
    voxel_mask=3.0,
    num_train_vertex=40,
)
PARENTS = np.array([-1, 0, 1, 2, 0])
GRID = 20


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """A value for each key, from the key's name."""
    weights = {}
    for key, tensor in network.state_dict().items():
        generator = np.random.default_rng(zlib.crc32(key.encode()))
        value = generator.normal(size=tuple(tensor.shape)).astype(np.float32)
        if key.endswith("num_batches_tracked"):
            value = np.array(0)
        elif key.endswith("running_var"):
            value = 1 + value**2 / 4
        elif tensor.ndim == 1:
            value = 0.2 * value + (1.0 if key.endswith("weight") else 0.0)
        else:
            value = value * np.float32(1.5 / math.sqrt(math.prod(tensor.shape[1:])))
        weights[key] = torch.from_numpy(np.asarray(value, np.int64 if value.ndim == 0 else np.float32))
    return weights


def own_network() -> SkinNetwork:
    network = SkinNetwork(OWN).eval()
    load_strictly(network, weights_of(network), "own")
    return network


def own_mesh() -> tuple[np.ndarray, np.ndarray]:
    """A bent body and two balls beside it, one joined to it by no voxel: vertices (V, 3) float32, faces (F, 3)."""
    low = trimesh.creation.box((0.5, 0.4, 1.4)).subdivide().subdivide()
    arm = trimesh.creation.box((1.0, 0.3, 0.3)).subdivide().apply_translation((0.6, 0.1, 0.5))
    balls = [trimesh.creation.icosphere(1, 0.15).apply_translation((0.9, y, -0.4)) for y in (0.3, 0.9)]
    mesh = trimesh.util.concatenate((low, arm, *balls))
    return mesh.vertices.astype(np.float32), np.asarray(mesh.faces)


def own_joints() -> np.ndarray:
    return np.array([[0, 0, -0.6], [0, 0, 0], [0, 0.05, 0.5], [0.5, 0.1, 0.5], [0.1, 0, -0.3]], np.float32)


def own_input(count: int = 100) -> PointInput:
    """Points on a wavy tube; some share a voxel."""
    generator = np.random.default_rng(31)
    angle, height = generator.uniform(0, 2 * math.pi, count), generator.uniform(-1, 1, count)
    points = np.stack((np.cos(angle) * 0.4, np.sin(angle) * 0.3 + 0.2 * height**2, height), axis=1)
    normals = np.stack((np.cos(angle), np.sin(angle), 0.1 * height), axis=1)
    points[-10:] = points[:10] + 1e-3
    prior = generator.dirichlet(np.full(len(PARENTS), 0.4), count)
    prior[:, 4] = np.where(np.arange(count) % 7 == 0, 0, prior[:, 4])
    joints = generator.uniform(-0.8, 0.8, (len(PARENTS), 3))
    points, normals, joints, prior = (array.astype(np.float32) for array in (points, normals, joints, prior))
    return PointInput(points, normals, joints, prior, PARENTS)


def own_samples() -> SampledSkin:
    vertices, _ = own_mesh()
    generator = np.random.default_rng(32)
    points = np.repeat(vertices, 2, axis=0) + generator.normal(scale=0.03, size=(2 * len(vertices), 3))
    weights = generator.dirichlet(np.full(len(PARENTS), 0.3), len(points))
    return SampledSkin(points.astype(np.float32), weights.astype(np.float32))


OWN_TRANSFER = TransferConfig(passes=2)
