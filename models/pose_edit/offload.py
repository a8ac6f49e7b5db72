# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an editor's networks lie while they wait, so that those larger than the GPU's memory run on it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch

# resident: all networks on the device. by_network: each is there while it computes, the others wait in main memory.
# by_layer: each layer is; the slowest, and the only one for a network that is larger than the device.
Plan = Literal["resident", "by_network", "by_layer"]

# Latents, activations and the decoder's largest picture at one megapixel in half precision, with room for fragments.
WORKING_BYTES = 4 << 30


def choose_plan(sizes: Mapping[str, int], free_bytes: int) -> Plan:
    """The fastest plan that fits. sizes: bytes of each network. free_bytes: of the device's own memory."""
    room = free_bytes - WORKING_BYTES
    if sum(sizes.values()) <= room:
        return "resident"
    return "by_network" if max(sizes.values()) <= room else "by_layer"


def free_bytes(device: torch.device) -> int | None:
    """What is free of the device's own memory; None where it has none of its own (the CPU, Apple's chips)."""
    if device.type != "cuda":
        return None
    return torch.cuda.mem_get_info(device)[0]


def place(pipeline: Any, device: torch.device) -> Plan:
    """Put a diffusers pipeline's networks where they fit. Raises torch.OutOfMemoryError."""
    free = free_bytes(device)
    plan = "resident" if free is None else choose_plan(network_bytes(pipeline), free)
    if plan == "resident":
        pipeline.to(device)
    elif plan == "by_network":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return plan


def network_bytes(pipeline: Any) -> dict[str, int]:
    """Bytes of each network's parameters."""
    networks = {name: part for name, part in pipeline.components.items() if isinstance(part, torch.nn.Module)}
    return {
        name: sum(tensor.numel() * tensor.element_size() for tensor in network.parameters())
        for name, network in networks.items()
    }
