# SPDX-License-Identifier: GPL-3.0-or-later
"""Six pictures of one mesh, as latents, after one reference picture: the sampling of Step1X-3D's texture half.

Source: Step1X-3D (arXiv 2505.07747).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.step1x3d.texture.attention import VIEWS
from models.step1x3d.texture.backgrounds import draw_colors
from models.step1x3d.texture.denoiser import MultiViewDenoiser, Words
from models.step1x3d.texture.latents import CHANNELS
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
    halves: bool = False


@dataclass(frozen=True, eq=False)
class Scene:
    """What is painted, on any device. control: (6, 6, 8 H, 8 W) float32, 0 to 1. coverage: of H × W pixels. reference:
    latents (1, 4, H, W). colors: latents (14, 4, H, W) of the plain backgrounds.
    """

    control: Tensor
    coverage: Coverage
    reference: Tensor
    colors: Tensor


@torch.inference_mode()
def paint_latents(
    denoiser: MultiViewDenoiser,
    guidance: Guidance,
    scene: Scene,
    settings: PaintSettings,
    generator: torch.Generator,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """Clean latents (6, 4, H, W) float32 of the six views.

    generator: of the CPU, so that a seed paints the same on every device of a kind. report: called before each step
    with steps done and all; what it raises ends the work.
    """
    predict = _predictor(denoiser, guidance, scene, settings)
    device, coverage, ddpm = denoiser.unet.device, scene.coverage, ShiftedDDPM()
    mask, shape = coverage.mask(), (VIEWS, CHANNELS, coverage.height, coverage.width)

    def noise(*size: int) -> Tensor:
        return torch.randn(size, generator=generator).to(device)

    texture = noise(CHANNELS, coverage.side, coverage.side)
    start = ddpm.blend(noise(*shape), noise(*shape), TOP_LEVEL)
    latents = show_texture(coverage, texture) * mask + start * (1 - mask)
    drawn = draw_colors(TOP_LEVEL, generator)
    try:
        for index, t in enumerate(ddpm.timesteps(settings.steps)):
            report(index, settings.steps)
            clean = ddpm.clean(predict(latents, t), t, latents)
            weights = ddpm.weights(t, t - ddpm.stride(settings.steps))
            if t > SYNCHRONIZED_ABOVE:
                shared = paint_texture(coverage, clean, exponent_at(index, settings.steps))
                texture = ddpm.step(shared, texture, noise(*texture.shape), weights)
                behind = ddpm.blend(scene.colors[drawn].to(device), noise(*shape), t)
                latents = show_texture(coverage, texture) * mask + behind * (1 - mask)
                drawn = draw_colors(t, generator)
            else:
                latents = ddpm.step(clean, latents, noise(*shape), weights)
    finally:
        denoiser.forget()
    report(settings.steps, settings.steps)
    return latents


def _predictor(
    denoiser: MultiViewDenoiser, guidance: Guidance, scene: Scene, settings: PaintSettings
) -> Callable[[Tensor, int], Tensor]:
    """The noise in latents at a level, guided: from what is unwanted past what is wanted. Float32."""
    device, dtype = denoiser.unet.device, denoiser.unet.dtype
    words = [item.to(device, dtype) for item in (guidance.unwanted, guidance.wanted)]
    denoiser.remember(scene.reference.to(device, dtype), words[1])
    features = denoiser.control_features(scene.control.to(device, dtype))

    def run(latents: Tensor, t: int, told: Sequence[Words], sees: Sequence[bool]) -> Tensor:
        return denoiser(latents, t, told, features, sees)

    def predict(latents: Tensor, t: int) -> Tensor:
        given = latents.to(dtype)
        if settings.halves:
            unwanted, wanted = (run(given, t, [item], [sees]) for item, sees in zip(words, SEES_REFERENCE, strict=True))
        else:
            unwanted, wanted = run(given, t, words, SEES_REFERENCE).chunk(2)
        return (unwanted + settings.guidance * (wanted - unwanted)).float()

    return predict
