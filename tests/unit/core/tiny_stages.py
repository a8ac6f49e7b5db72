# SPDX-License-Identifier: GPL-3.0-or-later
"""Five real stages of a few lines each, and the registry that has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from inference_server.core.cache import StageCache
from inference_server.core.choices import EnginePolicy
from inference_server.core.digest import digest
from inference_server.core.pipeline import Outcome, Pipeline, StageChoice
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, Device, Requirements, RunContext
from inference_server.core.types import (
    Engine,
    ExportedFiles,
    ExportInput,
    Mesh,
    NormalizedImage,
    Rig,
    RigInput,
    Skeleton,
    Skin,
    SourceImage,
    StageName,
    TexturedMesh,
    TextureInput,
)
from inference_server.core.warm import WarmStages


class Workshop:
    """What the stages of one test share: a log of what happened, and a fault to happen."""

    def __init__(self, folder: Path, skeleton: Skeleton, body: Mesh) -> None:
        self.folder = folder
        self.skeleton = skeleton
        self.body = body
        self.log: list[str] = []
        self.faults: dict[str, Callable[[RunContext, Any], Any]] = {}
        self.seen_settings: dict[str, dict[str, Any]] = {}

    @property
    def ran(self) -> list[str]:
        """Stages that computed, in order."""
        return [line.removeprefix("run ") for line in self.log if line.startswith("run ")]


class TinyStage:
    """Does one step with a few lines of numpy."""

    name: ClassVar[StageName]
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 1
    requires: ClassVar[Requirements] = Requirements(peak_bytes=1)
    setting_names: ClassVar[tuple[str, ...]] = ()
    uses_seed: ClassVar[bool] = False

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop

    def load(self, device: Device) -> None:
        self.workshop.log.append(f"load {self.name}")

    def run(self, value: Any, ctx: RunContext) -> Any:
        self.workshop.log.append(f"run {self.name}")
        self.workshop.seen_settings[self.name] = dict(ctx.settings)
        ctx.note(f"{self.name} was here")
        ctx.progress(1, 2)
        result = self.make(value, ctx)
        fault = self.workshop.faults.get(self.name)
        return result if fault is None else fault(ctx, result)

    def make(self, value: Any, ctx: RunContext) -> Any:
        raise NotImplementedError

    def unload(self) -> None:
        self.workshop.log.append(f"unload {self.name}")


class TinyNormalize(TinyStage):
    name = "normalize"

    def make(self, value: SourceImage, ctx: RunContext) -> NormalizedImage:
        return NormalizedImage(value.rgba[:8, :8], ("cropped",), (), 0.5)


class TinyGeometry(TinyStage):
    name = "geometry"
    setting_names = ("depth",)

    def make(self, value: NormalizedImage, ctx: RunContext) -> Mesh:
        return replace(self.workshop.body, vertices=self.workshop.body.vertices * [1, 1, ctx.settings["depth"]])


class TinyTexture(TinyStage):
    name = "texture"
    setting_names = ("texture_px",)

    def make(self, value: TextureInput, ctx: RunContext) -> TexturedMesh:
        return TexturedMesh(value.mesh, np.full((len(value.mesh.faces), 3, 2), 0.5), value.image.rgba)


class TinyRig(TinyStage):
    name = "rig"
    setting_names = ("kind",)
    uses_seed = True

    def make(self, value: RigInput, ctx: RunContext) -> Rig:
        skeleton = value.skeleton or self.workshop.skeleton
        bones = np.random.default_rng(ctx.seed).integers(0, len(skeleton.names), (len(value.mesh.vertices), 1))
        return Rig(skeleton, Skin(bones * [1, 0, 0, 0], np.tile([1.0, 0, 0, 0], (len(bones), 1))))


class TinyExport(TinyStage):
    name = "export"
    engine = "blender"

    def make(self, value: ExportInput, ctx: RunContext) -> ExportedFiles:
        paths = [self.workshop.folder / f"asset.{suffix}" for suffix in ("fbx", "glb", "png")]
        for path in paths:
            path.write_text(f"{value.name} {digest(getattr(value.asset, 'rig', None))}")
            ctx.afterwards(path.unlink)
        return ExportedFiles(*paths, blender_version="none")


class TinyRegistry:
    """The five stages; says why `auto` did not take a neural one."""

    def __init__(self, workshop: Workshop) -> None:
        kinds = (TinyNormalize, TinyGeometry, TinyTexture, TinyRig, TinyExport)
        self.stages = {kind.name: kind(workshop) for kind in kinds}

    def choose(self, stage: StageName, policy: EnginePolicy) -> StageChoice:
        return StageChoice(self.stages[stage], "no weights" if policy == "auto" else "")


def new_pipeline(workshop: Workshop, tmp_path: Path, budget_bytes: int = 100) -> Pipeline:
    cache = StageCache(tmp_path / "cache", 1 << 30)
    return Pipeline(TinyRegistry(workshop), cache, WarmStages(budget_bytes), product_version="0.0.test")


def make(pipeline: Pipeline, source: SourceImage, control: Control | None = None, **chosen: Any) -> Outcome:
    return pipeline.make_figure(source, JobSettings(**chosen), control or Control())


def content_of(outcome: Outcome) -> tuple[Any, ...]:
    return digest(outcome.asset), outcome.files.fbx.read_bytes(), outcome.files.glb.read_bytes()
