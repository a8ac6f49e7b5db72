# SPDX-License-Identifier: GPL-3.0-or-later
"""In which mode the texture networks run, decided before the run from what is free."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from models.common.checkpoint import CheckpointMissing, read_json, read_shapes
from models.common.memory import FreeMemory, MemoryPlan, Need, choose_way, free_memory
from models.step1x3d.texture.attention import VIEWS
from models.step1x3d.texture.denoiser import weights_of
from models.step1x3d.texture.pipeline import LATENT_CELL_PX, MODES, Folders, Mode

# What the UNet holds at a time, in tensors of its first block's size for all views. Measured on a CPU: 29, see
# docs/performance.md.
DENOISER_TENSORS = 32
# What the autoencoder holds for one picture, in tensors of its first width at the picture's size.
VAE_TENSORS = 8
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
TEXT_ITEM_BYTES = 4  # they run on the CPU, one after the other, in single precision


@dataclass(frozen=True)
class Networks:
    """How large the networks are. denoiser, vae: numbers of weights. words: of the larger text encoder. denoiser_width,
    vae_width: channels of their first blocks.
    """

    denoiser: int
    vae: int
    words: int
    denoiser_width: int
    vae_width: int


def plan_memory(
    networks: Networks, device: torch.device, dtype: torch.dtype, view_px: int, free: FreeMemory | None = None
) -> MemoryPlan[Mode]:
    """See `choose_way`. free: as it is now, unless given."""
    return choose_way(
        MODES, lambda mode: need_of(mode, networks, device, dtype, view_px), free or free_memory(device), device
    )


def need_of(mode: Mode, networks: Networks, device: torch.device, dtype: torch.dtype, view_px: int) -> Need:
    """About what a run takes at its peak. view_px: side of the six views."""
    itemsize = dtype.itemsize
    weights = (itemsize * networks.denoiser, itemsize * networks.vae)
    pictures = VIEWS * (1 if mode.halves else 2)
    cells = (view_px // LATENT_CELL_PX) ** 2
    scratch = (
        DENOISER_TENSORS * itemsize * pictures * cells * networks.denoiser_width,
        VAE_TENSORS * itemsize * view_px**2 * networks.vae_width,
    )
    words_bytes = TEXT_ITEM_BYTES * networks.words
    is_apart = device.type == "cuda"
    if mode.rest == "device" or (mode.rest == "host" and not is_apart):
        return Need(sum(weights) + max(scratch), words_bytes)
    turn = max(own + used for own, used in zip(weights, scratch, strict=True))
    return Need(turn, max(words_bytes, sum(weights) if mode.rest == "host" else 0))


def measure_networks(folders: Folders) -> Networks:
    """From the files' heads and configs; no weight is read. Raises CheckpointMissing, CheckpointDamaged."""
    unet = folders.base / "unet"
    words = [_count_in(folders.base / name) for name in TEXT_ENCODERS]
    return Networks(
        denoiser=_count(weights_of(unet)) + _count(folders.added),
        vae=_count_in(folders.vae),
        words=max(words),
        denoiser_width=read_json(unet / "config.json")["block_out_channels"][0],
        vae_width=read_json(folders.vae / "config.json")["block_out_channels"][0],
    )


def _count_in(folder: Path) -> int:
    """Weights of the network in a folder, which may be there in half precision too."""
    files = sorted(folder.glob("*.safetensors"))
    half = [file for file in files if file.name.endswith(".fp16.safetensors")]
    if not files:
        raise CheckpointMissing(f"{folder.name} has no weights ({folder}). Run: figurine weights fetch")
    return sum(_count(file) for file in half or files)


def _count(file: Path) -> int:
    return sum(prod(shape) for shape in read_shapes(file).values())
