# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural texture: Step1X-3D paints six views of the mesh after the picture, and they are baked onto it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, StageName, TexturedMesh, TextureInput
from inference_server.errors import BakeFailed, EngineUnavailable
from inference_server.stages.leaner_modes import LeanerModes
from inference_server.stages.network_errors import weight_errors
from inference_server.weights import WeightStore

ADDED_ID, BASE_ID, VAE_ID = WEIGHT_IDS = ("step1x3d-texture", "sdxl-base", "sdxl-vae-fp16-fix")
_ADDED_FILE = "Step1X-3D-Texture/step1x-3d-ig2v.safetensors"
_MODULES = ("torch", "diffusers", "transformers", "xatlas", "fast_simplification")
# Shares of the stage's progress: the mesh is laid out, the steps are walked, the rest is the bake.
_PREPARED, _WALKED = 0.1, 0.85


class NeuralTexture:
    """One layout for the whole mesh; what no view sees is continued from what they see."""

    name: ClassVar[StageName] = "texture"
    engine: ClassVar[Engine] = "neural"
    version: ClassVar[int] = 1
    requires: Requirements
    setting_names: ClassVar[tuple[str, ...]] = ("texture_px", "texture_steps")
    uses_seed: ClassVar[bool] = True

    _code: SimpleNamespace
    _leaner: LeanerModes
    _plan: Callable[[], Any]
    _model: Any = None

    def __init__(self, weights: WeightStore) -> None:
        """Raises WeightsMissing, WeightsCorrupt: the weights are looked for, not read."""
        self._added, self._base, self._vae = (weights.locate(item) for item in WEIGHT_IDS)
        self.requires = Requirements(
            wants_gpu=True,
            peak_bytes=12 << 30,
            weight_ids=WEIGHT_IDS,
            modules=_MODULES,
            weight_digests=tuple(digest for item in WEIGHT_IDS for digest in weights.digests(item)),
        )

    def load(self, device: Device) -> None:
        """Import torch; the networks are read when it is their turn."""
        from models.common import device as devices
        from models.common import offload
        from models.common.bake import errors, outline
        from models.common.bake import mesh as meshes
        from models.step1x3d.texture import bake, memory, mesh_preparation, pipeline

        self._code = SimpleNamespace(
            errors=errors,
            bake=bake,
            outline=outline,
            preparation=mesh_preparation,
            meshes=meshes,
            memory=memory,
        )
        place = devices.pick_device(device.name)
        folders = pipeline.Folders(self._base, self._vae, self._added / _ADDED_FILE)
        dtype = devices.usual_dtype(place)
        self._model = pipeline.TextureModel(folders, place, dtype)
        self._plan = lambda: memory.plan_memory(
            memory.measure_networks(folders), place, dtype, pipeline.OFFICIAL.view_px
        )
        self._leaner = LeanerModes(
            self._model,
            pipeline.MODES,
            offload.is_shortage,
            "the views were painted",
            "Close other programs that use it, or choose the draft engine for the texture.",
        )

    def unload(self) -> None:
        """Drop the networks."""
        if self._model is not None:
            self._model.clear()
        self._model = None

    def run(self, value: TextureInput, ctx: RunContext) -> TexturedMesh:
        """Raises BakeFailed, EngineUnavailable, OutOfMemory, WeightsMissing, WeightsCorrupt."""
        mesh, rgba = value.mesh, value.image.rgba
        try:
            prepared = self._code.preparation.prepare_mesh(mesh.vertices, mesh.faces)
            target = self._target(value, prepared, ctx)
            self._enter_mode(ctx)
            ctx.progress(_PREPARED, 1)
            for sentence in self._code.outline.outline_notes(rgba, prepared.vertices, prepared.faces):
                ctx.note(sentence)
            with weight_errors(*WEIGHT_IDS):
                views = self._leaner.run(ctx, lambda: self._paint(rgba, prepared, ctx))
            rules = self._code.bake.quality_settings(ctx.settings["texture_px"])
            texture = self._code.bake.bake_views(views, target, rules, ctx.raise_if_cancelled)
        except self._code.errors.UnwrapperMissing as error:
            raise EngineUnavailable(str(error), "Choose the draft engine for the texture.") from error
        except self._code.errors.BakeError as error:
            raise BakeFailed(str(error), "Use another mesh, or the draft engine.") from error
        for sentence in texture.notes:
            ctx.note(sentence)
        return TexturedMesh(mesh, target.uv, texture.rgb)

    def _target(self, value: TextureInput, prepared: Any, ctx: RunContext) -> Any:
        mesh, layout = value.mesh, value.layout
        if layout is None:
            return self._code.preparation.prepare_target(mesh.vertices, mesh.faces, prepared)
        own = self._code.meshes.UvMesh(mesh.vertices, mesh.faces, layout.uv)
        target, notes = self._code.preparation.prepare_own(own, layout.polygons)
        for sentence in notes:
            ctx.note(sentence)
        return target

    def _enter_mode(self, ctx: RunContext) -> None:
        """The mode that fits into what is free; a later run keeps it, as the networks are what takes the memory."""
        if self._model.mode is not None:
            ctx.note(f"Memory mode {self._model.mode.name}, as in the run before.")
            return
        with weight_errors(*WEIGHT_IDS):
            plan = self._plan()
        self._model.enter(plan.mode)
        ctx.note(plan.sentence)

    def _paint(self, rgba: Any, prepared: Any, ctx: RunContext) -> Any:
        def tell(done: int, total: int) -> None:
            ctx.raise_if_cancelled()
            ctx.progress(_PREPARED + (_WALKED - _PREPARED) * done / total, 1)

        return self._model.paint(rgba, prepared, ctx.settings["texture_steps"], ctx.seed, tell)
