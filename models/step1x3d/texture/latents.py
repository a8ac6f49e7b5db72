# SPDX-License-Identifier: GPL-3.0-or-later
"""Between pictures and SDXL's latents, one picture at a time: six at once would take six times the memory."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

CHANNELS = 4


def encode_picture(vae: AutoencoderKL, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Latents (1, 4, H / 8, W / 8) float32 of a picture (3, H, W), −1 to 1: a sample, drawn on the CPU."""
    posterior = vae.encode(picture[None].to(vae.device, vae.dtype)).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean)
    sample: Tensor = (posterior.mean + posterior.std * noise) * vae.config.scaling_factor
    return sample.float()


def decode_latents(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pictures (B, 3, 8 H, 8 W) float32 on the CPU, 0 to 1, of latents (B, 4, H, W)."""
    pictures = []
    for one in latents.split(1):
        picture = vae.decode((one / vae.config.scaling_factor).to(vae.device, vae.dtype)).sample
        pictures.append((picture.float() / 2 + 0.5).clamp(0, 1).cpu())
    return torch.cat(pictures)
