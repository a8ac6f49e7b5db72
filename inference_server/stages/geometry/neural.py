# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural geometry: Step1X-3D makes the whole shape from the picture, its back included."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from inference_server.core.frames import from_step1x3d
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, Mesh, NormalizedImage, StageName
from inference_server.errors import EmptySurface, NoSubject
from inference_server.stages.geometry.placement import place_before_picture
from inference_server.stages.leaner_modes import LeanerModes
from inference_server.stages.network_errors import weight_errors
from inference_server.weights import WeightStore

# The first that is here is used: the label model does what the other does, and listens to labels.
WEIGHT_IDS = ("step1x3d-geometry-label", "step1x3d-geometry")
_FOLDERS = {
    "step1x3d-geometry-label": "Step1X-3D-Geometry-Label-1300m",
    "step1x3d-geometry": "Step1X-3D-Geometry-1300m",
}
_WORDS = {"auto": "", "symmetric": "x", "asymmetric": "asymmetry"}
# Shares of the stage's progress: the picture is read, the steps are walked, the rest is the surface.
_READ, _WALKED = 0.05, 0.75
_COMPILED = "The network was compiled (compile_networks is on): the first shape takes longer for the sake of the next."
_NOT_COMPILED = (
    "The network could not be compiled and ran as it is, slower ({}): install a C++ compiler, on a GPU Triton too, or "
    "switch compile_networks off."
)


class NeuralGeometry:
    """The mesh of the square picture: one metre a side until its height is known, lowest point on the ground."""

    name: ClassVar[StageName] = "geometry"
    engine: ClassVar[Engine] = "neural"
    version: ClassVar[int] = 1
    requires: Requirements
    setting_names: ClassVar[tuple[str, ...]] = (
        "steps",
        "guidance",
        "resolution",
        "faces",
        "symmetry",
        "edges",
        "speed",
    )
    uses_seed: ClassVar[bool] = True

    _code: SimpleNamespace
    _hardware: Any
    _leaner: LeanerModes
    _model: Any = None

    def __init__(self, weights: WeightStore, is_compiled: bool = False) -> None:
        """is_compiled: the transformer goes through torch.compile first, where that can be done.

        Raises WeightsMissing, WeightsCorrupt: the weights are looked for, not read.
        """
        self._is_compiled = is_compiled
        self._id = next((item for item in WEIGHT_IDS if weights.state(item) != "absent"), WEIGHT_IDS[0])
        self._folder = weights.locate(self._id) / _FOLDERS[self._id]
        self.requires = Requirements(
            wants_gpu=True,
            peak_bytes=9 << 30,
            weight_ids=(self._id,),
            modules=("torch", "safetensors"),
            weight_digests=weights.digests(self._id),
        )

    def load(self, device: Device) -> None:
        """Import torch and read what the folder says of its networks; they are read when it is their turn.

        Raises WeightsMissing, WeightsCorrupt.
        """
        from models.common import device as devices
        from models.common import offload
        from models.step1x3d.geometry import memory, picture, pipeline, sampler, surface

        self._code = SimpleNamespace(
            memory=memory,
            picture=picture,
            sampler=sampler,
            surface=surface,
        )
        place = devices.pick_device(device.name)
        self._hardware = pipeline.Hardware(place, devices.usual_dtype(place), self._is_compiled)
        with weight_errors(self._id):
            self._model = pipeline.GeometryModel(self._folder, self._hardware)
        self._leaner = LeanerModes(
            self._model,
            pipeline.MODES,
            offload.is_shortage,
            "the shape was made",
            "Close other programs, choose a lower resolution, or the draft engine.",
        )

    def run(self, value: NormalizedImage, ctx: RunContext) -> Mesh:
        """Raises NoSubject, EmptySurface, OutOfMemory, WeightsMissing, WeightsCorrupt."""
        self._model.look_up = ctx.raise_if_cancelled
        if self._model.mode is None:
            plan = self._code.memory.plan_memory(self._model.configs, self._hardware, ctx.settings["resolution"])
            self._model.enter(plan.mode)
            ctx.note(plan.sentence)

        with weight_errors(self._id):
            conditions = self._leaner.run(ctx, lambda: self._read_picture(value, ctx))
            ctx.progress(_READ, 1)
            latents = self._leaner.run(ctx, lambda: self._walk(conditions, ctx))
            if self._is_compiled:
                fault = self._model.compile_fault
                ctx.note(_NOT_COMPILED.format(fault) if fault else _COMPILED)
            made = self._leaner.run(ctx, lambda: self._extract(latents, ctx))
        for sentence in made.notes:
            ctx.note(sentence)
        return place_before_picture(from_step1x3d(made.vertices), made.faces, value.rgba)

    def unload(self) -> None:
        """Drop the networks."""
        if self._model is not None:
            self._model.clear()
        self._model = None

    def _read_picture(self, value: NormalizedImage, ctx: RunContext) -> Any:
        label, is_fixed = self._label(ctx)
        try:
            return self._model.conditions(value.rgba, label, is_fixed=is_fixed)
        except self._code.picture.PictureEmpty as error:
            raise NoSubject(str(error), "Use a picture with a character in it.") from error

    def _label(self, ctx: RunContext) -> tuple[dict[str, str] | None, bool]:
        """The label that the settings ask for, and whether it is read as meant: only so are edges heard."""
        symmetry, edges = ctx.settings["symmetry"], ctx.settings["edges"]
        if symmetry == edges == "auto":
            return None, False
        if not self._model.has_labels:
            ctx.note(f"Symmetry and edges were not heard: fetch the weights that listen to them, {WEIGHT_IDS[0]}.")
            return None, False
        label = {"symmetry": _WORDS[symmetry]}
        return (label, False) if edges == "auto" else ({**label, "edge_type": edges}, True)

    def _walk(self, conditions: Any, ctx: RunContext) -> Any:
        """The latents, after every step of the flow."""
        steps = ctx.settings["steps"]
        shortcuts = self._code.sampler.FAST if ctx.settings["speed"] == "fast" else {}
        sampling = self._code.sampler.Sampling(steps=steps, guidance_scale=ctx.settings["guidance"], **shortcuts)

        def tell(step: int) -> None:
            ctx.progress(_READ + (_WALKED - _READ) * step / steps, 1)

        return self._model.latents(conditions, ctx.seed, sampling, tell)

    def _extract(self, latents: Any, ctx: RunContext) -> Any:
        """Raises EmptySurface."""
        wanted = self._code.surface.SurfaceOptions(
            resolution=ctx.settings["resolution"],
            most_faces=ctx.settings["faces"],
            chunk_points=self._model.mode.query_points,
        )

        def tell(share: float) -> None:
            ctx.progress(_WALKED + (1 - _WALKED) * share, 1)

        try:
            return self._model.with_field(latents, lambda field: self._code.surface.extract(field.query, wanted, tell))
        except self._code.surface.SurfaceError as error:
            raise EmptySurface(str(error), "Use another seed, a clearer picture, or the draft engine.") from error
