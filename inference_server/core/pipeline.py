# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain: from a picture, or from a mesh, to a rigged asset and its files; from both, to a textured mesh.

Each stage's result is kept under the digest of its input, settings, seed and version; what is already there is not
computed again, so a job that was cut off goes on after its last finished stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from inference_server.core.assemble import stand_on_ground
from inference_server.core.cache import StageCache
from inference_server.core.choices import EnginePolicy
from inference_server.core.correction import RigCorrection
from inference_server.core.digest import digest, sha256_of
from inference_server.core.metering import Meter
from inference_server.core.motion import motion_problems
from inference_server.core.own_rig import REWEIGHED, rig_task
from inference_server.core.settings import SEEDS, JobSettings
from inference_server.core.skeleton_edits import apply_correction, is_for_another_mesh
from inference_server.core.stage import Control, JobPaused, RunContext, Stage
from inference_server.core.types import (
    ExportedFiles,
    ExportInput,
    Mesh,
    NormalizedImage,
    Provenance,
    Rig,
    RiggedAsset,
    RiggedScene,
    RigInput,
    SceneMesh,
    Skeleton,
    SourceImage,
    StageName,
    StageRecord,
    TexturedMesh,
    TexturedScene,
    TextureInput,
)
from inference_server.core.validate import flatness_problems, mesh_problems, rig_problems, texture_problems
from inference_server.core.warm import WarmStages
from inference_server.errors import BakeFailed, EmptySurface, MeshInvalid, RigFailed, typed_system_errors

# Raises where a result cannot be used; what it returns are sentences for the artist.
Check = Callable[[Any], Iterable[str]]

_FITTED = "The bones were corrected for another mesh than this one: their places were fitted to its size. Check them."


@dataclass(frozen=True)
class StageChoice:
    """The stage that will run, and why `auto` did not choose the neural engine (empty where it did, or was not
    asked)."""

    stage: Stage[Any, Any]
    fallback_reason: str = ""


class StageRegistry(Protocol):
    """Who can do a stage on this machine."""

    def choose(self, stage: StageName, policy: EnginePolicy) -> StageChoice:
        """The stage for a policy. Raises EngineUnavailable where the policy names an engine that cannot run here."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a job produced: the asset, its files (None where only the rig was wanted), how each stage went, and the
    corrections that were made.
    """

    asset: RiggedAsset | RiggedScene | TexturedScene
    files: ExportedFiles | None
    records: tuple[StageRecord, ...]
    corrections: tuple[RigCorrection, ...] = ()


