# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's documents, as far as they are read here. Names and types are the server's; unknown fields are ignored,
and a field that is missing or of another type is an error: what answers is no Figurine of this version. What the server
says to people is recognised here, so that whatever shows it can say it in another language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ServerWords
from .server_sentences import ServerText, recognised

JobState = Literal["queued", "running", "waiting", "done", "failed", "cancelled"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")
# Ids become parts of addresses and names of folders.
_ID_PATTERN = re.compile("[0-9a-f]{32}")
_WEIGHT_ID_PATTERN = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST_PATTERN = re.compile("[0-9a-f]{64}")

Document = TypeVar("Document")


class DocumentInvalid(Exception):
    """The text names the field."""


@dataclass(frozen=True)
class Worker:
    """The process that does the work."""

    alive: bool
    jobs_running: int
    jobs_queued: int


@dataclass(frozen=True)
class Greeting:
    """What every version tells everybody."""

    service: Literal["figurine"]
    version: str


@dataclass(frozen=True)
class Device:
    """Something that the server computes on. kind: "cuda", "mps" or "cpu". name: as its driver tells it."""

    kind: str
    name: str
    memory_bytes: int


@dataclass(frozen=True)
class NeuralStage:
    """Whether the neural engine of a stage can run. state: "ready", "no_library", "no_gpu", "no_weights", or a later
    server's word. reason: a sentence, "" where it can. weights: ids of the sets to fetch for it.
    """

    stage: str
    state: str
    reason: ServerText
    weights: tuple[str, ...]


@dataclass(frozen=True)
class Compute:
    """What the server computes on. devices: the fastest first; none while the server still looks for GPUs."""

    devices: tuple[Device, ...]
    neural: tuple[NeuralStage, ...]


@dataclass(frozen=True)
class Health(Greeting):
    """worker, compute: only told to those with the token; compute not by servers of before."""

    worker: Worker | None = None
    compute: Compute | None = None


@dataclass(frozen=True)
class StageCapability:
    """Who can do a stage."""

    stage: str
    engines: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """What is refused beyond it."""

    max_upload_mib: int


@dataclass(frozen=True)
class Capabilities:
    """What the server can do. stages: by what a job starts from."""

    version: str
    stages: Mapping[str, Any]
    limits: Limits

    @property
    def cut_out_engines(self) -> tuple[str, ...]:
        """Engines that can do the first stage of a picture."""
        chain = [parse(StageCapability, entry) for entry in self.stages.get("image", ())]
        return tuple(sorted(chain[0].engines)) if chain else ()

    @property
    def engines(self) -> tuple[str, ...]:
        """Engines that can do every stage of a picture that has a choice; the last stage is always Blender's."""
        chain = [parse(StageCapability, entry) for entry in self.stages.get("image", ())]
        sets = [set(entry.engines) for entry in chain if entry.engines != ("blender",)]
        return tuple(sorted(set.intersection(*sets))) if sets else ()


@dataclass(frozen=True)
class Input:
    """What a job starts from. name: the artist's file name."""

    kind: str
    name: str


@dataclass(frozen=True)
class StageResult:
    """A stage that has its result."""

    stage: str
    engine: str
    seconds: float
    reused: bool
    fallback_reason: ServerText


@dataclass(frozen=True)
class JobWarning:
    """A sentence for the artist."""

    stage: str
    sentence: ServerText


@dataclass(frozen=True)
class Artifact:
    """A file of a job. Its address is made here, from the job's id and the name, never taken from the reply."""

    name: str
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if self.size_bytes < 0 or not _DIGEST_PATTERN.fullmatch(self.sha256):
            raise DocumentInvalid("size_bytes or sha256 of an artifact")


@dataclass(frozen=True)
class Job:
    """A job, whole."""

    id: str
    number: int
    revision: int
    state: JobState
    input: Input
    settings: Mapping[str, Any]
    created_s: float
    cancel_requested: bool
    stage: str | None
    engine: str | None
    stage_progress: float
    progress: float
    eta_s: float | None
    stages: tuple[StageResult, ...]
    warnings: tuple[JobWarning, ...]
    error: ServerWords | None
    artifacts: tuple[Artifact, ...]

    def __post_init__(self) -> None:
        _require_id(self.id)

    @property
    def has_ended(self) -> bool:
        """Whether nothing will happen to it unless asked."""
        return self.state in ENDED


@dataclass(frozen=True)
class JobUnchanged:
    """The short answer to `since`, where nothing changed. It lacks the artifacts, which a Job always has."""

    id: str
    revision: int


@dataclass(frozen=True)
class JobSummary:
    """A job in a list. name: of its figure. thumbnail: the address of a small picture, relative to the server."""

    id: str
    number: int
    state: JobState
    name: str
    created_s: float
    stage: str | None
    engine: str | None
    progress: float
    eta_s: float | None
    error: ServerWords | None
    thumbnail: str | None

    def __post_init__(self) -> None:
        _require_id(self.id)


@dataclass(frozen=True)
class JobList:
    """A page, newest first. next_before: `before` of the next page, None on the last."""

    jobs: tuple[JobSummary, ...]
    next_before: int | None


@dataclass(frozen=True)
class Download:
    """How far a set's download is, or why it failed."""

    step: Literal["queued", "downloading", "checking", "converting", "failed"]
    done_bytes: int
    total_bytes: int | None
    error: ServerWords | None


@dataclass(frozen=True)
class Weights:
    """What one network needs. size_bytes: of the download, None where nobody knows it before. fetched_bytes: of a
    download that did not end. repository: on the hub.
    """

    id: str
    title: str
    use: str
    licence: str
    repository: str
    state: Literal["present", "absent", "damaged"]
    size_bytes: int | None
    is_size_exact: bool
    fetched_bytes: int
    download: Download | None

    def __post_init__(self) -> None:
        if not _WEIGHT_ID_PATTERN.fullmatch(self.id):
            raise DocumentInvalid(f"the id {self.id!r:.80}")


@dataclass(frozen=True)
class WeightList:
    """free_bytes: on the server's disk. obstacle: why that server cannot fetch any, "" where it can."""

    weights: tuple[Weights, ...]
    free_bytes: int
    obstacle: ServerText


@dataclass(frozen=True)
class ErrorDocument:
    """A failing reply."""

    error: ServerWords


def parse(kind: type[Document], document: object) -> Document:
    """Read a JSON value as one of the dataclasses. Raises DocumentInvalid."""
    if not isinstance(document, Mapping):
        raise DocumentInvalid(f"{kind.__name__} is no object")
    hints = get_type_hints(kind, include_extras=True)
    values = {}
    for item in fields(kind):  # type: ignore[arg-type]
        if item.name in document:
            values[item.name] = _read(hints[item.name], document[item.name], f"{kind.__name__}.{item.name}")
    try:
        return kind(**values)
    except TypeError as error:
        raise DocumentInvalid(f"{kind.__name__} lacks a field: {error}") from error


def _read(hint: Any, value: object, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in get_args(hint):
            return None
        (hint,) = (choice for choice in get_args(hint) if choice is not NoneType)
        return _read(hint, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(_read(get_args(hint)[0], item, where) for item in value)
    if is_dataclass(hint) and isinstance(hint, type):
        return parse(hint, value)
    if origin is Literal and isinstance(value, str | bool) and value in get_args(hint):
        return value
    if hint == ServerText and isinstance(value, str):
        return recognised(value)
    if hint is float and type(value) in (int, float):
        return value
    if hint in (str, int, bool) and type(value) is hint:
        return value
    if (origin or hint) is Mapping and isinstance(value, Mapping):
        return value
    raise DocumentInvalid(f"{where} is {value!r:.80}")


def _require_id(text: str) -> None:
    if not _ID_PATTERN.fullmatch(text):
        raise DocumentInvalid(f"the id {text!r:.80}")
