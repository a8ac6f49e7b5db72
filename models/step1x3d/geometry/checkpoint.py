# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a published model folder: one subfolder a component, each a `config.json` and one safetensors file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from models.common.checkpoint import load_file, read_json
from models.step1x3d.geometry.conditioner import VisualEncoder
from models.step1x3d.geometry.config import (
    ConfigUnsupported,
    LabelEncoderConfig,
    SchedulerConfig,
    TransformerConfig,
    VaeConfig,
    VisualEncoderConfig,
    read_config,
)
from models.step1x3d.geometry.labels import LabelEncoder
from models.step1x3d.geometry.transformer import Denoiser
from models.step1x3d.geometry.vae import ShapeVae

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config")

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"
PIPELINE_CLASS = "Step1X3DGeometryPipeline"
# What only mesh → latents needs.
ENCODER_KEYS = ("encoder.", "pre_kl.")


@dataclass(frozen=True)
class ModelConfigs:
    """Everything that the folder's json files say. label_encoder: None for the model without labels."""

    transformer: TransformerConfig
    vae: VaeConfig
    visual_encoder: VisualEncoderConfig
    label_encoder: LabelEncoderConfig | None
    scheduler: SchedulerConfig


def read_configs(folder: Path) -> ModelConfigs:
    """The configs of a model folder. Raises CheckpointMissing, CheckpointDamaged, ConfigUnsupported."""
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") != PIPELINE_CLASS:
        raise ConfigUnsupported(f"model_index.json is of a {index.get('_class_name')!r}, not of a {PIPELINE_CLASS}.")
    transformer = _config(TransformerConfig, folder / "transformer")
    has_labels = transformer.use_label_condition
    if transformer.use_caption_condition or not transformer.use_visual_condition:
        raise ConfigUnsupported("transformer/config.json asks for captions, or for no picture: no such model exists.")
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    return ModelConfigs(
        transformer=transformer,
        vae=_config(VaeConfig, folder / "vae"),
        visual_encoder=_config(VisualEncoderConfig, folder / "visual_encoder"),
        label_encoder=_config(LabelEncoderConfig, folder / "label_encoder") if has_labels else None,
        scheduler=read_config(SchedulerConfig, scheduler, "scheduler/scheduler_config.json"),
    )


@dataclass(frozen=True)
class Placement:
    """Where a network goes and in which precision. look_up: called before each tensor; what it raises ends it."""

    device: torch.device
    dtype: torch.dtype
    look_up: Callable[[], None] = lambda: None


def load_visual_encoder(folder: Path, config: VisualEncoderConfig, to: Placement) -> VisualEncoder:
    """Ready to run, without CLIP's text half. Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch."""
    with torch.device("meta"):
        network = VisualEncoder(config)
    return _fill(network, folder / "visual_encoder", to, VisualEncoder.UNUSED_KEYS)


def load_label_encoder(folder: Path, config: LabelEncoderConfig, to: Placement) -> LabelEncoder:
    """Ready to run. Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch."""
    with torch.device("meta"):
        network = LabelEncoder(config)
    return _fill(network, folder / "label_encoder", to)


def load_denoiser(folder: Path, config: TransformerConfig, to: Placement) -> Denoiser:
    """Ready to run. Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch."""
    with torch.device("meta"):
        network = Denoiser(config)
    return _fill(network, folder / "transformer", to)


def load_vae(folder: Path, config: VaeConfig, to: Placement, *, has_encoder: bool = False) -> ShapeVae:
    """Ready to run; with what mesh → latents needs where `has_encoder`. Raises CheckpointMissing, CheckpointDamaged,
    CheckpointMismatch.
    """
    with torch.device("meta"):
        network = ShapeVae(config, has_encoder=has_encoder)
    return _fill(network, folder / "vae", to, () if has_encoder else ENCODER_KEYS)


def _fill(network: Network, folder: Path, to: Placement, unused: tuple[str, ...] = ()) -> Network:
    path = folder / WEIGHTS_NAME
    load_file(network, path, device=to.device, dtype=to.dtype, unused=unused, look_up=to.look_up)
    return network.eval().requires_grad_(False)


def _config(cls: type[Config], folder: Path) -> Config:
    return read_config(cls, read_json(folder / "config.json"), f"{folder.name}/config.json")
