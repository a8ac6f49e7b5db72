# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine behind the panel: jobs are sent, watched and fetched in the background; the panel reads snapshots and
events. No method waits for the network or a disk.
"""

from __future__ import annotations

import functools
import queue
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .connection import Connection
from .jobs.board import Board
from .jobs.journal import Record
from .jobs.minder import Minder
from .jobs.views import Event, JobView, Notice, ResultReady, Snapshot, SnapshotChanged

__all__ = ["Event", "JobEngine", "Notice", "Request", "ResultReady", "Snapshot", "SnapshotChanged"]


@dataclass(frozen=True)
class Request:
    """A picture to make a character from, or to texture a mesh after. name: of the character, for display and, made
    safe by the server, for files and objects. settings: as POST /v1/jobs takes them. mesh: a file of the mesh; target:
    the object that it is. mask: a picture of the same size that is white where the subject is.
    """

    picture: Path
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    import_when_done: bool = True
    mesh: Path | None = None
    target: str = ""
    mask: Path | None = None


class JobEngine:
    """folder: of the journal and the results; made if it is not there. Threads begin with `start`.

    Every method may be called from any thread and returns at once; what it leads to comes as events. What a job's key
    is asked for that the job's state does not allow comes back as a Notice.
    """

    def __init__(self, folder: Path) -> None:
        self._board = Board()
        self._minder = Minder(folder, self._board)

    @property
    def events(self) -> queue.SimpleQueue[Event]:
        """SnapshotChanged, ResultReady and Notice, in order."""
        return self._board.events

    @property
    def snapshot(self) -> Snapshot:
        """The last one."""
        return self._board.snapshot

    def start(self, adopts: bool = True) -> None:
        """Begin: read the journal, and go on with the jobs in it as soon as `configure` says where the server is.
        adopts: also with those of Blenders that are gone.
        """
        self._minder.start(adopts)

    def close(self, timeout_s: float = 2.0) -> None:
        """End all threads and connections. What hangs in a name look-up or in connecting is left behind after
        `timeout_s`, and ends by itself within seconds. Jobs go on, on the server; the journal knows them.
        """
        self._minder.end(timeout_s)

    def configure(self, connection: Connection) -> None:
        """Use these preferences from now on; the same ones change nothing."""
        self._order(self._minder.configure, connection)

    def generate(self, request: Request) -> str:
        """Send a picture; the key of its job."""
        record = self._new_record(request.name, request.settings, request.import_when_done)
        record = replace(record, target=request.target)
        self._order(self._minder.add, record, request.picture, request.mesh, request.mask)
        return record.key

    def cancel(self, key: str) -> None:
        """Stop a job. It is shown as cancelling at once."""
        self._board.show_cancelling(key, True)
        self._order(self._minder.cancel, key)

    def resume(self, key: str, settings: Mapping[str, Any] | None = None) -> None:
        """Let a waiting job go on, with these settings changed, as soon as the server can be asked."""
        self._order(self._minder.resume, key, settings or {})

    def replace_picture(
        self, key: str, picture: Path, settings: Mapping[str, Any] | None = None, mask: Path | None = None
    ) -> None:
        """Have a job that waits or failed start again with another picture, with these settings changed. Where the
        picture cannot be used, the job stays as it is, and a Notice says why. mask: of this picture; the first
        picture's goes with it.
        """
        self._order(self._minder.replace_picture, key, picture, settings or {}, mask)

    def retry(self, key: str) -> None:
        """Try again what failed, as soon as the server can be asked: sending the picture, the job, or fetching its
        files.
        """
        self._order(self._minder.retry, key)

    def rerun(
        self,
        key: str,
        stage: str,
        settings: Mapping[str, Any] | None = None,
        seed: int | None = None,
        import_when_done: bool = True,
    ) -> str:
        """Make a new job from the same input, with another seed from this stage on; its key."""
        source = next((job for job in self.snapshot.jobs if job.key == key), None)
        record = self._new_record("" if source is None else source.name, settings or {}, import_when_done)
        order: dict[str, Any] = {"stage": stage, "settings": dict(settings or {})}
        record = Record(**{**vars(record), "rerun": order if seed is None else {**order, "seed": seed}})
        self._order(self._minder.rerun, record, key)
        return record.key

    def delete(self, key: str) -> None:
        """Forget a job and its files, here and on the server; one that goes on is cancelled. It is not shown from now
        on.
        """
        self._board.show_leaving(key, True)
        self._order(self._minder.delete, key)

    def fetch(self, key: str, then_import: bool = True) -> None:
        """Fetch the files of a job that is done, and hand them out as ResultReady, also once more."""
        self._order(self._minder.fetch, key, then_import)

    def mark_imported(self, key: str) -> None:
        """The result is in the scene: do not hand it out again by itself."""
        self._order(self._minder.mark_imported, key)

    def keep_for_later(self, key: str) -> None:
        """The artist does not want the result in the scene now: do not hand it out by itself."""
        self._order(self._minder.keep_for_later, key)

    def load_more(self) -> None:
        """Show older jobs of the server."""
        self._order(self._minder.load_more)

    def fetch_model(self, weight_id: str, licence: str) -> None:
        """Have the server download weights. licence: theirs, which is agreed to."""
        self._order(self._minder.fetch_model, weight_id, licence)

    def cancel_model(self, weight_id: str) -> None:
        """Have the server end a download of weights, or forget that it failed; what it has fetched stays."""
        self._order(self._minder.cancel_model, weight_id)

    def refresh(self) -> None:
        """Ask for everything again, now."""
        self._order(self._minder.look_now)

    def watch(self, seconds: float) -> None:
        """Somebody looks for so long from now: keep the server's state and list up to date. Call it while drawing."""
        was_watched = time.monotonic() < self._minder.watch_until_s
        self._minder.watch_until_s = time.monotonic() + seconds
        if not was_watched:
            self._order(lambda: None)

    def _new_record(self, name: str, settings: Mapping[str, Any], import_when_done: bool) -> Record:
        key, created_s = uuid.uuid4().hex, time.time()
        view = JobView(key, "sending", name, created_s=created_s, waits_for_server=True, settings=settings)
        self._board.add(view)
        return Record(key, "", name, created_s, settings, import_when_done)

    def _order(self, method: Any, *arguments: Any) -> None:
        self._minder.order(functools.partial(method, *arguments))
