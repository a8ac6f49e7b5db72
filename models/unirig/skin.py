# SPDX-License-Identifier: GPL-3.0-or-later
"""UniRig's skin network (Zhang et al. 2025, arXiv 2504.12451, section 5): how much each point follows each bone.

Key names of the published checkpoints, without their prefix `model.`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.common.fourier import fourier_features, octaves
from models.unirig.point_encoder import PointEncoder, choose_queries
from models.unirig.point_transformer import CURVES_AS_THEY_ARE, PointTransformer
from models.unirig.skin_config import SkinConfig

FFN_RATIO = 4
BONE_FREQUENCIES = 6
LOWEST_FREQUENCY = math.pi  # the next ones are twice as high each; the point encoder's begin at 1
BONE_HIDDEN_RATIO = 4
HEAD_LAYERS = 4
EMPTY_FEATURES = 3  # of a point, that training left empty beside its place and its normal


@dataclass(frozen=True)
class SkinFeatures:
    """points: (N, C), bones: (J, C), after all attention between them."""

    points: Tensor
    bones: Tensor


class SkinNetwork(nn.Module):
    """Points on a mesh, its bones' heads and a prior → weights. N points, J bones, one mesh at a time.

    The point transformer always computes in float32, as in training; the rest under whatever autocast the caller sets.
    """

    def __init__(self, config: SkinConfig) -> None:
        super().__init__()
        width, heads = config.feat_dim, config.num_heads
        self.chunk = config.num_train_vertex
        self.heads = heads
        self.voxel_mask = config.voxel_mask
        self.mesh_encoder = PointTransformer(config.mesh_encoder, config.grid_size)
        self.global_encoder = nn.ModuleDict({"encoder": PointEncoder(config.global_encoder)})
        self.token_num = config.global_encoder.token_num
        self.feat_map = nn.Sequential(
            nn.Linear(config.mesh_encoder.channels[-1], width), nn.LayerNorm(width), nn.GELU()
        )
        self.out_proj = nn.Sequential(nn.Linear(config.global_encoder.width, width), nn.LayerNorm(width), nn.GELU())
        self.bone_encoder = BoneEncoder(config)
        self.mesh_bone_attn = nn.ModuleList(CrossBlock(width, heads) for _ in range(config.num_mesh_bone_attn))
        self.qmesh = nn.Linear(width, heads * width)
        self.kmesh = nn.Linear(width, heads * width)
        self.voxel_skin_embed = nn.Linear(1, heads)
        self.voxel_skin_norm = nn.LayerNorm(heads)
        self.attn_skin_norm = nn.LayerNorm(heads)
        self.downscale = nn.Sequential(*dense(2 * heads, heads))
        self.skinweight_pred = ScoreHead(heads, config.mlp_dim)

    def encode(
        self, points: Tensor, normals: Tensor, joints: Tensor, curves: Sequence[int] = CURVES_AS_THEY_ARE
    ) -> SkinFeatures:
        """points, normals: (N, 3); joints: (J, 3), heads of the bones; float32, the mesh's longest side in −1 … 1.

        curves: the order in which blocks use the four space-filling curves.
        """
        with torch.autocast(points.device.type, enabled=False):
            features = torch.cat((points, normals, points.new_zeros(len(points), EMPTY_FEATURES)), dim=1)
            mesh = self.feat_map(self.mesh_encoder(points, features, curves))
        queries = torch.from_numpy(choose_queries(points.cpu().numpy(), self.token_num)).to(points.device)
        shape = self.out_proj(self.global_encoder["encoder"](points, normals, queries)[0])
        bones = self.bone_encoder(joints - points.amin(dim=0), shape)
        context = torch.cat((bones, shape))
        for block in self.mesh_bone_attn:
            mesh = block(mesh, context)
        return SkinFeatures(mesh, bones)

    def decode(self, features: SkinFeatures, prior: Tensor, parents: Tensor) -> Tensor:
        """Weights of some of the points: (n, J) float32, rows summing to 1.

        features.points: (n, C); prior: (n, J) float32, the voxel-geodesic weights; parents: (J,) int64, −1 for the
        root. A row whose prior rules every bone out keeps what the network says.
        """
        likely = self.scores(features, prior).float().softmax(dim=1)
        masked = likely * add_children(prior, parents) ** self.voxel_mask
        sums = masked.sum(dim=1, keepdim=True)
        return torch.where(sums > 0, masked / sums, likely)

    def scores(self, features: SkinFeatures, prior: Tensor) -> Tensor:
        """(n, J): before the softmax over bones. Every attention head is as wide as the features."""
        q = self.qmesh(features.points).unflatten(1, (self.heads, -1)).transpose(0, 1)  # (H, n, C)
        k = self.kmesh(features.bones).unflatten(1, (self.heads, -1)).transpose(0, 1)
        seen = (q @ k.transpose(1, 2) / math.sqrt(q.shape[2])).softmax(dim=2).permute(1, 2, 0)  # (n, J, H)
        known = self.voxel_skin_norm(self.voxel_skin_embed(prior[:, :, None]))
        return self.skinweight_pred(self.downscale(torch.cat((self.attn_skin_norm(seen), known), dim=2)))


def dense(width_before: int, width: int) -> list[nn.Module]:
    """A linear layer, its norm and GELU."""
    return [nn.Linear(width_before, width), nn.LayerNorm(width), nn.GELU()]


def add_children(prior: Tensor, parents: Tensor) -> Tensor:
    """The prior of each bone and that of its own children, not of theirs, as in training: (n, J)."""
    children = (parents >= 0).nonzero()[:, 0]
    return prior.index_add(1, parents[children], prior[:, children])


class BoneEncoder(nn.Module):
    """Heads of bones (J, 3), from the points' lowest corner, and the shape (T, C) → (J, C)."""

    def __init__(self, config: SkinConfig) -> None:
        super().__init__()
        hidden, width = config.bone_embed_dim, config.feat_dim
        layers: list[nn.Module] = [FourierFeatures()]
        widths = (3 * (1 + 2 * BONE_FREQUENCIES), hidden, BONE_HIDDEN_RATIO * hidden, width)
        for before, after in pairwise(widths):
            layers += dense(before, after)
        self.bone_encoder = nn.Sequential(*layers)
        self.attn = nn.ModuleList(CrossBlock(width, config.num_heads) for _ in range(config.num_bone_attn))

    def forward(self, joints: Tensor, shape: Tensor) -> Tensor:
        bones = self.bone_encoder(joints)
        context = torch.cat((bones, shape))
        for block in self.attn:
            bones = block(bones, context)
        return bones


