# SPDX-License-Identifier: GPL-3.0-or-later
"""SDXL that paints six views of one object: its UNet, the two attention branches and the adapter for geometry.

Key names are those of diffusers' SDXL folder and of the published `step1x-3d-ig2v.safetensors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import T2IAdapter, UNet2DConditionModel
from torch import Tensor, nn

from models.common.checkpoint import load_strictly, read_json, read_tensors
from models.step1x3d.texture.attention import VIEWS, Looking, add_branches

CONTROL_CHANNELS = 6  # position and normal
# What the published file was made for: SDXL base 1.0.
SDXL_UNET: dict[str, Any] = {
    "act_fn": "silu",
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "in_channels": 4,
    "layers_per_block": 2,
    "out_channels": 4,
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "use_linear_projection": True,
}
ADAPTER_PREFIX = "adapter."  # of the published file's keys that are not the UNet's


@dataclass(frozen=True, eq=False)
class Words:
    """What is painted, as SDXL wants it told. tokens: (B, T, C). pooled: (B, P). time_ids: (B, 6), sizes and crop."""

    tokens: Tensor
    pooled: Tensor
    time_ids: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Words:
        """Elsewhere."""
        return Words(*(x.to(device, dtype) for x in (self.tokens, self.pooled, self.time_ids)))

    def for_views(self) -> Words:
        """One for each view: (6, …) where it was (1, …)."""
        return Words(*(x.expand(VIEWS, *x.shape[1:]) for x in (self.tokens, self.pooled, self.time_ids)))


def join_words(several: Sequence[Words]) -> Words:
    """One after the other."""
    rows = [(item.tokens, item.pooled, item.time_ids) for item in several]
    return Words(*(torch.cat(column) for column in zip(*rows, strict=True)))


class MultiViewDenoiser(nn.Module):
    """The noise in six views, given words, position and normal maps, and a reference picture."""

    def __init__(self, unet: Mapping[str, Any]) -> None:
        """unet: an SDXL UNet's config, the published keys of which diffusers reads."""
        super().__init__()
        self._looking = Looking()
        self.unet = UNet2DConditionModel.from_config(dict(unet))
        add_branches(self.unet, self._looking)
        widths = tuple(unet["block_out_channels"])
        self.adapter = T2IAdapter(
            in_channels=CONTROL_CHANNELS,
            channels=[*widths, widths[-1]],
            num_res_blocks=2,
            downscale_factor=16,
            adapter_type="full_adapter_xl",
        )

    def remember(self, latents: Tensor, words: Words) -> None:
        """Keep what every layer makes of the reference picture, latents (1, 4, H, W); used by `forward` from now on."""
        seen: dict[str, Tensor] = {}
        self._looking.keeps = seen
        try:
            self._run_unet(latents, 0, words, None)
        finally:
            self._looking.keeps = None
        self._looking.reference = seen

    def forget(self) -> None:
        """Free what `remember` keeps."""
        self._looking.reference = {}

    def control_features(self, control: Tensor) -> list[Tensor]:
        """Of position and normal maps (6, 6, 8 H, 8 W), 0 to 1: one tensor for each block and the middle."""
        features: list[Tensor] = self.adapter(control)
        return features

    def forward(
        self, latents: Tensor, t: int, words: Sequence[Words], features: Sequence[Tensor], sees: Sequence[bool]
    ) -> Tensor:
        """The noise in latents (6, 4, H, W) at level t, once for each of `words`: (6 G, 4, H, W).

        words: what each group of six is painted after. features: of `control_features`. sees: whether each group sees
        the reference picture.
        """
        self._looking.sees_reference = tuple(sees)
        groups = (len(words), 1, 1, 1)
        joined = join_words([item.for_views() for item in words])
        # The UNet takes the features out of the list, and adds to the tensors in place.
        return self._run_unet(latents.repeat(groups), t, joined, [feature.repeat(groups) for feature in features])

    def _run_unet(self, latents: Tensor, t: int, words: Words, features: list[Tensor] | None) -> Tensor:
        noise: Tensor = self.unet(
            latents,
            t,
            encoder_hidden_states=words.tokens,
            added_cond_kwargs={"text_embeds": words.pooled, "time_ids": words.time_ids},
            down_intrablock_additional_residuals=features,
        ).sample
        return noise


def load_denoiser(
    unet_folder: Path, published: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> MultiViewDenoiser:
    """SDXL's UNet from its folder (config.json and one safetensors file) with the branches and adapter of `published`.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    base = {f"unet.{key}": tensor for key, tensor in read_tensors(weights_of(unet_folder), device).items()}
    added = {
        f"adapter.{key}" if key.startswith(ADAPTER_PREFIX) else f"unet.{key}": tensor
        for key, tensor in read_tensors(published, device).items()
    }
    with torch.device("meta"):
        network = MultiViewDenoiser(read_json(unet_folder / "config.json")).to(dtype)
    load_strictly(network, base | added, f"{published.name} with {unet_folder.name} of its base")
    return network.eval().requires_grad_(False)


def weights_of(folder: Path) -> Path:
    """The weights in a folder of diffusers: in half precision where that is there, half the bytes, and as good."""
    half = folder / "diffusion_pytorch_model.fp16.safetensors"
    return half if half.is_file() else folder / "diffusion_pytorch_model.safetensors"
