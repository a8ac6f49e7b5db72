# SPDX-License-Identifier: GPL-3.0-or-later
"""In which mode a model folder runs, decided before the run from what is free."""

from __future__ import annotations

import torch
from torch import nn

from models.common.memory import FreeMemory, MemoryPlan, Need, choose_way, free_memory
from models.step1x3d.geometry.checkpoint import ModelConfigs
from models.step1x3d.geometry.conditioner import VisualEncoder
from models.step1x3d.geometry.pipeline import MODES, Hardware, Mode
from models.step1x3d.geometry.transformer import Denoiser
from models.step1x3d.geometry.vae import ShapeVae

# What a block holds at a time, in rows of its width for each token, and what the decoder holds for each point. Measured
# on a CPU in single precision: 22 and 12.
BLOCK_ROWS = 24
POINT_ROWS = 14
LABEL_TOKENS = 3
# A sample of the finest grid: its value, its copy for marching cubes, the masks that tell where to ask. Measured: 13.
SAMPLE_BYTES = 16


def plan_memory(
    configs: ModelConfigs, hardware: Hardware, resolution: int, free: FreeMemory | None = None
) -> MemoryPlan[Mode]:
    """See `choose_way`. resolution: cells a side of the surface's grid. free: as it is now, unless given."""
    device = hardware.device
    return choose_way(
        MODES, lambda mode: need_of(mode, configs, hardware, resolution), free or free_memory(device), device
    )


def need_of(mode: Mode, configs: ModelConfigs, hardware: Hardware, resolution: int) -> Need:
    """About what a run takes at its peak."""
    itemsize = hardware.dtype.itemsize
    weights = _weights(configs, itemsize)
    scratch = _scratch(mode, configs, itemsize)
    turns = [own + used for own, used in zip(weights, scratch, strict=True)]
    grid_bytes = (resolution + 1) ** 3 * SAMPLE_BYTES
    is_apart = hardware.device.type == "cuda"
    if mode.rest == "device" or (mode.rest == "host" and not is_apart):
        return Need(sum(weights) + max(scratch), grid_bytes)
    return Need(max(turns), grid_bytes + (sum(weights) if mode.rest == "host" else 0))


def _weights(configs: ModelConfigs, itemsize: int) -> tuple[int, int, int]:
    """Bytes of the encoder, the transformer and the decoder."""
    with torch.device("meta"):
        networks: tuple[nn.Module, ...] = (
            VisualEncoder(configs.visual_encoder),
            Denoiser(configs.transformer),
            ShapeVae(configs.vae, has_encoder=False),
        )
    encoder, denoiser, decoder = (
        itemsize * sum(parameter.numel() for parameter in network.parameters()) for network in networks
    )
    return encoder, denoiser, decoder


def _scratch(mode: Mode, configs: ModelConfigs, itemsize: int) -> tuple[int, int, int]:
    """Bytes that the encoder, the transformer and the decoder compute in."""
    vits = [configs.visual_encoder.dino, configs.visual_encoder.clip]
    tokens = [(vit.image_size // vit.patch_size) ** 2 + 1 for vit in vits if vit is not None]
    joint = sum(tokens) + LABEL_TOKENS + configs.vae.num_latents
    pair = 1 if mode.is_split else 2
    return (
        BLOCK_ROWS * itemsize * max(tokens) * configs.visual_encoder.dino.hidden_size,
        BLOCK_ROWS * itemsize * pair * joint * configs.transformer.width,
        itemsize * configs.vae.width * max(POINT_ROWS * mode.query_points, BLOCK_ROWS * configs.vae.num_latents),
    )
