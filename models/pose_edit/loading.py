# SPDX-License-Identifier: GPL-3.0-or-later
"""An editor from a local folder in diffusers' layout: safetensors only, every key accounted for, nothing fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from models.common.checkpoint import CheckpointError, read_json
from models.common.pretrained import read_errors, read_network, read_part

from .processor import QwenProcessor, place_pictures
from .recipes import Recipe

# As they are published.
DTYPE = torch.bfloat16


def load_pipeline(folder: Path, recipe: Recipe) -> Any:
    """The diffusers pipeline, in main memory. folder: with model_index.json and a folder a part.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    _check_index(folder, recipe)
    parts: dict[str, Any] = {name: load_network(folder, name, kind) for name, kind in recipe.networks.items()}
    parts["tokenizer"] = read_part(
        getattr(transformers, recipe.tokenizer), folder / "tokenizer", f"{folder.name}/tokenizer"
    )
    parts["scheduler"] = read_part(
        diffusers.FlowMatchEulerDiscreteScheduler, folder / "scheduler", f"{folder.name}/scheduler"
    )
    if recipe.has_processor:
        with read_errors(f"{folder.name}/processor"):
            parts["processor"] = QwenProcessor.read(folder / "processor", parts["tokenizer"])
        place_pictures(parts["text_encoder"])
    pipeline = getattr(diffusers, recipe.pipeline)(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_network(folder: Path, name: str, kind: str) -> torch.nn.Module:
    """One network, ready to run. name: its folder. kind: its class.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    library = diffusers if hasattr(diffusers, kind) else transformers
    network: torch.nn.Module = read_network(getattr(library, kind), folder / name, DTYPE, f"{folder.name}/{name}")
    return network


def _check_index(folder: Path, recipe: Recipe) -> None:
    found = read_json(folder / "model_index.json").get("_class_name")
    if found != recipe.pipeline:
        raise CheckpointError(
            f"{folder.name} holds a {found}, and a {recipe.pipeline} is needed. Fetch the weights that the manifest "
            "names."
        )
