# SPDX-License-Identifier: GPL-3.0-or-later
"""What SDXL's two text encoders make of the fixed words that the texture network was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.common.pretrained import read_network, read_part
from models.step1x3d.texture.denoiser import Words

WANTED = "high quality"
UNWANTED = "watermark, ugly, deformed, noisy, blurry, low contrast"
_COUNTED = ("position_ids",)  # encoders were saved with the numbers of their places, which are made anew
# Folders of the base, in the order in which SDXL joins what they say.
_ENCODERS = (
    ("tokenizer", "text_encoder", CLIPTextModel),
    ("tokenizer_2", "text_encoder_2", CLIPTextModelWithProjection),
)


@dataclass(frozen=True, eq=False)
class Guidance:
    """wanted, unwanted: what is painted, and what guidance leads away from; on the CPU, float32, one row each."""

    wanted: Words
    unwanted: Words


def encode_words(base: Path, size_px: int) -> Guidance:
    """Read both encoders from SDXL's folder, use them once, and let them go. size_px: side of the views.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    tokens, pooled = [], torch.empty(0)
    for tokenizer_name, encoder_name, kind in _ENCODERS:
        tokenizer = read_part(CLIPTokenizer, base / tokenizer_name)
        encoder = read_network(kind, base / encoder_name, torch.float32, unused=_COUNTED)
        length = encoder.config.max_position_embeddings
        ids = tokenizer(
            [WANTED, UNWANTED], padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        with torch.inference_mode():
            said = encoder(ids, output_hidden_states=True)
        tokens.append(said.hidden_states[-2])
        pooled = said[0]  # of the second encoder: its projected summary
    joined = torch.cat(tokens, dim=2)
    sizes = torch.tensor([[size_px, size_px, 0, 0, size_px, size_px]], dtype=torch.float32)
    return Guidance(*(Words(joined[row : row + 1], pooled[row : row + 1], sizes) for row in (0, 1)))