class FourierFeatures(nn.Module):
    """(J, 3) → (J, 39): the place, then sines and cosines of π·2^k times it, coordinate by coordinate."""

    def forward(self, x: Tensor) -> Tensor:
        return fourier_features(x, LOWEST_FREQUENCY * octaves(BONE_FREQUENCIES, x.device))


class CrossBlock(nn.Module):
    """Attention to a context and a perceptron, each with a norm behind. x: (N, C), context: (M, C) → (N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads)
        self.ffn = nn.Sequential(nn.Linear(width, FFN_RATIO * width), nn.GELU(), nn.Linear(FFN_RATIO * width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, context))
        return self.norm2(x + self.ffn(x))


class CrossAttention(nn.Module):
    """Multi-head attention with keys before values in one matrix, each split into heads. (N, C), (M, C) → (N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.Wq = nn.Linear(width, width)
        self.Wkv = nn.Linear(width, 2 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q = self.Wq(x).unflatten(1, (self.heads, -1)).transpose(0, 1)[None]  # (1, H, N, dh)
        k, v = self.Wkv(context).unflatten(1, (2, self.heads, -1)).permute(1, 2, 0, 3)[:, None]
        return self.out_proj(F.scaled_dot_product_attention(q, k, v)[0].transpose(0, 1).flatten(1))


class ScoreHead(nn.Module):
    """(n, J, heads) → (n, J)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (width, *[hidden] * (HEAD_LAYERS - 1)):
            layers += dense(before, hidden)
        self.net = nn.Sequential(*layers, nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)[..., 0]