class Pipeline:
    """Runs jobs one after another, in this process; Blender's part in a child process."""

    def __init__(self, registry: StageRegistry, cache: StageCache, warm: WarmStages, *, product_version: str) -> None:
        self._registry = registry
        self._cache = cache
        self._warm = warm
        self._product_version = product_version

    def make_figure(
        self,
        source: SourceImage,
        settings: JobSettings,
        control: Control,
        corrections: tuple[RigCorrection, ...] = (),
    ) -> Outcome:
        """Picture → rigged asset → files. Raises the errors of the tree."""
        job = _Job(self._registry, self._cache, self._warm, settings, control)
        image: NormalizedImage = job.run("normalize", source)
        mesh = job.choose_mesh(image)
        textured: TexturedMesh = job.run(
            "texture", TextureInput(mesh, image), lambda value: _raise_any(BakeFailed, texture_problems(value))
        )
        rig = self._rig(job, RigInput(Mesh(mesh.vertices, mesh.faces)))
        if rig.skeleton.turn_rad:
            job.add_note(f"The picture shows it from the side: it was turned {_degrees(rig)} to face the front.")
        textured, rig = stand_on_ground(textured, rig, settings.height_m)
        rig = self._correct(job, textured.mesh, rig, corrections)
        asset = RiggedAsset(textured, rig, self._provenance(source.sha256, settings, job, corrections))
        return self._finish(job, asset, settings, corrections)

    def rig_scene(
        self,
        scene: SceneMesh,
        skeleton: Skeleton | None,
        settings: JobSettings,
        control: Control,
        corrections: tuple[RigCorrection, ...] = (),
    ) -> Outcome:
        """Mesh, with or without a skeleton → the same mesh bound to it → files. Raises the errors of the tree."""
        value, notes = rig_task(scene, skeleton, settings)
        job = _Job(self._registry, self._cache, self._warm, settings, control)
        rig = self._rig(job, value, notes)
        if rig.skeleton.turn_rad:
            job.add_note(f"It seems to face {_degrees(rig)} away from the front; its place and direction were kept.")
        rig = self._correct(job, scene.mesh, rig, corrections, (REWEIGHED,) if value.skin is not None else ())
        with _source_errors():
            source_sha256 = sha256_of(scene.source)
        asset = RiggedScene(scene, rig, self._provenance(source_sha256, settings, job, corrections))
        return self._finish(job, asset, settings, corrections)

    def texture_scene(self, scene: SceneMesh, source: SourceImage, settings: JobSettings, control: Control) -> Outcome:
        """Mesh and picture of its subject → the same mesh with a texture → files. Raises the errors of the tree.

        The picture's pose is left alone unless the settings ask otherwise: the mesh has that pose.
        """
        settings = replace(settings, normalize_steps={"pose": "off", **settings.normalize_steps})
        job = _Job(self._registry, self._cache, self._warm, settings, control)
        image: NormalizedImage = job.run("normalize", source)
        textured: TexturedMesh = job.run(
            "texture",
            TextureInput(scene.mesh, image, scene.layout),
            lambda value: _raise_any(BakeFailed, texture_problems(value)),
        )
        with _source_errors():
            sources_sha256 = digest([sha256_of(scene.source), source.sha256])
        asset = TexturedScene(scene, textured, self._provenance(sources_sha256, settings, job, ()))
        files: ExportedFiles = job.run("export", ExportInput(asset, settings.name))
        return Outcome(asset, files, tuple(job.records))

    def _rig(self, job: _Job, value: RigInput, notes: tuple[str, ...] = ()) -> Rig:
        def check(result: Rig) -> Iterable[str]:
            _raise_any(RigFailed, rig_problems(result, len(value.mesh.vertices)))
            flatness = flatness_problems(value.mesh) if value.skeleton is None else []
            return [*flatness, *motion_problems(value.mesh, result)]

        rig: Rig = job.run("rig", value, check, notes)
        return rig

    def _correct(
        self,
        job: _Job,
        mesh: Mesh,
        rig: Rig,
        corrections: tuple[RigCorrection, ...],
        notes: tuple[str, ...] = (),
    ) -> Rig:
        """The rig with its skeleton corrected and the mesh, which stays where it is, bound to it again."""
        if not corrections:
            return rig
        bounds = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        skeleton = rig.skeleton
        for correction in corrections:
            skeleton = apply_correction(skeleton, correction, bounds)
        is_fitted = any(is_for_another_mesh(correction, bounds) for correction in corrections)
        if is_fitted:
            notes = (*notes, _FITTED)
        return self._rig(job, RigInput(Mesh(mesh.vertices, mesh.faces), skeleton), notes)

    def _finish(
        self,
        job: _Job,
        asset: RiggedAsset | RiggedScene,
        settings: JobSettings,
        corrections: tuple[RigCorrection, ...],
    ) -> Outcome:
        is_paused = settings.pause_after == "rig"
        if settings.outputs == "rig" and not is_paused:
            return Outcome(asset, None, tuple(job.records), corrections)
        job.control.on_rigged(asset)
        if is_paused:
            raise JobPaused("rig")
        files: ExportedFiles = job.run("export", ExportInput(asset, settings.name))
        return Outcome(asset, files, tuple(job.records), corrections)

    def _provenance(
        self, source_sha256: str, settings: JobSettings, job: _Job, corrections: tuple[RigCorrection, ...]
    ) -> Provenance:
        corrections_sha256 = digest([correction.to_document() for correction in corrections]) if corrections else ""
        return Provenance(source_sha256, self._product_version, settings.seed, tuple(job.records), corrections_sha256)


