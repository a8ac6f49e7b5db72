# SPDX-License-Identifier: GPL-3.0-or-later
"""Six pictures of one mesh after one reference picture: the sampling of Step1X-3D's texture half.

Source: Step1X-3D (arXiv 2505.07747).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models.step1x3d.texture.attention import VIEWS
from models.step1x3d.texture.backgrounds import Backgrounds
from models.step1x3d.texture.denoiser import MultiViewDenoiser, Words
from models.step1x3d.texture.latents import CHANNELS, decode_latents, encode_picture
from models.step1x3d.texture.scheduler import ShiftedDDPM
from models.step1x3d.texture.synchronize import Coverage, exponent_at, paint_texture, show_texture
from models.step1x3d.texture.words import Guidance

SYNCHRONIZED_ABOVE = 500  # noise level down to which the views share a texture
SEES_REFERENCE = (False, True)  # the unwanted half does not
TOP_LEVEL = 982  # the level that the first background is noised to


@dataclass(frozen=True)
class PaintSettings:
    """guidance: how far the views are led towards the reference, 1 not at all. halves: the guided and the unguided
    prediction one after the other, in half the memory and a little more time.
    """

    steps: int = 50
    guidance: float = 3.0
    seed: int = 2025
    halves: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """What is painted. reference: (3, S, S) float32, −1 to 1. control: (6, 6, S, S) float32, 0 to 1. coverage: of
    S / 8 × S / 8 pixels. S: a multiple of 64.
    """

    reference: Tensor
    control: Tensor
    coverage: Coverage


class Painter:
    """The networks at work. Noise is drawn on the CPU from one seed: the same seed paints the same on a device."""

    def __init__(self, denoiser: MultiViewDenoiser, vae: AutoencoderKL, guidance: Guidance) -> None:
        self._denoiser, self._vae, self._guidance = denoiser, vae, guidance
        self._ddpm = ShiftedDDPM()

    @torch.inference_mode()
    def paint(
        self,
        scene: Scene,
        settings: PaintSettings,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> Tensor:
        """The six views (6, 3, S, S) float32 on the CPU, 0 to 1.

        report: called before each step with steps done and all; what it raises ends the work.
        """
        generator = torch.Generator().manual_seed(settings.seed)
        try:
            latents = self._sample(scene, settings, generator, report)
        finally:
            self._denoiser.forget()
        return decode_latents(self._vae, latents)

    def _sample(
        self, scene: Scene, settings: PaintSettings, generator: torch.Generator, report: Callable[[int, int], None]
    ) -> Tensor:
        """Clean latents (6, 4, H, W)."""
        device, dtype = self._denoiser.unet.device, self._denoiser.unet.dtype
        wanted, unwanted = (words.to(device, dtype) for words in (self._guidance.wanted, self._guidance.unwanted))
        reference = encode_picture(self._vae, scene.reference, generator)
        backgrounds = Backgrounds(self._vae, scene.reference.shape[-1], generator)
        self._denoiser.remember(reference.to(device, dtype), wanted)
        features = self._denoiser.control_features(scene.control.to(device, dtype))

        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(device)

        def predict(latents: Tensor, t: int) -> Tensor:
            return self._guided(latents.to(dtype), t, (unwanted, wanted), features, settings).float()

        coverage, ddpm = scene.coverage, self._ddpm
        mask, shape = coverage.mask(), (VIEWS, CHANNELS, coverage.height, coverage.width)
        texture = noise(CHANNELS, coverage.side, coverage.side)
        start = ddpm.blend(noise(*shape), noise(*shape), TOP_LEVEL)
        latents = show_texture(coverage, texture) * mask + start * (1 - mask)
        levels = ddpm.timesteps(settings.steps)
        for index, t in enumerate(levels):
            report(index, len(levels))
            clean = ddpm.clean(predict(latents, t), t, latents)
            weights = ddpm.weights(t, t - ddpm.stride(settings.steps))
            if t > SYNCHRONIZED_ABOVE:
                shared = paint_texture(coverage, clean, exponent_at(index, len(levels)))
                texture = ddpm.step(shared, texture, noise(*texture.shape), weights)
                behind = ddpm.blend(backgrounds.latents().to(device), noise(*shape), t)
                latents = show_texture(coverage, texture) * mask + behind * (1 - mask)
                backgrounds.draw_after(t)
            else:
                latents = ddpm.step(clean, latents, noise(*shape), weights)
        report(len(levels), len(levels))
        return latents

    def _guided(
        self, latents: Tensor, t: int, words: Sequence[Words], features: Sequence[Tensor], settings: PaintSettings
    ) -> Tensor:
        """The noise that guidance leads to: from what is unwanted past what is wanted."""
        if settings.halves:
            pairs = zip(words, SEES_REFERENCE, strict=True)
            parts = [self._denoiser(latents, t, [item], features, [sees]) for item, sees in pairs]
        else:
            parts = self._denoiser(latents, t, words, features, SEES_REFERENCE).chunk(2)
        unwanted, wanted = parts
        return unwanted + settings.guidance * (wanted - unwanted)
