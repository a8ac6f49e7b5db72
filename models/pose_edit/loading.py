# SPDX-License-Identifier: GPL-3.0-or-later
"""An editor from a local folder in diffusers' layout: safetensors only, every key accounted for, nothing fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from models.common.checkpoint import CheckpointDamaged, CheckpointError, CheckpointMismatch, CheckpointMissing

from .processor import QwenProcessor, place_pictures
from .recipes import Recipe

# As they are published.
DTYPE = torch.bfloat16
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError, SafetensorError)


def load_pipeline(folder: Path, recipe: Recipe) -> Any:
    """The diffusers pipeline, in main memory. folder: with model_index.json and a folder a part.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    _check_index(folder, recipe)
    _be_quiet()
    parts: dict[str, Any] = {name: load_network(folder, name, kind) for name, kind in recipe.networks.items()}
    try:
        parts["tokenizer"] = getattr(transformers, recipe.tokenizer).from_pretrained(
            folder / "tokenizer", local_files_only=True
        )
        parts["scheduler"] = diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(
            folder / "scheduler", local_files_only=True
        )
        if recipe.has_processor:
            parts["processor"] = QwenProcessor.read(folder / "processor", parts["tokenizer"])
            place_pictures(parts["text_encoder"])
    except _UNREADABLE as error:
        raise _damaged(folder, error) from error
    pipeline = getattr(diffusers, recipe.pipeline)(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_network(folder: Path, name: str, kind: str) -> torch.nn.Module:
    """One network, ready to run. name: its folder. kind: its class.

    The libraries draw keys that are missing at random and only warn; here they are an error.
    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    place = folder / name
    if not (place / "config.json").is_file():
        raise CheckpointMissing(f"The folder {name} of {folder.name} is not there. Run: figurine weights fetch")
    library = diffusers if hasattr(diffusers, kind) else transformers
    try:
        network, told = getattr(library, kind).from_pretrained(
            place,
            torch_dtype=DTYPE,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # named below, with all others
            output_loading_info=True,
        )
    except _UNREADABLE as error:
        raise _damaged(place, error) from error
    if any(told[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        misshapen = {key: (tuple(has), tuple(wants)) for key, has, wants in told["mismatched_keys"]}
        raise CheckpointMismatch(
            f"{folder.name}/{name}", sorted(told["missing_keys"]), sorted(told["unexpected_keys"]), misshapen
        )
    return network.eval().requires_grad_(False)


def _check_index(folder: Path, recipe: Recipe) -> None:
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        found = str(index["_class_name"])
    except FileNotFoundError as error:
        raise CheckpointMissing(f"{folder.name} has no model_index.json. Run: figurine weights fetch") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder / "model_index.json", error) from error
    if found != recipe.pipeline:
        raise CheckpointError(
            f"{folder.name} holds a {found}, and a {recipe.pipeline} is needed. Fetch the weights that the manifest "
            "names."
        )


def _be_quiet() -> None:
    """Progress bars of loading belong to a terminal, not to a server's log."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def _damaged(place: Path, error: BaseException) -> CheckpointDamaged:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return CheckpointDamaged(f"{place.name} cannot be read: {why}. Fetch it again: figurine weights fetch")
