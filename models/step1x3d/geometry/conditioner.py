# SPDX-License-Identifier: GPL-3.0-or-later
"""What the diffusion transformer is told: tokens of the picture, and of labels where the model has them."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor, nn

from models.step1x3d.geometry.config import VisualEncoderConfig
from models.step1x3d.geometry.picture import CLIP, IMAGENET, to_pixels
from models.step1x3d.geometry.vision import ClipVision, DinoV2


class VisualEncoder(nn.Module):
    """A square picture → tokens: DINOv2's (class and patches, registers dropped), then CLIP's where there is one."""

    # In the checkpoints, and used by nothing that looks at pictures.
    UNUSED_KEYS = (
        "clip_model.text_model.",
        "clip_model.text_projection.",
        "clip_model.visual_projection.",
        "clip_model.logit_scale",
    )

    def __init__(self, config: VisualEncoderConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.dino_model = DinoV2(config.dino)
        self.clip_model = None
        if config.clip is not None:
            self.clip_size = config.clip.image_size
            self.clip_model = nn.ModuleDict({"vision_model": ClipVision(config.clip)})

    def forward(self, dino_pixels: Tensor, clip_pixels: Tensor | None = None) -> Tensor:
        """dino_pixels: (B, 3, S, S), normalised for ImageNet; clip_pixels: (B, 3, C, C), for CLIP, where there is CLIP.

        Returns (B, tokens, width).
        """
        seen = self.dino_model(dino_pixels)
        tokens = torch.cat((seen[:, :1], seen[:, 1 + self.dino_model.registers :]), dim=1)
        if self.clip_model is None or clip_pixels is None:
            return tokens
        return torch.cat((tokens, self.clip_model["vision_model"](clip_pixels)), dim=1)

    @torch.inference_mode()
    def encode(self, picture: Image.Image) -> Tensor:
        """picture: square, as `picture.frame_subject` gives it. Returns (1, tokens, width)."""
        weight = self.dino_model.layernorm.weight
        pixels = [to_pixels(picture, self.image_size, IMAGENET)]
        if self.clip_model is not None:
            pixels.append(to_pixels(picture, self.clip_size, CLIP))
        return self(*(item.to(weight.device, weight.dtype) for item in pixels))


def unconditional(conditions: dict[str, Tensor]) -> dict[str, Tensor]:
    """The conditions of nothing: zeros of the same shapes."""
    return {name: torch.zeros_like(tokens) for name, tokens in conditions.items()}
