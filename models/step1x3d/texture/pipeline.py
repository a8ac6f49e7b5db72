# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh and a picture of its subject to the mesh's texture: the published folders at work.

Source: Step1X-3D (arXiv 2505.07747).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models.common.offload import Rest, Slot
from models.common.pretrained import read_network
from models.step1x3d.texture.backgrounds import encode_colors
from models.step1x3d.texture.coverage import find_coverage
from models.step1x3d.texture.denoiser import MultiViewDenoiser, load_denoiser
from models.step1x3d.texture.geometry_maps import render_geometry_maps
from models.step1x3d.texture.latents import decode_latents, encode_picture
from models.step1x3d.texture.mesh_preparation import PreparedMesh
from models.step1x3d.texture.painter import PaintSettings, Scene, paint_latents
from models.step1x3d.texture.reference_image import prepare_reference
from models.step1x3d.texture.words import Guidance, encode_words

LATENT_CELL_PX = 8


@dataclass(frozen=True)
class Sizes:
    """view_px: side of the six views, for which the network was trained. sync_px: of the latent texture behind them."""

    view_px: int = 768
    sync_px: int = 1536


OFFICIAL = Sizes()


@dataclass(frozen=True)
class Mode:
    """How memory is saved. rest: where networks wait for their turn. halves: see PaintSettings."""

    name: str
    rest: Rest
    halves: bool


# From the fastest to the leanest.
MODES = (
    Mode("resident", "device", halves=False),
    Mode("offload", "host", halves=False),
    Mode("lean", "disk", halves=True),
)


@dataclass(frozen=True)
class Folders:
    """Where the published files are. base: SDXL's folder. vae: the folder of its autoencoder. added: the file of
    Step1X-3D.
    """

    base: Path
    vae: Path
    added: Path


class TextureModel:
    """The networks of the texture half, each read when it is first needed."""

    def __init__(
        self,
        folders: Folders,
        device: torch.device,
        dtype: torch.dtype,
        mode: Mode | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        """mode: as `enter` takes it, which is needed before `paint` where none is given."""
        self.mode = mode
        self._folders, self._device, self._dtype = folders, device, dtype
        self._sizes = sizes or Sizes()
        self._guidance: Guidance | None = None
        if mode is not None:
            self.enter(mode)

    def enter(self, mode: Mode) -> None:
        """Work in this mode from now on."""
        self.mode = mode
        self._vae: Slot[AutoencoderKL] = Slot(self._read_vae, self._device, mode.rest)
        self._denoiser: Slot[MultiViewDenoiser] = Slot(self._read_denoiser, self._device, mode.rest)

    def clear(self) -> None:
        """Give the networks' memory back."""
        if self.mode is not None:
            self._vae.clear()
            self._denoiser.clear()

    def paint(
        self,
        rgba: np.ndarray,
        mesh: PreparedMesh,
        steps: int,
        seed: int,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> np.ndarray:
        """Six views of the mesh after the picture: (6, S, S, 3) uint8, in the order of cameras.VIEWS.

        rgba: (H, W, 4) uint8, the subject cut out. report: called before each step with steps done and all; what it
        raises ends the work. Raises CheckpointError, MeshUnusable.
        """
        assert self.mode is not None  # it was entered
        generator = torch.Generator().manual_seed(seed)
        size = self._sizes.view_px
        control = render_geometry_maps(mesh.vertices, mesh.faces, size).control
        coverage = find_coverage(mesh, size // LATENT_CELL_PX, self._sizes.sync_px, self._device)
        if self._guidance is None:
            self._guidance = encode_words(self._folders.base, size)
        report(0, steps)
        with torch.inference_mode(), self._vae.use() as vae:
            reference = encode_picture(vae, _as_tensor(prepare_reference(rgba, size)), generator)
            colors = encode_colors(vae, size, generator)
        scene = Scene(torch.from_numpy(control), coverage, reference, colors)
        settings = PaintSettings(steps, halves=self.mode.halves)
        with self._denoiser.use() as denoiser:
            latents = paint_latents(denoiser, self._guidance, scene, settings, generator, report)
        with torch.inference_mode(), self._vae.use() as vae:
            views = decode_latents(vae, latents)
        return np.ascontiguousarray((views.permute(0, 2, 3, 1).numpy() * 255.0 + 0.5).astype(np.uint8))

    def _read_vae(self, device: torch.device) -> AutoencoderKL:
        vae = read_network(AutoencoderKL, self._folders.vae, self._dtype)
        return vae.to(device)

    def _read_denoiser(self, device: torch.device) -> MultiViewDenoiser:
        return load_denoiser(self._folders.base / "unet", self._folders.added, device, self._dtype)


def _as_tensor(rgb: np.ndarray) -> Tensor:  # (H, W, 3) uint8
    """(3, H, W) float32, −1 to 1."""
    return torch.from_numpy(rgb).permute(2, 0, 1).float() / 127.5 - 1.0
