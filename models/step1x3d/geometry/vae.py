# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape autoencoder (Step1X-3D §3.1, after 3DShape2VecSet and Michelangelo): latents ↔ a truncated signed field.

The cube is [-1, 1] and a little more, the network's own frame. The field is positive inside and about ±1 at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.common.farthest_points import farthest_points
from models.common.fourier import fourier_features, octaves
from models.step1x3d.geometry.config import VaeConfig
from models.step1x3d.geometry.vae_blocks import LAYER_NORM_EPS, CrossBlock, SelfStack

# Logarithms of variances beyond these are numerically no better than these.
LOGVAR_RANGE = (-30.0, 20.0)


@dataclass(frozen=True)
class Posterior:
    """What a surface may have been encoded to. mean, logvar: (B, num_latents, embed_dim)."""

    mean: Tensor
    logvar: Tensor
    scale: float

    def mode(self) -> Tensor:
        """The likeliest latents: (B, num_latents, embed_dim), as `decode` takes them."""
        return self.mean * self.scale

    def sample(self, noise: Tensor) -> Tensor:
        """Latents drawn with this standard normal noise, of the mean's shape."""
        return (self.mean + torch.exp(0.5 * self.logvar) * noise) * self.scale


class ShapeDecoder(nn.Module):
    """Asks a decoded shape for its field at points."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.num_freqs = config.num_freqs
        self.query_proj = nn.Linear(3 * (1 + 2 * config.num_freqs), config.width)
        self.cross_attn_decoder = CrossBlock(config.width, config.heads)
        self.ln_post = nn.LayerNorm(config.width, LAYER_NORM_EPS)
        self.output_proj = nn.Linear(config.width, 1)

    def keys_values(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, num_latents, width). Returns keys and values, (B, heads, num_latents, d), for `forward`."""
        return self.cross_attn_decoder.keys_values(features)

    def forward(self, points: Tensor, keys_values: tuple[Tensor, Tensor]) -> Tensor:
        """points: (B, P, 3) float32 in the cube. Returns the field (B, P, 1), in the network's dtype."""
        waves = fourier_features(points, octaves(self.num_freqs, points.device))
        x = self.query_proj(waves.to(self.query_proj.weight.dtype))
        return self.output_proj(self.ln_post(self.cross_attn_decoder.query(x, keys_values)))


class ShapeEncoder(nn.Module):
    """Points on a surface, and points on its sharp edges, to features."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.num_freqs = config.num_freqs
        self.queries = config.num_latents // 2
        channels = 3 * (1 + 2 * config.num_freqs) + config.point_feats
        self.input_proj = nn.Linear(channels, config.width)
        self.input_proj_sharp = nn.Linear(channels, config.width)
        self.cross_attn = CrossBlock(config.width, config.heads)
        self.cross_attn_sharp = CrossBlock(config.width, config.heads)
        self.self_attn = SelfStack(config.width, config.heads, config.num_encoder_layers)
        self.ln_post = nn.LayerNorm(config.width, LAYER_NORM_EPS)

    def forward(self, surface: Tensor, sharp_surface: Tensor) -> Tensor:
        """surface, sharp_surface: (B, N, 6) float32, place and normal. Returns (B, num_latents, width)."""
        a = self.input_proj(self._features(surface))
        b = self.input_proj_sharp(self._features(sharp_surface))
        q = torch.cat((self._spread(a, surface), self._spread(b, sharp_surface)), dim=1)
        return self.ln_post(self.self_attn(self.cross_attn(q, a) + self.cross_attn_sharp(q, b)))

    def _features(self, surface: Tensor) -> Tensor:
        waves = fourier_features(surface[..., :3], octaves(self.num_freqs, surface.device))
        return torch.cat((waves, surface[..., 3:]), dim=-1).to(self.input_proj.weight.dtype)

    def _spread(self, features: Tensor, surface: Tensor) -> Tensor:
        """The features of the points that cover the surface evenly; the points are compared in half precision."""
        chosen = farthest_points(surface[..., :3].half().float(), self.queries)
        return features.gather(1, chosen[..., None].expand(-1, -1, features.shape[-1]))


@dataclass(frozen=True)
class ShapeField:
    """One shape's signed field, positive inside, which can be asked anywhere in the cube. What all points share was
    computed once.
    """

    decoder: ShapeDecoder
    keys_values: tuple[Tensor, Tensor]

    @torch.inference_mode()
    def query(self, points: Tensor) -> Tensor:
        """points: (N, 3) float32 in the cube, any device. Returns (N,) float32 on the network's device.

        All at once: memory grows with N, about 40 KB a point at the published width in single precision.
        """
        keys = self.keys_values[0]
        return self.decoder(points[None].to(keys.device), self.keys_values)[0, :, 0].float()


class ShapeVae(nn.Module):
    """Latents (B, num_latents, embed_dim) ↔ shapes. has_encoder: False leaves out what only mesh → latents needs."""

    def __init__(self, config: VaeConfig, *, has_encoder: bool = True) -> None:
        super().__init__()
        self.scale = config.z_scale_factor
        self.post_kl = nn.Linear(config.embed_dim, config.width)
        self.transformer = SelfStack(config.width, config.heads, config.num_decoder_layers)
        self.decoder = ShapeDecoder(config)
        if has_encoder:
            self.encoder = ShapeEncoder(config)
            self.pre_kl = nn.Linear(config.width, 2 * config.embed_dim)

    def features(self, latents: Tensor) -> Tensor:
        """(B, num_latents, embed_dim) → (B, num_latents, width)."""
        return self.transformer(self.post_kl(latents / self.scale))

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> ShapeField:
        """The shape of one item: latents (1, num_latents, embed_dim), any device and dtype."""
        weight = self.post_kl.weight
        features = self.features(latents.to(weight.device, weight.dtype))
        return ShapeField(self.decoder, self.decoder.keys_values(features))

    def encode(self, surface: Tensor, sharp_surface: Tensor) -> Posterior:
        """surface, sharp_surface: (B, N, 6) float32, place in the cube and normal; N ≥ num_latents / 2."""
        mean, logvar = self.pre_kl(self.encoder(surface, sharp_surface)).chunk(2, dim=-1)
        return Posterior(mean, logvar.clamp(*LOGVAR_RANGE), self.scale)
