# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton's network from its weights."""

from __future__ import annotations

from pathlib import Path

import torch

from models.common.checkpoint import CheckpointError, load_strictly, read_tensors
from models.unirig.config import PUBLISHED_SKELETON, SkeletonConfig
from models.unirig.skeleton import SkeletonNetwork
from models.unirig.tokenizer import VOCABULARY

KEY_PREFIX = "model."  # what the training wrapper put before every key
_EMBEDDINGS = "transformer.model.decoder.embed_tokens.weight"


class TokenizerMismatch(CheckpointError):
    """The network writes in another language of bones."""


def load_skeleton_network(
    path: Path, device: torch.device | str, config: SkeletonConfig = PUBLISHED_SKELETON
) -> SkeletonNetwork:
    """The network with its weights, ready to run, in float32. path: a .safetensors file with the official key names.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch, TokenizerMismatch.
    """
    tensors = {key.removeprefix(KEY_PREFIX): tensor for key, tensor in read_tensors(path).items()}
    known = len(tensors[_EMBEDDINGS]) if _EMBEDDINGS in tensors else VOCABULARY.size
    if known != VOCABULARY.size:
        raise TokenizerMismatch(
            f"{path.name} is of another tokenizer: it knows {known} tokens, that of articulation-xl with "
            f"{VOCABULARY.num_bins} bins {VOCABULARY.size}. Run: figurine weights fetch unirig-skeleton"
        )
    with torch.device("meta"):
        network = SkeletonNetwork(config)
    load_strictly(network, tensors, path.name)
    return network.to(device).eval()
