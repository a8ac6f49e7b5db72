# SPDX-License-Identifier: GPL-3.0-or-later
"""Where networks compute, and in which precision."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Gpu:
    """A device faster than the CPU. kind: torch's word for it. name: the driver's; torch does not know which of Apple's
    it is. memory_bytes: of the device, or the share of the machine's that it may take.
    """

    kind: str
    name: str
    memory_bytes: int


def find_gpus() -> tuple[Gpu, ...]:
    """Those that torch can compute on, in its order: the first is the one that "auto" picks."""
    if torch.cuda.is_available():
        found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        return tuple(Gpu("cuda", device.name, device.total_memory) for device in found)
    if torch.backends.mps.is_available():
        return (Gpu("mps", "Apple GPU", torch.mps.recommended_max_memory()),)
    return ()
