# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel draws: frozen pictures of the server and of the jobs, and the events that bring them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..documents import Compute, StageResult, Weights
from ..errors import FigurineError
from .aim import Aim
from .review import Review

ServerState = Literal["unknown", "absent", "running", "unreachable", "wrong_version", "bad_token", "offline"]
ViewState = Literal["sending", "queued", "running", "waiting", "fetching", "done", "failed", "cancelled", "lost"]
# In these states something goes on without the artist.
BUSY: tuple[ViewState, ...] = ("sending", "queued", "running", "fetching")


@dataclass(frozen=True)
class ServerView:
    """The server as it answered last. engines: what it can run, like ("draft",). worker_alive: None where unknown.
    error: why it is not running. cut_out_engines: those that can do the first stage of a picture. compute: what it
    computes on, None where it does not tell.
    """

    state: ServerState = "unknown"
    url: str = ""
    version: str = ""
    engines: tuple[str, ...] = ()
    worker_alive: bool | None = None
    error: FigurineError | None = None
    cut_out_engines: tuple[str, ...] = ()
    compute: Compute | None = None


@dataclass(frozen=True)
class JobView:
    """A job. key: ours, for the engine's methods. number: the server's, 0 until it is known. picture: the local copy
    that was sent, or empty. stage_progress: 0..1, of the stage or, while fetching, of the files. progress: 0..1, of
    the job. error: why it failed, could not be fetched (then it is `done` without a result), or is not heard of.
    thumbnail: a small local PNG. result: the local folder with figure.fbx, rig.json, report.json and the others, None
    until fetched. is_ours: sent from this user's Blender, not found in the server's list. is_cancelling: a cancel is
    on its way. waits_for_server: something was asked of it in this Blender which the server has still to do. review:
    of a job that waits, once it is fetched: the picture before and after. target: the object that is textured.
    aim: what the result is for, None for a new figure.
    """

    key: str
    state: ViewState
    name: str
    job_id: str | None = None
    number: int = 0
    picture: str = ""
    stage: str | None = None
    engine: str | None = None
    stage_progress: float = 0.0
    progress: float = 0.0
    eta_s: float | None = None
    stages: tuple[StageResult, ...] = ()
    warnings: tuple[str, ...] = ()
    error: FigurineError | None = None
    created_s: float = 0.0
    thumbnail: Path | None = None
    result: Path | None = None
    is_ours: bool = True
    is_imported: bool = False
    is_cancelling: bool = False
    waits_for_server: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    review: Review | None = None
    target: str = ""
    aim: Aim | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something goes on without the artist."""
        return self.state in BUSY


@dataclass(frozen=True)
class ModelsView:
    """The networks' weights on the server. is_known: whether it has told them. free_bytes: of its disk. obstacle: why
    that server cannot fetch any, "" where it can. error: why it did not tell.
    """

    models: tuple[Weights, ...] = ()
    is_known: bool = False
    free_bytes: int = 0
    obstacle: str = ""
    error: FigurineError | None = None


@dataclass(frozen=True)
class Snapshot:
    """All there is to draw. jobs: newest first. has_more: the server has older ones; see JobEngine.load_more."""

    server: ServerView = ServerView()
    jobs: tuple[JobView, ...] = ()
    has_more: bool = False
    models: ModelsView = ModelsView()


@dataclass(frozen=True)
class SnapshotChanged:
    """There is something new to draw."""

    snapshot: Snapshot


@dataclass(frozen=True)
class ResultReady:
    """A result lies in the folder and waits to be imported; then call JobEngine.mark_imported."""

    key: str
    folder: Path
    view: JobView


@dataclass(frozen=True)
class Notice:
    """Something to tell the artist once. key: of the job, None where it concerns all. is_reply: it answers a click,
    which came to nothing.
    """

    error: FigurineError
    key: str | None = None
    is_reply: bool = False


Event = SnapshotChanged | ResultReady | Notice
