# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: takes jobs from the table, one at a time, and runs them through the pipeline. Models stay warm between
jobs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import DatabaseError

from inference_server import __version__
from inference_server.config import Config
from inference_server.core.cache import StageCache
from inference_server.core.correction import read_corrections
from inference_server.core.images import decode_image
from inference_server.core.masks import decode_mask
from inference_server.core.pipeline import Outcome, Pipeline
from inference_server.core.rig_document import read_skeleton
from inference_server.core.settings import JobSettings, settings_from_document
from inference_server.core.stage import Control, JobPaused, Progress
from inference_server.core.types import RiggedAsset, RiggedScene, SceneMesh, SourceImage, StageRecord
from inference_server.core.warm import WarmStages, memory_budget_bytes
from inference_server.engines import build_registry
from inference_server.errors import (
    Cancelled,
    DeviceLost,
    ExportCrashed,
    FigurineError,
    InternalError,
    NotFound,
    typed_system_errors,
)
from inference_server.jobs.faults import persist
from inference_server.jobs.folder import CORRECTIONS, MASK, JobFolders
from inference_server.jobs.liveness import EXIT_CANCELLED, MOST_ATTEMPTS, new_worker_name
from inference_server.jobs.model import Artifact, Job, StageEntry, timing_kind
from inference_server.jobs.queue import JobQueue
from inference_server.jobs.results import (
    publish_candidates,
    publish_intermediate,
    publish_outcome,
    publish_rig,
    publish_source,
)
from inference_server.jobs.store import JobStore, LeaseLost
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.scene import MOST_TEXTURED_FACES, read_scene

# Faults of the machinery, not of the job: worth another try at once.
_TRIED_AGAIN = (ExportCrashed, DeviceLost)
_BEAT_EVERY_S = 0.4
# A step that does not come to its end this long after a cancel is ended with its process.
_CANCEL_GRACE_S = 1.2
# For results that corrections come back to: six figures with textures of 2048 pixels.
_MEMORY_BYTES = 128 << 20

Result = TypeVar("Result")

log = logging.getLogger("figurine.worker")


