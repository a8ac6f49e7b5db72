# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of the networks, read from the published `config.json` files, which are flat lists of every option.

An option that decides the network is a field of its dataclass. One that this implementation knows in a single value
is refused in any other. One that only training reads is passed over, and so is anything without a value. What is
left is unknown and refused: it may mean another network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_type_hints

from models.common.checkpoint import CheckpointError

Config = TypeVar("Config")

_MARKS = ("_class_name", "_diffusers_version")


class ConfigUnsupported(CheckpointError):
    """The file describes a network that this implementation does not have. The message names the option."""


@dataclass(frozen=True)
class VitConfig:
    """A vision transformer. registers: extra tokens after the class token, 0 where it has none."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    mlp_size: int
    patch_size: int
    image_size: int
    registers: int


# Published checkpoints carry the weights of these under their names, not their shapes.
VITS: Mapping[str, VitConfig] = {
    "facebook/dinov2-with-registers-large": VitConfig(1024, 24, 16, 4096, 14, 518, 4),
    "openai/clip-vit-large-patch14": VitConfig(1024, 24, 16, 4096, 14, 224, 0),
}


@dataclass(frozen=True)
class TransformerConfig:
    """The diffusion transformer. layers: blocks with two streams; num_single_layers: blocks with one, after them."""

    input_channels: int
    width: int
    layers: int
    num_single_layers: int
    num_heads: int
    condition_dim: int
    use_visual_condition: bool
    visual_condition_dim: int
    use_caption_condition: bool
    caption_condition_dim: int
    use_label_condition: bool
    label_condition_dim: int


@dataclass(frozen=True)
class VaeConfig:
    """The shape autoencoder. num_latents latents of embed_dim channels stand for one shape."""

    num_latents: int
    point_feats: int
    embed_dim: int
    num_freqs: int
    width: int
    heads: int
    num_encoder_layers: int
    num_decoder_layers: int
    z_scale_factor: float


@dataclass(frozen=True)
class VisualEncoderConfig:
    """The picture's encoder. image_size: side in pixels that DINOv2 sees. clip_type: None where there is no CLIP.

    dino_config, clip_config: shapes of backbones that are not published ones (VITS knows those by name).
    """

    image_size: int
    dino_type: str
    clip_type: str | None = None
    dino_config: Mapping[str, int] | None = None
    clip_config: Mapping[str, int] | None = None

    @property
    def dino(self) -> VitConfig:
        """Shape of the DINOv2 backbone. Raises ConfigUnsupported."""
        return _vit(self.dino_type, self.dino_config)

    @property
    def clip(self) -> VitConfig | None:
        """Shape of CLIP's vision tower, None without one. Raises ConfigUnsupported."""
        return None if self.clip_type is None else _vit(self.clip_type, self.clip_config)


@dataclass(frozen=True)
class LabelEncoderConfig:
    """The label encoder: tables of rows of hidden_size."""

    hidden_size: int


@dataclass(frozen=True)
class SchedulerConfig:
    """The flow's steps of time."""

    num_train_timesteps: int


_ONLY: Mapping[type, Mapping[str, Any]] = {
    TransformerConfig: {"multi_condition_type": "in_context", "n_views": 1},
    VaeConfig: {
        "embed_point_feats": False,
        "out_dim": 1,
        "embed_type": "fourier",
        "include_pi": False,
        "qkv_bias": False,
        "qk_norm": False,
        "use_ln_post": True,
        "use_downsample": True,
        "use_multi_reso": False,
        "with_sharp_data": True,
        "volume_decoder_type": "hierarchical",
        "surface_extractor_type": "mc",
    },
    VisualEncoderConfig: {
        "n_views": 1,
        "encode_camera": False,
        "normalize_embeds": False,
        "zero_uncond_embeds": True,
        "fuse_type": "concat",
    },
    LabelEncoderConfig: {"normalize_embeds": False, "zero_uncond_embeds": True},
    SchedulerConfig: {
        "shift": 1.0,
        "use_dynamic_shifting": False,
        "invert_sigmas": False,
        "use_karras_sigmas": False,
        "use_beta_sigmas": False,
        "use_exponential_sigmas": False,
    },
}
_INERT: Mapping[type, frozenset[str]] = {
    TransformerConfig: frozenset({"identity_init"}),
    VaeConfig: frozenset({"n_samples", "downsample_ratio", "init_scale", "use_flash", "use_checkpoint"}),
    VisualEncoderConfig: frozenset(
        {
            "camera_embeds_type",
            "empty_embeds_ratio",
            "freeze_modulation_dino",
            "freeze_modulation_clip",
            "enable_gradient_checkpointing",
        }
    ),
    LabelEncoderConfig: frozenset({"empty_embeds_ratio"}),
    # Only a shift that follows the length of the sequence reads these.
    SchedulerConfig: frozenset({"base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len"}),
}


def read_config(cls: type[Config], document: Mapping[str, Any], source: str) -> Config:
    """The config that a published json document describes. source: what the file is called in an error.

    Raises ConfigUnsupported for an option that is missing, unknown, of another type, or of a value that is not
    supported.
    """
    hints = get_type_hints(cls)
    required = {field.name for field in fields(cls)} - {name for name in hints if hasattr(cls, name)}
    missing = sorted(name for name in required if document.get(name) is None)
    if missing:
        raise ConfigUnsupported(f"{source} lacks {', '.join(missing)}.")
    values = {}
    for name, value in document.items():
        if name in hints and value is not None:
            values[name] = _typed(value, hints[name], f"{source}: {name}")
        elif value is not None and name not in _INERT[cls] and name not in _MARKS:
            _require_only(cls, name, value, source)
    return cls(**values)


def _require_only(cls: type, name: str, value: Any, source: str) -> None:
    if name not in _ONLY[cls]:
        raise ConfigUnsupported(f"{source} has an unknown option: {name} = {value!r}.")
    if value != _ONLY[cls][name]:
        raise ConfigUnsupported(f"{source}: {name} is {value!r}; only {_ONLY[cls][name]!r} is supported.")


def _typed(value: Any, hint: Any, name: str) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if hint in (int, float, bool) and type(value) is not hint:
        raise ConfigUnsupported(f"{name} is {value!r}, not a {hint.__name__}.")
    if hint in (int, float) and value <= 0 and not name.endswith("layers"):
        raise ConfigUnsupported(f"{name} is {value!r}; it must be greater than 0.")
    return value


def _vit(name: str, shape: Mapping[str, int] | None) -> VitConfig:
    if shape is not None:
        try:
            return VitConfig(**shape)
        except TypeError as error:
            raise ConfigUnsupported(f"The shape of {name} is not a vision transformer's: {error}.") from error
    if name not in VITS:
        raise ConfigUnsupported(f"The backbone {name!r} is unknown; known: {', '.join(VITS)}.")
    return VITS[name]
