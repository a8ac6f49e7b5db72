# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture and text for a Qwen-VL text encoder, without the torchvision that transformers' own processor asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

IMAGE_TOKEN = "<|image_pad|>"


class QwenProcessor:
    """What diffusers' pipelines call as their `processor`. Still pictures only."""

    def __init__(self, images: Qwen2VLImageProcessorPil, tokenizer: PreTrainedTokenizerBase) -> None:
        self.image_processor = images
        self.tokenizer = tokenizer

    @classmethod
    def read(cls, folder: Path, tokenizer: PreTrainedTokenizerBase) -> QwenProcessor:
        """folder: with the official preprocessor_config.json. Raises OSError, ValueError."""
        return cls(Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True), tokenizer)

    def __call__(
        self, text: Sequence[str], images: Sequence[Image.Image] | Image.Image | None = None, **options: Any
    ) -> BatchFeature:
        """Tokens with a place for every patch of every picture, in the order in which the text names the pictures."""
        if images is None:
            return BatchFeature(dict(self.tokenizer(list(text), **options)))
        seen = self.image_processor(images=images, return_tensors="pt")
        merged = self.image_processor.merge_size**2
        counts = iter([int(grid.prod()) // merged for grid in seen["image_grid_thw"]])
        filled = [
            "".join(piece if piece != IMAGE_TOKEN else IMAGE_TOKEN * next(counts) for piece in _split(line))
            for line in text
        ]
        return BatchFeature({**self.tokenizer(filled, **options), **seen})


def place_pictures(encoder: torch.nn.Module) -> None:
    """Have a Qwen-VL encoder number the patches of a picture by row and column (M-RoPE), as it was trained.

    It does so only where it is told which tokens are a picture's, and diffusers' pipeline does not tell it.
    """
    image_token: int = encoder.config.image_token_id

    def tell(_: torch.nn.Module, words: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return words, named | {"mm_token_type_ids": (named["input_ids"] == image_token).int()}

    encoder.register_forward_pre_hook(tell, with_kwargs=True)


def _split(line: str) -> list[str]:
    """The text with each picture's token as a piece of its own."""
    first, *others = line.split(IMAGE_TOKEN)
    return [first, *(piece for other in others for piece in (IMAGE_TOKEN, other))]
