# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON bodies of version 1, as types. The OpenAPI document is made from them: a text beside a type is its
description, a mapping more words of JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from inference_server.core.chains import DeviceKind, InputKind, NeuralState
from inference_server.core.choices import EnginePolicy, KindChoice
from inference_server.core.types import Engine, StageName
from inference_server.jobs.model import JobState
from inference_server.weights import FetchStep, State

SEED_LIMITS: Mapping[str, Any] = {"minimum": 0, "maximum": 2**32 - 1}
# A JobSettings document, whole in replies, in part in requests.
SettingsMapping = Annotated[Mapping[str, Any], {"$ref": "#/components/schemas/JobSettings"}]


@dataclass(frozen=True)
class ErrorBody:
    """What happened, and what to do next."""

    code: Annotated[str, "Stable identifier of the cause."]
    message: Annotated[str, "What happened and why."]
    hint: Annotated[str, "What to do next."]
    retryable: Annotated[bool, "Whether the same request may succeed later."]


@dataclass(frozen=True)
class ErrorDocument:
    """The one shape of every failing reply."""

    error: ErrorBody


@dataclass(frozen=True)
class InputDocument:
    """What the job starts from."""

    kind: InputKind
    name: Annotated[str, "The artist's file name, for display."]


@dataclass(frozen=True)
class StageDocument:
    """A stage that has its result."""

    stage: StageName
    engine: Engine
    seconds: Annotated[float, "What it took when it was computed."]
    peak_bytes: Annotated[int, "The most memory that it took then."]
    reused: Annotated[bool, "True where the result was kept from an earlier run."]
    fallback_reason: Annotated[str, "Why `auto` did not take the neural engine; empty where it did, or was not asked."]


@dataclass(frozen=True)
class WarningDocument:
    """A sentence for the artist."""

    stage: StageName
    sentence: str


@dataclass(frozen=True)
class ArtifactDocument:
    """A file of the job."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    url: Annotated[str, "Relative to the server. It names this content: a changed file has another address."]


@dataclass(frozen=True)
class JobDocument:
    """A job. Times are seconds since 1970 by the server's clock, for display."""

    id: str
    number: Annotated[int, "Grows with every job that is accepted."]
    revision: Annotated[int, "Grows with every change of the job."]
    state: JobState
    input: InputDocument
    settings: SettingsMapping
    created_s: float
    updated_s: float
    started_s: float | None
    ended_s: float | None
    attempts: Annotated[int, "Runs since it was last queued; more than one where a worker was lost."]
    parent: Annotated[str | None, "The job that this one runs again, or corrects."]
    cancel_requested: bool
    stage: Annotated[StageName | None, "What is running; of a failed job, where it failed; else null."]
    engine: Annotated[Engine | None, "What does it, or did."]
    stage_progress: Annotated[float, "0 to 1, of the stage that is running."]
    progress: Annotated[float, "0 to 1, of the job, by the time that its stages take on this machine."]
    eta_s: Annotated[float | None, "Seconds until it ends or waits, once it runs; null before that is learnt."]
    stages: Annotated[tuple[StageDocument, ...], "Stages that have their result."]
    warnings: tuple[WarningDocument, ...]
    error: ErrorBody | None
    artifacts: tuple[ArtifactDocument, ...]


@dataclass(frozen=True)
class JobUnchanged:
    """The answer to `since` where nothing changed."""

    id: str
    revision: int
    state: JobState
    unchanged: Literal[True]


@dataclass(frozen=True)
class JobSummary:
    """A job in a list."""

    id: str
    number: int
    revision: int
    state: JobState
    input: InputDocument
    name: Annotated[str, "Of its figure, as the settings give it."]
    created_s: float
    ended_s: float | None
    parent: str | None
    stage: Annotated[StageName | None, "As in the job."]
    engine: Annotated[Engine | None, "As in the job."]
    progress: float
    eta_s: float | None
    error: ErrorBody | None
    thumbnail: Annotated[
        str | None,
        "Address of a picture of it, relative to the server: its preview, the cut-out, or what was sent.",
    ]


@dataclass(frozen=True)
class JobList:
    """A page of jobs, newest first."""

    jobs: tuple[JobSummary, ...]
    next_before: Annotated[int | None, "`before` of the next page; null on the last."]


@dataclass(frozen=True)
class ContinueRequest:
    """How a waiting job goes on."""

    settings: SettingsMapping = field(default_factory=dict)


