# SPDX-License-Identifier: GPL-3.0-or-later
"""One model folder, ready to go from a picture to latents and from latents to a field, in the memory that it is given.

The parts are needed strictly one after another: encoders, transformer, shape autoencoder.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.common.compiling import CompileFailed, compile_errors, compile_parts
from models.common.offload import Rest, Slot, watched
from models.step1x3d.geometry import checkpoint
from models.step1x3d.geometry.checkpoint import Placement
from models.step1x3d.geometry.labels import Label
from models.step1x3d.geometry.picture import frame_subject
from models.step1x3d.geometry.sampler import Sampling, draw_noise, sample
from models.step1x3d.geometry.vae import ShapeField, ShapeVae


@dataclass(frozen=True)
class Mode:
    """How much memory a run takes. rest: where networks wait. is_split: the guided pair is evaluated one by one.

    query_points: of the field that are asked at once.
    """

    name: str
    rest: Rest
    is_split: bool
    query_points: int


# The last is the leanest: whichever network runs is alone in memory.
MODES = (
    Mode("resident", "device", False, 65_536),
    Mode("offloaded", "host", False, 65_536),
    Mode("sequential", "disk", True, 16_384),
    Mode("minimal", "disk", True, 4_096),
)


@dataclass(frozen=True)
class Hardware:
    """device, dtype: where the networks compute, and in which precision. is_compiled: blocks of the transformer go
    through torch.compile first, which costs a minute and needs a C++ compiler or Triton; where it fails they run as
    they are.
    """

    device: torch.device
    dtype: torch.dtype
    is_compiled: bool = False


class GeometryModel:
    """The networks of a published folder. Belongs to one thread. `enter` a mode before anything is asked of it.

    look_up: called before each block of a network and each tensor of a file; what it raises ends what is being done.
    Compiled blocks look up once a step, and not while they are compiled. compile_fault: why they could not be.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch and ConfigUnsupported: configs at once, weights
    when they are first needed.
    """

    mode: Mode | None = None
    compile_fault: str = ""
    look_up: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, folder: Path, hardware: Hardware) -> None:
        self.configs = checkpoint.read_configs(folder)
        self._folder = folder
        self._hardware = hardware
        self._slots: dict[str, Slot[Any]] = {}

    @property
    def has_labels(self) -> bool:
        """Whether symmetry and edges can be asked for."""
        return self.configs.label_encoder is not None

    def enter(self, mode: Mode) -> None:
        """Drop every network; from now on they are held as the mode says."""
        self.clear()
        self.mode = mode
        parts = {
            "picture": (checkpoint.load_visual_encoder, self.configs.visual_encoder),
            "label": (checkpoint.load_label_encoder, self.configs.label_encoder),
            "denoiser": (self._load_denoiser, self.configs.transformer),
            "vae": (checkpoint.load_vae, self.configs.vae),
        }
        self._slots = {name: self._slot(load, config, mode.rest) for name, (load, config) in parts.items()}

    def _slot(self, load: Callable[..., Any], config: Any, rest: Rest) -> Slot[Any]:
        def read(device: torch.device) -> Any:
            return load(self._folder, config, Placement(device, self._hardware.dtype, self._look_up))

        return Slot(read, self._hardware.device, rest)

    def _look_up(self) -> None:
        self.look_up()

    def _load_denoiser(self, folder: Path, config: Any, to: Placement) -> Any:
        network = checkpoint.load_denoiser(folder, config, to)
        if self._hardware.is_compiled:
            compile_parts(_blocks(network))
        return network

    @torch.inference_mode()
    def conditions(self, rgba: np.ndarray, label: Label | None = None, *, is_fixed: bool = False) -> dict[str, Tensor]:
        """The tokens of a cut-out picture, and of a label where the model knows labels (none gives zeros).

        rgba: (H, W, 4) uint8, straight alpha. is_fixed: see `labels`. Raises PictureEmpty, LabelUnknown.
        """
        picture = frame_subject(rgba)
        with self._slots["picture"].use() as encoder, watched(_layers(encoder), self._look_up):
            found = {"visual": encoder.encode(picture)}
        if self.has_labels:
            with self._slots["label"].use() as encoder:
                tokens = encoder([label or {}], is_fixed=is_fixed)
            found["label"] = tokens if label is not None else torch.zeros_like(tokens)
        return found

    def latents(
        self,
        conditions: dict[str, Tensor],
        seed: int,
        sampling: Sampling,
        on_step: Callable[[int], None],
    ) -> Tensor:
        """One shape's latents: (1, num_latents, embed_dim) float32 on the CPU.

        on_step: told the number of each step that is done.
        """
        shape = (1, self.configs.vae.num_latents, self.configs.vae.embed_dim)
        noise = draw_noise(shape, seed).to(self._hardware.device)
        sampling = replace(sampling, is_split=self.mode is not None and self.mode.is_split)

        def walk(looks: Callable[[Any], AbstractContextManager[None]]) -> Tensor:
            with self._slots["denoiser"].use() as denoiser, looks(denoiser):
                return sample(denoiser, noise, conditions, sampling, lambda step, _: on_step(step)).cpu()

        if self._hardware.is_compiled:
            try:
                return walk(lambda denoiser: compile_errors())
            except CompileFailed as error:
                self.compile_fault = str(error)
            self._hardware = replace(self._hardware, is_compiled=False)
            self._slots["denoiser"].clear()
        return walk(lambda denoiser: watched(_blocks(denoiser), self._look_up))

    def with_field(self, latents: Tensor, work: Callable[[ShapeField], Any]) -> Any:
        """What `work` makes of the shape's field, which is gone afterwards. latents: (1, num_latents, embed_dim)."""
        with self._slots["vae"].use() as vae, watched(list(vae.transformer.resblocks), self._look_up):
            return work(vae.decode(latents))

    @torch.inference_mode()
    def encode_surface(self, surface: Tensor, sharp_surface: Tensor) -> Tensor:
        """The likeliest latents of a surface: (B, num_latents, embed_dim) float32 on the CPU.

        surface, sharp_surface: (B, N, 6) float32, places in the cube and normals; N ≥ num_latents / 2.
        """
        placement = Placement(self._hardware.device, self._hardware.dtype)
        vae: ShapeVae = checkpoint.load_vae(self._folder, self.configs.vae, placement, has_encoder=True)
        posterior = vae.encode(surface.to(placement.device), sharp_surface.to(placement.device))
        return posterior.mode().float().cpu()

    def clear(self) -> None:
        """Give the memory of all networks back."""
        for slot in self._slots.values():
            slot.clear()


def _layers(encoder: Any) -> list[torch.nn.Module]:
    clip = [] if encoder.clip_model is None else [*encoder.clip_model["vision_model"].encoder["layers"]]
    return [*encoder.dino_model.encoder["layer"], *clip]


def _blocks(denoiser: Any) -> list[torch.nn.Module]:
    return [*denoiser.dit_model.transformer_blocks, *denoiser.dit_model.single_transformer_blocks]
