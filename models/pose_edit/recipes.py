# SPDX-License-Identifier: GPL-3.0-or-later
"""Which instruction editors there are, of what parts each is made, and how its makers run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """An editor in diffusers' layout.

    pipeline: its class, as model_index.json names it. networks: folder → class of diffusers or transformers.
    tokenizer: class of transformers, in the folder of that name. has_processor: whether its text encoder sees the
    picture, prepared as the folder `processor` says. steps: of denoising. options: of each call. side_step_px: what
    both sides of a picture must be multiples of.
    """

    pipeline: str
    networks: Mapping[str, str]
    tokenizer: str
    has_processor: bool
    steps: int
    options: Mapping[str, Any]
    side_step_px: int = 16


# Distilled to four steps without guidance (the model card of FLUX.2 [klein] 4B).
FLUX2_KLEIN = Recipe(
    pipeline="Flux2KleinPipeline",
    networks=MappingProxyType(
        {
            "text_encoder": "Qwen3ForCausalLM",
            "transformer": "Flux2Transformer2DModel",
            "vae": "AutoencoderKLFlux2",
        }
    ),
    tokenizer="Qwen2TokenizerFast",
    has_processor=False,
    steps=4,
    options=MappingProxyType({"guidance_scale": 1.0}),
)
# Forty steps, each with and without the instruction (the model card of Qwen-Image-Edit-2511).
QWEN_IMAGE_EDIT = Recipe(
    pipeline="QwenImageEditPlusPipeline",
    networks=MappingProxyType(
        {
            "text_encoder": "Qwen2_5_VLForConditionalGeneration",
            "transformer": "QwenImageTransformer2DModel",
            "vae": "AutoencoderKLQwenImage",
        }
    ),
    tokenizer="Qwen2Tokenizer",
    has_processor=True,
    steps=40,
    options=MappingProxyType({"true_cfg_scale": 4.0, "negative_prompt": " "}),
)
# By the ids of models/manifest.toml.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {"flux2-klein-4b": FLUX2_KLEIN, "qwen-image-edit-2511": QWEN_IMAGE_EDIT}
)
