# SPDX-License-Identifier: GPL-3.0-or-later
"""One edit: the picture and the instruction go in, the pipeline denoises, a picture comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .loading import load_pipeline
from .offload import Plan, place
from .recipes import Recipe


@dataclass(frozen=True, eq=False)
class Instruction:
    """What is to be drawn.

    picture: (H, W, 3) uint8 sRGB, what to redraw. prompt: what to make of it. width, height: of the answer, in pixels;
    rounded down to what the pipeline can draw. seed: of the noise that it starts from.
    """

    picture: np.ndarray
    prompt: str
    width: int
    height: int
    seed: int


class LocalEditor:
    """A loaded editor. plan: where its networks wait."""

    def __init__(self, pipeline: Any, recipe: Recipe, device: torch.device) -> None:
        """Raises torch.OutOfMemoryError."""
        self.plan: Plan = place(pipeline, device)
        self._pipeline = pipeline
        self._recipe = recipe

    @classmethod
    def load(cls, folder: Path, recipe: Recipe, device: torch.device) -> LocalEditor:
        """folder: in diffusers' layout. Raises CheckpointError, torch.OutOfMemoryError."""
        return cls(load_pipeline(folder, recipe), recipe, device)

    def draw(
        self,
        instruction: Instruction,
        progress: Callable[[int, int], None] = lambda done, total: None,
        raise_if_cancelled: Callable[[], None] = lambda: None,
    ) -> np.ndarray:
        """The edited picture: (h, w, 3) uint8 sRGB. The same instruction gives the same picture on the same device.

        progress: gets done and total steps. raise_if_cancelled: called before each block of each network.
        Raises torch.OutOfMemoryError, and what the two raise.
        """
        recipe, step_px = self._recipe, self._recipe.side_step_px

        def after_step(pipeline: Any, step: int, moment: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            progress(step + 1, recipe.steps)
            return tensors

        with _called_before_blocks(self._pipeline, raise_if_cancelled):
            answer = self._pipeline(
                image=[Image.fromarray(instruction.picture)],
                prompt=instruction.prompt,
                width=instruction.width // step_px * step_px,
                height=instruction.height // step_px * step_px,
                num_inference_steps=recipe.steps,
                generator=torch.Generator("cpu").manual_seed(instruction.seed),  # the same noise on every device
                callback_on_step_end=after_step,
                **recipe.options,
            )
        return np.asarray(answer.images[0].convert("RGB"))


@contextmanager
def _called_before_blocks(pipeline: Any, call: Callable[[], None]) -> Iterator[None]:
    """Have `call` called before each block: a step of a large network on a CPU takes minutes."""
    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    lists = [part for network in networks for part in network.modules() if isinstance(part, torch.nn.ModuleList)]
    hooks = [block.register_forward_pre_hook(lambda *_: call()) for blocks in lists for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