class _Job:
    """One pass through the chain: runs stages, keeps their results and their records."""

    def __init__(
        self, registry: StageRegistry, cache: StageCache, warm: WarmStages, settings: JobSettings, control: Control
    ) -> None:
        self.records: list[StageRecord] = []
        self._registry = registry
        self._cache = cache
        self._warm = warm
        self._settings = settings
        self.control = control

    def run(
        self,
        name: StageName,
        value: Any,
        check: Check = lambda result: (),
        notes: tuple[str, ...] = (),
    ) -> Any:
        """The stage's result: kept from an earlier run where there is one, otherwise computed, checked and kept.

        notes: sentences of this job, beside the stage's own. Of a stage that is run twice the second record stays.
        """
        record, result = self._make(name, value, check, notes)
        self.control.on_result(record, result)
        if self._settings.pause_after == name != "rig":  # that one has its place only when it stands
            raise JobPaused(name)
        return result

    def choose_mesh(self, image: NormalizedImage) -> Mesh:
        """The picture's shape. Where several are asked for, and the engine has chance in it, those of the next seeds
        are made too, and the job waits: the seed of the geometry stage says which one it goes on with.
        """

        def check(value: Mesh) -> Iterable[str]:
            return _raise_any(EmptySurface, mesh_problems(value))

        count = self._settings.candidates
        if count == 1 or not self._registry.choose("geometry", self._settings.engine_for("geometry")).stage.uses_seed:
            mesh: Mesh = self.run("geometry", image, check)
            return mesh
        made = [self._make("geometry", image, check, turn=(turn, count)) for turn in range(count)]
        self.control.on_candidates(tuple(mesh for _, mesh in made))
        self.control.on_result(*made[0])
        raise JobPaused("geometry")

    def _make(
        self,
        name: StageName,
        value: Any,
        check: Check,
        notes: tuple[str, ...] = (),
        turn: tuple[int, int] = (0, 1),
    ) -> tuple[StageRecord, Any]:
        """The record and the result. turn: which candidate of how many it is; each has the seed after the last's."""
        self.control.raise_if_cancelled()
        choice = self._registry.choose(name, self._settings.engine_for(name))
        stage = choice.stage
        document = self._settings.to_document()
        ctx = RunContext(
            name,
            stage.engine,
            (self._settings.seed_for(name) + turn[0]) % SEEDS,
            {setting: document[setting] for setting in stage.setting_names},
            self.control,
        )
        ctx.span = turn[0] / turn[1], (turn[0] + 1) / turn[1]
        with typed_system_errors("Figurine's data folder"):
            key = _key(stage, value, ctx)
        ctx.progress(0, 1)
        with typed_system_errors("Figurine's data folder"):
            kept = self._cache.get(key)
            if kept is None:
                kept = self._compute(stage, value, ctx, key, check)
                reused = False
            else:
                reused = True
        ctx.progress(1, 1)
        record = _record(stage, ctx, choice.fallback_reason, key, kept, reused)
        record = replace(record, notes=(*record.notes, *notes))
        self.records = [*(other for other in self.records if other.stage != name), record]
        return record, kept["result"]

    def add_note(self, sentence: str) -> None:
        """A sentence for the artist about the last stage's result."""
        last = self.records[-1]
        self.records[-1] = replace(last, notes=(*last.notes, sentence))

    def _compute(self, stage: Stage[Any, Any], value: Any, ctx: RunContext, key: str, check: Check) -> Any:
        meter = Meter()
        with ctx.clearing:
            try:
                with meter:
                    self._warm.need(stage)
                    result = stage.run(value, ctx)
                findings = check(result)
                return self._cache.put(
                    key,
                    {
                        "result": result,
                        "seconds": meter.seconds,
                        "peak_bytes": meter.peak_bytes,
                        "notes": (*ctx.notes, *findings),
                    },
                )
            except BaseException as error:
                self._warm.recover(stage, error)
                raise


def _degrees(rig: Rig) -> str:
    return f"{abs(math.degrees(rig.skeleton.turn_rad)):.0f}°"


def _key(stage: Stage[Any, Any], value: Any, ctx: RunContext) -> str:
    """Digest of everything that decides the stage's result. Raises MeshInvalid."""
    seed = ctx.seed if stage.uses_seed else None
    weights, services = stage.requires.weight_digests, stage.requires.services
    with _source_errors():
        return digest([stage.name, stage.engine, stage.version, ctx.settings, seed, weights, services, value])


@contextmanager
def _source_errors() -> Iterator[None]:
    """The one file among a stage's input is the artist's own, and may be gone since it was read."""
    try:
        yield
    except OSError as error:
        raise MeshInvalid(
            f"{error.filename} cannot be read any more: {error.strerror}.", "Keep the mesh where it is during the run."
        ) from error


def _record(
    stage: Stage[Any, Any], ctx: RunContext, fallback_reason: str, key: str, kept: dict[str, Any], reused: bool
) -> StageRecord:
    return StageRecord(
        stage=stage.name,
        engine=stage.engine,
        version=stage.version,
        seed=ctx.seed,
        key=key,
        seconds=kept["seconds"],
        peak_bytes=kept["peak_bytes"],
        reused=reused,
        weight_digests=stage.requires.weight_digests,
        fallback_reason=fallback_reason,
        notes=kept["notes"],
        steps=kept["result"].steps if isinstance(kept["result"], NormalizedImage) else (),
    )


def _raise_any(error: type[EmptySurface] | type[BakeFailed] | type[RigFailed], problems: list[str]) -> tuple[str, ...]:
    """Nothing to tell, or the error."""
    if problems:
        raise error(" ".join(problems), "Try another picture, seed or engine; the report names the stage.")
    return ()
