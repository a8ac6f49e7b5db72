# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage protocol: one pure step of the chain, and what it is told while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from inference_server.core.types import Engine, Mesh, RiggedAsset, RiggedScene, StageName, StageRecord
from inference_server.errors import Cancelled

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


@dataclass(frozen=True)
class Device:
    """Where a stage computes: "cpu", "cuda:0", "mps", or "auto" for the fastest that is there."""

    name: str = "auto"


@dataclass(frozen=True)
class Requirements:
    """What a stage needs to run: weight ids of models/manifest.toml, peak memory, optional modules to import.

    weight_digests: sha256 of each weight file, which decides with the input whether a kept result is re-used. services:
    what may compute elsewhere, which decides it too: names of models and their addresses. wants_gpu: on a CPU it takes
    hours, so nobody gets it there who did not ask for it.
    """

    peak_bytes: int
    weight_ids: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    weight_digests: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    wants_gpu: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a stage is. fraction: 0..1 of this stage."""

    stage: StageName
    engine: Engine
    fraction: float


class JobPaused(Exception):
    """The stage after which the job was to wait has its result."""


class Control:
    """The caller's side of a running job: cancel it, watch it. on_result gets each stage's record and result; on_rigged
    the rigged asset at its final size and place, where files are still to be made of it; on_candidates the shapes of
    which one is to be chosen.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_result: Callable[[StageRecord, Any], None] = lambda record, result: None,
        on_rigged: Callable[[RiggedAsset | RiggedScene], None] = lambda asset: None,
        on_candidates: Callable[[tuple[Mesh, ...]], None] = lambda meshes: None,
    ) -> None:
        self._cancelled = threading.Event()
        self.on_progress = on_progress
        self.on_result = on_result
        self.on_rigged = on_rigged
        self.on_candidates = on_candidates

    def cancel(self) -> None:
        """Ask the job to stop at its next step. Safe from any thread and from a signal handler."""
        self._cancelled.set()

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled once `cancel` was called."""
        if self._cancelled.is_set():
            raise Cancelled("The job was cancelled.", "Finished stages are kept: starting it again goes on from there.")


class RunContext:
    """What a stage sees of its job: its seed, the settings it declared, progress, cancellation, a place for notes, and
    one for what has to be cleared away. span: of the stage's progress, what this run of it is.
    """

    def __init__(
        self, stage: StageName, engine: Engine, seed: int, settings: Mapping[str, Any], control: Control
    ) -> None:
        self.seed = seed
        self.settings = settings
        self.notes: list[str] = []
        self.clearing = ExitStack()
        self.span = (0.0, 1.0)
        self._stage = stage
        self._engine = engine
        self._control = control

    def progress(self, done: float, total: float) -> None:
        """Report `done` of `total` steps; raises Cancelled when the job was stopped."""
        self.raise_if_cancelled()
        start, end = self.span
        fraction = start + (end - start) * min(1.0, done / total)
        self._control.on_progress(Progress(self._stage, self._engine, fraction))

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled when the job was stopped. Call it at least once a second."""
        self._control.raise_if_cancelled()

    def note(self, sentence: str) -> None:
        """Tell the artist something about this result: what was guessed, what will suffer and why."""
        self.notes.append(sentence)

    def afterwards(self, clear: Callable[[], None]) -> None:
        """Have work files removed once the result has been stored, or the run has failed."""
        self.clearing.callback(clear)


class Stage(Protocol[In, Out]):
    """One pure step. The same input, seed, settings and weights give the same output on the same device."""

    name: ClassVar[StageName]
    engine: ClassVar[Engine]
    version: ClassVar[int]
    """Raised whenever the same input would give another output."""
    requires: Requirements
    setting_names: ClassVar[tuple[str, ...]]
    """The job settings that it reads: these, and no others, decide whether a kept result is re-used."""
    uses_seed: ClassVar[bool]

    def load(self, device: Device) -> None:
        """Import and load what every `run` needs. Raises WeightsMissing, WeightsCorrupt, OutOfMemory."""

    def run(self, value: In, ctx: RunContext) -> Out:
        """Do the step. Raises the errors of the tree, and nothing else for bad input."""

    def unload(self) -> None:
        """Give back the memory that `load` and `run` took. Between `load` and this lie any number of runs."""
