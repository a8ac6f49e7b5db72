# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as everybody sees it, and the states it goes through.

queued → running → done | failed | cancelled
           ↓ pause_after          failed → queued (retry, another picture)
        waiting → queued (continue, another picture) | cancelled
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from inference_server.core.chains import InputKind

JobState = Literal["queued", "running", "waiting", "done", "failed", "cancelled"]

ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")


def timing_kind(input_kind: InputKind, stage: str, *, is_corrected: bool) -> str:
    """Which runs of a stage tell how long it takes: a corrected rig is only bound again, in a part of the time."""
    return f"{input_kind}, corrected" if is_corrected and stage == "rig" else input_kind


@dataclass(frozen=True)
class NewJob:
    """What is accepted. input_name: the artist's file name; the bytes lie in the job's folder. settings: as JobSettings
    documents them. key: the client's idempotency key. digest: of input and settings, to tell a repeat from a clash.
    """

    id: str
    input_kind: InputKind
    input_name: str
    settings: Mapping[str, Any]
    digest: str
    key: str | None = None
    parent: str | None = None


@dataclass(frozen=True)
class OtherInput:
    """What a job goes on with instead. put: puts the file, which lies complete beside it, into its place."""

    input_name: str
    settings: Mapping[str, Any]
    put: Callable[[], object]


@dataclass(frozen=True)
class StageEntry:
    """One line of a job's journal: a stage that has its result. seconds: when it was computed, 0 if never here."""

    stage: str
    engine: str
    seconds: float
    peak_bytes: int
    reused: bool
    fallback_reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """A file of a job, under its declared name, in the job's folder."""

    name: str
    file: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Job:
    """A row of the table with its journal and artifacts.

    number: grows with every job accepted; orders them whatever the clock does. revision: grows with every change.
    Times are wall-clock seconds since 1970, for display only. lease: whose run this is; a run without the current
    lease may not write. stage, engine, fraction: what is running, 0..1 of that stage. error: the document of a
    FigurineError.
    """

    id: str
    number: int
    revision: int
    state: JobState
    input_kind: InputKind
    input_name: str
    settings: Mapping[str, Any]
    created_s: float
    updated_s: float
    started_s: float | None = None
    ended_s: float | None = None
    parent: str | None = None
    attempts: int = 0
    cancel_requested: bool = False
    stage: str | None = None
    engine: str | None = None
    fraction: float = 0.0
    error: Mapping[str, Any] | None = None
    lease: str | None = None
    worker: str | None = None
    heartbeat: int = 0
    journal: tuple[StageEntry, ...] = field(default_factory=tuple)
    artifacts: tuple[Artifact, ...] = field(default_factory=tuple)

    @property
    def has_ended(self) -> bool:
        """Whether nothing will happen to it unless asked."""
        return self.state in ENDED
