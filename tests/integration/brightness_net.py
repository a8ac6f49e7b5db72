# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny checkpoint in BiRefNet's layout that takes what is bright for the subject: the way is real, not its skill."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from models.birefnet.config import BiRefNetConfig, SwinConfig
from models.birefnet.model import BiRefNet

CONFIG = BiRefNetConfig(SwinConfig(4, (1, 1, 1, 1), (1, 2, 2, 4), 3), 6, (1, 3), 4, 3, 5)
GAIN = 20.0
THRESHOLD = 0.5  # of the normalised picture: a light grey


def save_brightness_net(path: Path) -> None:
    """All weights zero but those through which the last level sees the picture."""
    with torch.device("meta"):
        shapes = BiRefNet(CONFIG).state_dict()
    weights = {key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in shapes.items()}
    weights |= {key: torch.ones_like(weights[key]) for key in weights if key.endswith("running_var")}
    weights["decoder.ipt_blk1.conv1.weight"][0, :, 1, 1] = 1 / 3
    weights["decoder.ipt_blk1.conv_out.weight"][0, 0, 1, 1] = 1.0
    weights["decoder.conv_out1.0.weight"][0, -1] = GAIN
    weights["decoder.conv_out1.0.bias"][0] = -GAIN * THRESHOLD
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, path)