@dataclass(frozen=True)
class RerunRequest:
    """What a job is run again with."""

    stage: Annotated[StageName, "The first stage that may give another result."]
    settings: SettingsMapping = field(default_factory=dict)
    seed: Annotated[int | None, "For this stage and the later ones.", SEED_LIMITS] = None


@dataclass(frozen=True)
class CorrectRequest:
    """What is changed of a job's rig, and of its settings."""

    correction: Annotated[Mapping[str, Any], {"$ref": "#/components/schemas/RigCorrection"}] = field(
        default_factory=dict
    )
    settings: SettingsMapping = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerDocument:
    """The worker and its work."""

    alive: bool
    jobs_running: int
    jobs_queued: int


@dataclass(frozen=True)
class DeviceDocument:
    """Something that computes."""

    kind: DeviceKind
    name: Annotated[str, "As its driver tells it."]
    memory_bytes: int


@dataclass(frozen=True)
class NeuralStageDocument:
    """Whether the neural engine of a stage can run here."""

    stage: StageName
    state: Annotated[NeuralState, "`no_gpu`: `auto` takes the draft; asked for, it runs on the CPU, in hours."]
    reason: Annotated[str, "A sentence; empty where it can."]
    weights: Annotated[tuple[str, ...], "Sets to fetch for it, whatever else is missing; empty where all are here."]


@dataclass(frozen=True)
class ComputeDocument:
    """What the server computes on."""

    devices: Annotated[
        tuple[DeviceDocument, ...],
        "The fastest first, the CPU last; networks take the first. Empty for some seconds while GPUs are looked for.",
    ]
    neural: Annotated[tuple[NeuralStageDocument, ...], "In the order of the stages; empty as long as `devices` is."]


@dataclass(frozen=True)
class HealthDocument:
    """What is told without the token."""

    service: Literal["figurine"]
    status: Literal["ok"]
    version: str


@dataclass(frozen=True)
class FullHealthDocument(HealthDocument):
    """What is told with the token."""

    uptime_s: float
    worker: WorkerDocument
    compute: ComputeDocument


@dataclass(frozen=True)
class StageCapability:
    """Who can do a stage in this version."""

    stage: StageName
    engines: tuple[Engine, ...]


@dataclass(frozen=True)
class LimitsDocument:
    """What is refused beyond it."""

    max_upload_mib: int
    max_megapixels: float
    max_queued: int
    keep_days: int
    keep_gib: int


@dataclass(frozen=True)
class CapabilitiesDocument:
    """What this server can do."""

    version: str
    stages: Annotated[Mapping[InputKind, tuple[StageCapability, ...]], "The chain of stages by what a job starts from."]
    policies: tuple[EnginePolicy, ...]
    default_policy: EnginePolicy
    kinds: tuple[KindChoice, ...]
    picture_formats: tuple[str, ...]
    mesh_suffixes: tuple[str, ...]
    result_formats: tuple[str, ...]
    limits: LimitsDocument


@dataclass(frozen=True)
class DownloadDocument:
    """A download that waits, runs or failed."""

    step: FetchStep
    done_bytes: Annotated[int, "Of this step; converting does not tell."]
    total_bytes: Annotated[int | None, "Null until it is known."]
    error: Annotated[ErrorBody | None, "Why it failed."]


@dataclass(frozen=True)
class WeightDocument:
    """A set of weights: files that one network needs."""

    id: str
    title: str
    use: Annotated[str, "What the network does."]
    licence: Annotated[str, "Under which its publisher gives it."]
    repository: Annotated[str, "Where it is published: owner and name on the hub."]
    state: Annotated[State, "By names and sizes alone; `figurine weights verify` reads every byte."]
    size_bytes: Annotated[int | None, "Of the download; null where nobody knows it before."]
    is_size_exact: bool
    fetched_bytes: Annotated[int, "Of a download that did not end; the next one goes on from there."]
    download: DownloadDocument | None


@dataclass(frozen=True)
class WeightList:
    """Every set of weights."""

    weights: tuple[WeightDocument, ...]
    free_bytes: Annotated[int, "On the disk where they lie."]
    obstacle: Annotated[str, "Why this server cannot fetch any; empty where it can."]


@dataclass(frozen=True)
class FetchRequest:
    """That a set is to be fetched."""

    licence: Annotated[str, "The set's licence, word for word: whoever asks agrees to it."]
