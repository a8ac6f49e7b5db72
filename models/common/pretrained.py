# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that diffusers and transformers have, read from folders in their layout: locally, whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing
from models.common.offload import is_shortage

# What the two libraries raise for a file that is cut short, of another kind, or not what its neighbours say.
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, SafetensorError)


def read_network(
    kind: Any, folder: Path, dtype: torch.dtype, source: str | None = None, unused: tuple[str, ...] = ()
) -> Any:
    """A network of one of the two libraries' classes, on the CPU, not for training; from its half-precision file where
    there is one. The libraries draw keys that are missing at random and only warn; here they are an error.

    source: what the folder is called in an error, its name unless given. unused: ends of keys that the network does
    without. Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    named = source or folder.name
    network, told = read_part(
        kind,
        folder,
        named,
        use_safetensors=True,
        variant="fp16" if any(folder.glob("*.fp16.safetensors")) else None,
        ignore_mismatched_sizes=True,  # named below, with all others
        output_loading_info=True,
        **{"torch_dtype" if kind.__module__.startswith("diffusers") else "dtype": dtype},
    )
    unexpected = [key for key in told["unexpected_keys"] if not key.endswith(unused)]
    misshapen = {key: (tuple(has), tuple(wants)) for key, has, wants in told["mismatched_keys"]}
    if told["missing_keys"] or unexpected or misshapen:
        raise CheckpointMismatch(named, list(told["missing_keys"]), unexpected, misshapen)
    return network.eval().requires_grad_(False)


def read_part(kind: Any, folder: Path, source: str | None = None, **options: Any) -> Any:
    """Anything with a `from_pretrained`. source: see `read_network`. Raises CheckpointMissing, CheckpointDamaged."""
    named = source or folder.name
    if not folder.is_dir():
        raise CheckpointMissing(f"{named} is not there ({folder}). Run: figurine weights fetch")
    with read_errors(named):
        return kind.from_pretrained(folder, local_files_only=True, **options)


@contextmanager
def read_errors(source: str) -> Iterator[None]:
    """Raises CheckpointDamaged where the libraries cannot use what they read. No progress bar is drawn meanwhile, nor
    afterwards: it belongs to a terminal, not to a server's log.
    """
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    except _UNREADABLE as error:
        if is_shortage(error):
            raise
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise CheckpointDamaged(f"{source} cannot be read: {why}. Fetch it again: figurine weights fetch") from error
