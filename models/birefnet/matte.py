# SPDX-License-Identifier: GPL-3.0-or-later
"""From a picture to its subject's alpha: resize, normalise, run, resize back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.birefnet.config import config_of
from models.birefnet.model import SIDE_STEP, BiRefNet
from models.common.checkpoint import CheckpointMismatch, load_strictly, read_shapes, read_tensors

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputSize:
    """How large the network sees a picture. side_px: of the square that the picture is stretched to. keeps_aspect: the
    longer side gets side_px instead and the other what the aspect asks for, as the `dynamic` networks were trained.
    """

    side_px: int = 1024
    keeps_aspect: bool = False

    def of(self, height: int, width: int) -> tuple[int, int]:
        """Height and width for the network, multiples of SIDE_STEP."""
        if not self.keeps_aspect:
            return self.side_px, self.side_px
        scale = self.side_px / max(height, width)
        return tuple(max(SIDE_STEP, round(side * scale / SIDE_STEP) * SIDE_STEP) for side in (height, width))


def load_network(path: Path, device: str, dtype: torch.dtype) -> BiRefNet:
    """The network that the checkpoint is of, ready to run. path: an official .safetensors file.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    shapes = read_shapes(path)
    try:
        config = config_of(shapes)
    except (KeyError, IndexError) as error:
        raise CheckpointMismatch(path.name, (str(error.args[0]),), (), {}) from error
    with torch.device("meta"):
        network = BiRefNet(config)
    load_strictly(network, read_tensors(path), path.name)
    return network.to(device=device, dtype=dtype).eval()


@torch.inference_mode()
def estimate_alpha(
    network: BiRefNet,
    rgb: np.ndarray,
    size: InputSize,
    raise_if_cancelled: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Alpha of the subject: (H, W) float32, 0..1.

    rgb: (H, W, 3) uint8, sRGB. raise_if_cancelled is called before each part of the network.
    """
    parameter = next(network.parameters())
    height, width = rgb.shape[:2]
    picture = normalise(torch.from_numpy(rgb.copy()).to(parameter.device)).to(parameter.dtype)
    picture = F.interpolate(picture, size=size.of(height, width), mode="bilinear", align_corners=False, antialias=True)
    hooks = [part.register_forward_pre_hook(lambda *_: raise_if_cancelled()) for part in _parts(network)]
    try:
        logits = network(picture)
    finally:
        for hook in hooks:
            hook.remove()
    alpha = torch.sigmoid(logits.float())
    return F.interpolate(alpha, size=(height, width), mode="bilinear", align_corners=False)[0, 0].cpu().numpy()


def normalise(rgb: Tensor) -> Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) float32 with the mean and spread of ImageNet."""
    mean = torch.tensor(IMAGENET_MEAN, device=rgb.device)
    std = torch.tensor(IMAGENET_STD, device=rgb.device)
    return ((rgb.float() / 255 - mean) / std).permute(2, 0, 1)[None]


def _parts(network: BiRefNet) -> list[torch.nn.Module]:
    blocks = [block for stage in network.bb.layers for block in stage.blocks]
    return [*blocks, network.squeeze_module, *network.decoder.children()]