class Worker:
    """Runs jobs until told to stop. replace_process: ends this process where a step cannot be stopped otherwise; the
    supervisor starts another.
    """

    def __init__(
        self,
        config: Config,
        store: JobStore,
        folders: JobFolders,
        queue: JobQueue,
        replace_process: Callable[[], None] = lambda: os._exit(EXIT_CANCELLED),
    ) -> None:
        self.name = new_worker_name()
        self._replace_process = replace_process
        self._config = config
        self._store = store
        self._folders = folders
        self._queue = queue
        self._blender = BlenderProcess(config.blender, config.work_root)
        self._warm = WarmStages(memory_budget_bytes())
        self._cache = StageCache(config.cache_root, config.cache_mib << 20, _MEMORY_BYTES)
        self._pipeline = Pipeline(
            build_registry(config, self._blender), self._cache, self._warm, product_version=__version__
        )
        self._current: _Run | None = None
        self._stop = threading.Event()

    def run_until(self, stop: threading.Event) -> None:
        """Take jobs until `stop` is set. Raises the faults of the jobs table that do not pass by themselves."""
        self._stop = stop
        log.info("worker %s is ready", self.name)
        with self._warm:
            while self._persist(lambda: self._queue.wait(stop)):
                job = self._persist(lambda: self._store.claim(self.name))
                if job is not None:
                    self.run(job)

    def run(self, job: Job) -> None:
        """Run one claimed job to its end, its pause, or the loss of its lease. Never raises for what the job did."""
        assert job.lease is not None
        run = self._current = _Run(self._store, job, self._replace_process)
        try:
            with run:
                self._work(job, run)
        except (LeaseLost, NotFound):
            log.warning("job %s was given to another worker, or deleted", job.id)
        except KeyboardInterrupt:
            self.release_current()
            raise
        finally:
            self._current = None

    def release_current(self) -> None:
        """Put the running job back into the queue; called when the process has to end."""
        run = self._current
        if run is not None:
            try:
                self._store.release(run.job.id, run.lease)
            except (LeaseLost, DatabaseError):
                log.warning("job %s could not be put back; it will be found stale", run.job.id)

    def _work(self, job: Job, run: _Run) -> None:
        started = time.perf_counter()
        try:
            settings = settings_from_document(job.settings)
            with typed_system_errors("Figurine's data folder"):
                outcome = self._make(job, settings, run.control)
                files = publish_outcome(self._folders, job, outcome, settings, time.perf_counter() - started)
            done = self._persist(lambda: self._store.finish(job.id, run.lease, files))
            self._folders.remove_artifacts(job.id, keep={artifact.file for artifact in done.artifacts})
            log.info("job %s is done in %.1f s", job.id, time.perf_counter() - started, extra={"job": job.id})
        except JobPaused as pause:
            self._persist(lambda: self._store.pause(job.id, run.lease))
            log.info("job %s waits after %s", job.id, pause, extra={"job": job.id})
        except FigurineError as error:
            self._end_with(run, error)
        except LeaseLost:
            raise
        except Exception as fault:
            log.exception("job %s met a fault", job.id, extra={"job": job.id})
            sentence = f"Unexpected error: {type(fault).__name__}."
            self._end_with(run, InternalError(sentence, "This is a fault of Figurine; the server's log says more."))

    def _end_with(self, run: _Run, error: FigurineError) -> None:
        job = run.job
        if run.is_lost:
            raise LeaseLost(job.id)
        document = error.to_document()
        if isinstance(error, _TRIED_AGAIN) and self._persist(lambda: self._store.get(job.id)).attempts < MOST_ATTEMPTS:
            log.warning("job %s is tried again: %s", job.id, error, extra={"job": job.id})
            self._persist(lambda: self._store.release(job.id, run.lease, is_blameless=False))
            return
        log.warning("job %s ended: %s", job.id, error, extra={"job": job.id})
        at = run.progress
        place = {"stage": at.stage, "engine": at.engine} if at else {}
        self._persist(lambda: self._store.fail(job.id, run.lease, document, **place))

    def _persist(self, work: Callable[[], Result]) -> Result:
        return persist(work, self._stop)

    def _make(self, job: Job, settings: JobSettings, control: Control) -> Outcome:
        place = self._folders.input(job.id, CORRECTIONS)
        corrections = read_corrections(place) if place.exists() else ()
        self._listen(job, settings, control, is_corrected=place.exists())
        if job.input_kind == "image":
            # Those who correct a rig have seen its picture, and wait.
            source = self._read_picture(job, job.input_name, is_shown=not corrections)
            return self._pipeline.make_figure(source, settings, control, corrections)
        mesh = self._folders.find_input(job.id, "mesh")
        if job.input_kind == "mesh+image":
            source = self._read_picture(job, "The picture")
            scene = self._read_scene(job, mesh, control, MOST_TEXTURED_FACES)
            return self._pipeline.texture_scene(scene, source, settings, control)
        scene = self._read_scene(job, mesh, control)
        skeleton_path = self._folders.input(job.id, "rig.json")
        skeleton = read_skeleton(skeleton_path, "The skeleton") if skeleton_path.exists() else None
        return self._pipeline.rig_scene(scene, skeleton, settings, control, corrections)

    def _read_picture(self, job: Job, label: str, *, is_shown: bool = True) -> SourceImage:
        """With the mask that came beside it, if any. label: what messages call it. is_shown: it becomes an artifact."""
        most = self._config.max_megapixels
        source = decode_image(self._folders.find_input(job.id, "picture").read_bytes(), label, most)
        if is_shown:
            self._declare(job, publish_source(self._folders, job, source))
        mask = self._folders.input(job.id, MASK)
        return decode_mask(source, mask.read_bytes(), most) if mask.exists() else source

    def _read_scene(self, job: Job, mesh: Path, control: Control, most_faces: int | None = None) -> SceneMesh:
        return read_scene(mesh, self._blender, self._cache, control.raise_if_cancelled, job.input_name, most_faces)

    def _listen(self, job: Job, settings: JobSettings, control: Control, *, is_corrected: bool) -> None:
        """Write each result into the table, and its files beside it, as soon as it is there."""
        assert job.lease is not None
        lease = job.lease

        def on_result(record: StageRecord, result: Any) -> None:
            entry = StageEntry(
                stage=record.stage,
                engine=record.engine,
                seconds=record.seconds,
                peak_bytes=record.peak_bytes,
                reused=record.reused,
                fallback_reason=record.fallback_reason,
                notes=record.notes,
            )
            files = publish_intermediate(self._folders, job, record, result)
            kind = timing_kind(job.input_kind, record.stage, is_corrected=is_corrected)
            self._persist(lambda: self._store.record_stage(job.id, lease, entry, kind))
            self._declare(job, files)
            log.info(
                "stage %s (%s) %s",
                record.stage,
                record.engine,
                "re-used" if record.reused else f"took {record.seconds:.2f} s",
                extra={"job": job.id},
            )

        def on_rigged(asset: RiggedAsset | RiggedScene) -> None:
            self._declare(job, publish_rig(self._folders, job, asset, settings))

        control.on_result = on_result
        control.on_rigged = on_rigged
        control.on_candidates = lambda meshes: self._declare(job, publish_candidates(self._folders, job, meshes))

    def _declare(self, job: Job, files: list[Artifact]) -> None:
        lease = job.lease
        if files and lease is not None:
            self._persist(lambda: self._store.add_artifacts(job.id, lease, files))


class _Run:
    """A `with` block around one run: tells the table that it is alive and how far it is, and hears of a cancel."""

    def __init__(self, store: JobStore, job: Job, replace_process: Callable[[], None]) -> None:
        assert job.lease is not None
        self.job = job
        self.lease: str = job.lease
        self.control = Control(on_progress=self._show)
        self.is_lost = False
        self._replace_process = replace_process
        self._store = store
        self.progress: Progress | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_over, name="heartbeat", daemon=True)

    def __enter__(self) -> _Run:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _show(self, progress: Progress) -> None:
        self.progress = progress

    def _beat_until_over(self) -> None:
        cancelled_at_s: float | None = None
        while not self._over.wait(_BEAT_EVERY_S):
            try:
                if self._beat():
                    self.control.cancel()
                    cancelled_at_s = cancelled_at_s or time.monotonic()
                if cancelled_at_s is not None and time.monotonic() - cancelled_at_s > _CANCEL_GRACE_S:
                    self._end_process()
            except LeaseLost:
                self.is_lost = True
                self.control.cancel()
                return
            except DatabaseError:  # the next beat may pass; where none does, the run's own writes tell
                continue

    def _beat(self) -> bool:
        progress = self.progress
        return self._store.beat(
            self.job.id,
            self.lease,
            stage=progress.stage if progress else None,
            engine=progress.engine if progress else None,
            fraction=progress.fraction if progress else 0.0,
        )

    def _end_process(self) -> None:
        """A step that does not look up is ended with its process; another takes its place."""
        self._store.fail(self.job.id, self.lease, Cancelled("The job was cancelled.").to_document())
        log.warning("job %s did not stop in time: the worker ends", self.job.id, extra={"job": self.job.id})
        self._replace_process()
