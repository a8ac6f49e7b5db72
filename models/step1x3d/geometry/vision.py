# SPDX-License-Identifier: GPL-3.0-or-later
"""The two vision transformers that see the picture, with the key names that the checkpoints have for them.

DINOv2 with registers (Darcet et al. 2023) and the vision tower of CLIP (Radford et al. 2021). They differ in where
they normalise, in their activation, and in what they give: DINOv2's last layer is normalised, CLIP's is not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.common.attention import attend, split_heads
from models.step1x3d.geometry.config import VitConfig

DINO_EPS = 1e-6
CLIP_EPS = 1e-5
# x·σ(1.702 x) is the approximation of GELU that CLIP was trained with.
QUICK_GELU_SLOPE = 1.702


class DinoSelfAttention(nn.Module):
    """(B, N, width) → the same shape, not yet projected."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(layer(x), self.heads) for layer in (self.query, self.key, self.value))
        return attend(q, k, v)


class DinoAttention(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = DinoSelfAttention(width, heads)
        self.output = nn.ModuleDict({"dense": nn.Linear(width, width)})

    def forward(self, x: Tensor) -> Tensor:
        return self.output["dense"](self.attention(x))


class LayerScale(nn.Module):
    """A gain for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.lambda1


class VitMlp(nn.Module):
    """(B, N, width) → the same shape. is_quick: CLIP's approximation of GELU."""

    def __init__(self, width: int, hidden: int, *, is_quick: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.is_quick = is_quick

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(QUICK_GELU_SLOPE * x) if self.is_quick else F.gelu(x))


class DinoLayer(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.norm1 = nn.LayerNorm(width, DINO_EPS)
        self.attention = DinoAttention(width, config.num_attention_heads)
        self.layer_scale1 = LayerScale(width)
        self.norm2 = nn.LayerNorm(width, DINO_EPS)
        self.mlp = VitMlp(width, config.mlp_size, is_quick=False)
        self.layer_scale2 = LayerScale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer_scale1(self.attention(self.norm1(x)))
        return x + self.layer_scale2(self.mlp(self.norm2(x)))


class DinoEmbeddings(nn.Module):
    """Normalised RGB (B, 3, S, S) → tokens: class, registers, patches row by row. S: a multiple of the patch's side."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        self.cells = config.image_size // patch
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # training hides patches with it
        self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, width))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + self.cells**2, width))
        self.patch_embeddings = nn.ModuleDict({"projection": nn.Conv2d(3, width, patch, patch)})

    def forward(self, pixels: Tensor) -> Tensor:
        grid = self.patch_embeddings["projection"](pixels)
        patches = grid.flatten(2).transpose(1, 2)
        batch = len(pixels)
        x = torch.cat((self.cls_token.expand(batch, -1, -1), patches), dim=1) + self._positions(grid.shape[-1])
        return torch.cat((x[:, :1], self.register_tokens.expand(batch, -1, -1), x[:, 1:]), dim=1)

    def _positions(self, cells: int) -> Tensor:
        """(1, 1 + cells², width), resampled where the picture has another size than the table."""
        if cells == self.cells:
            return self.position_embeddings
        table = self.position_embeddings[:, 1:].unflatten(1, (self.cells, self.cells)).permute(0, 3, 1, 2)
        resampled = F.interpolate(
            table.float(), size=(cells, cells), mode="bicubic", align_corners=False, antialias=True
        ).to(table.dtype)
        return torch.cat((self.position_embeddings[:, :1], resampled.flatten(2).transpose(1, 2)), dim=1)


class DinoV2(nn.Module):
    """Normalised RGB (B, 3, S, S) → (B, 1 + registers + patches, width), normalised."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.registers = config.registers
        self.embeddings = DinoEmbeddings(config)
        layers = nn.ModuleList(DinoLayer(config) for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict({"layer": layers})
        self.layernorm = nn.LayerNorm(config.hidden_size, DINO_EPS)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.embeddings(pixels)
        for layer in self.encoder["layer"]:
            x = layer(x)
        return self.layernorm(x)


class ClipAttention(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(layer(x), self.heads) for layer in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(attend(q, k, v))


class ClipLayer(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.self_attn = ClipAttention(width, config.num_attention_heads)
        self.layer_norm1 = nn.LayerNorm(width, CLIP_EPS)
        self.layer_norm2 = nn.LayerNorm(width, CLIP_EPS)
        self.mlp = VitMlp(width, config.mlp_size, is_quick=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class ClipEmbeddings(nn.Module):
    """Normalised RGB (B, 3, S, S), S the published side → tokens: class, patches row by row."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, patch, bias=False)
        self.position_embedding = nn.Embedding(1 + (config.image_size // patch) ** 2, width)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        x = torch.cat((self.class_embedding.expand(len(pixels), 1, -1), patches), dim=1)
        return x + self.position_embedding.weight


class ClipVision(nn.Module):
    """Normalised RGB (B, 3, S, S) → (B, 1 + patches, width), not normalised: the last norm is for a pooled token."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.embeddings = ClipEmbeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.hidden_size, CLIP_EPS)  # the spelling is the checkpoints'
        layers = nn.ModuleList(ClipLayer(config) for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict({"layers": layers})
        self.post_layernorm = nn.LayerNorm(config.hidden_size, CLIP_EPS)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.pre_layrnorm(self.embeddings(pixels))
        for layer in self.encoder["layers"]:
            x = layer(x)
        return x
