# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that diffusers and transformers have, read from folders in their layout: locally, whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing

COUNTED = "position_ids"  # text encoders were saved with the numbers of their places, which are made anew


def read_network(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A network of one of the two libraries' classes, on the CPU, not for training; from its half-precision file where
    there is one.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    key = "torch_dtype" if kind.__module__.startswith("diffusers") else "dtype"
    disable_progress_bar()
    variant = "fp16" if any(folder.glob("*.fp16.safetensors")) else None
    options = {key: dtype, "variant": variant, "use_safetensors": True, "output_loading_info": True}
    network, told = read_part(kind, folder, **options)
    unexpected = [name for name in told["unexpected_keys"] if not name.endswith(COUNTED)]
    if told["missing_keys"] or told["mismatched_keys"] or unexpected:
        shapes = {name: (tuple(has), tuple(wants)) for name, has, wants in told["mismatched_keys"]}
        raise CheckpointMismatch(folder.name, list(told["missing_keys"]), unexpected, shapes)
    return network.eval().requires_grad_(False)


def read_part(kind: Any, folder: Path, **options: Any) -> Any:
    """Anything with a `from_pretrained`. Raises CheckpointMissing, CheckpointDamaged."""
    if not folder.is_dir():
        raise CheckpointMissing(f"{folder.name} is not there ({folder}). Run: figurine weights fetch")
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise CheckpointDamaged(
            f"{folder.name} cannot be read: {why}. Fetch it again: figurine weights fetch"
        ) from error
