# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that anybody can make again from a key's name: golden vectors need not carry them."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import Tensor, nn


def birefnet_weights(network: nn.Module) -> dict[str, Tensor]:
    """A value for each key of BiRefNet, by the rule of its golden vectors: offsets of about 1.5 px, gains about 1."""
    weights = {}
    for key, tensor in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            weights[key] = torch.zeros((), dtype=torch.int64)
        elif key.endswith("relative_position_index"):
            weights[key] = tensor
        else:
            weights[key] = torch.from_numpy(_birefnet_value(key, tuple(tensor.shape)))
    return weights


def _birefnet_value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    n = generator.standard_normal(shape).astype(np.float32)
    spread = math.sqrt(math.prod(shape[1:]))
    last = key.rpartition(".")[2]
    if last == "running_var":
        value = 1 + 0.25 * np.abs(n)
    elif last == "running_mean":
        value = 0.1 * n
    elif "relative_position_bias_table" in key:
        value = 0.5 * n
    elif "offset_conv" in key:
        value = n * 1.5 / spread if last == "weight" else n * 0.7
    elif "modulator_conv" in key:
        value = n / spread if last == "weight" else n * 0.3
    elif last == "bias":
        value = 0.1 * n
    elif len(shape) == 1:
        value = 1 + 0.1 * n
    else:
        value = n * np.float32(1.2 / spread)
    return value.astype(np.float32)


def unirig_weights(network: nn.Module) -> dict[str, Tensor]:
    """A value for each key of UniRig's networks: gains about 1, weights that keep their input's size."""
    weights = {key: torch.from_numpy(_unirig_value(key, tuple(x.shape))) for key, x in network.state_dict().items()}
    return weights | {key: weights[_TIED[key]] for key in _TIED if key in weights}


_TIED = {"transformer.lm_head.weight": "transformer.model.decoder.embed_tokens.weight"}


def _unirig_value(key: str, shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    n = generator.standard_normal(shape)
    if len(shape) == 1:
        value = 1 + 0.1 * n if key.endswith("weight") else 0.1 * n
    elif "embed_" in key:
        value = 0.5 * n
    else:
        value = n / math.sqrt(math.prod(shape[1:]))
    return value.astype(np.float32)


def total_bytes(network: nn.Module) -> int:
    """Bytes of all parameters and buffers that a checkpoint holds."""
    return sum(math.prod(tensor.shape) * tensor.element_size() for tensor in network.state_dict().values())
