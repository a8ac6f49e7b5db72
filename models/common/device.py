# SPDX-License-Identifier: GPL-3.0-or-later
"""Where networks compute, and in which precision."""

from __future__ import annotations

import torch


def pick_device(name: str) -> torch.device:
    """The device of this name; for "auto" the first CUDA device, else Apple's, else the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def usual_dtype(device: torch.device) -> torch.dtype:
    """Half precision where it is faster and the network keeps its range, full precision elsewhere."""
    return torch.float16 if device.type == "cuda" else torch.float32
