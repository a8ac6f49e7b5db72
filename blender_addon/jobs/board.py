# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown. The engine's thread writes it; a click changes it at once, before the thread has heard of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from dataclasses import replace

from ..errors import FigurineError
from .views import Event, JobView, ModelsView, Notice, ResultReady, ServerView, Snapshot, SnapshotChanged

# As fine as a progress bar in a panel can show.
_SHARE_STEPS = 20


class Board:
    """The last snapshot, and the events. Any thread may call any method."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._shown = Snapshot()
        self._written = Snapshot()
        self._arriving: dict[str, JobView] = {}
        self._cancelling: set[str] = set()
        self._leaving: set[str] = set()
        self._shares: dict[str, float] = {}
        self._untold: list[Event] = []

    @property
    def snapshot(self) -> Snapshot:
        """What is shown."""
        return self._shown

    def write(self, server: ServerView, jobs: Iterable[JobView], has_more: bool, models: ModelsView) -> None:
        """What the engine's thread knows. What it had to tell comes after that."""
        with self._lock:
            self._written = Snapshot(server, tuple(jobs), has_more, models)
            for job in self._written.jobs:
                self._arriving.pop(job.key, None)
            self._show()
        self.flush()

    def flush(self) -> None:
        """Hand out what there is to tell."""
        with self._lock:
            for event in self._untold:
                self.events.put(event)
            self._untold.clear()

    def add(self, view: JobView) -> None:
        """Show a job that the thread has not heard of."""
        with self._lock:
            self._arriving[view.key] = view
            self._show()

    def show_cancelling(self, key: str, is_cancelling: bool) -> None:
        """Show that a cancel is on its way, or is known to the thread."""
        with self._lock:
            (self._cancelling.add if is_cancelling else self._cancelling.discard)(key)
            if is_cancelling:
                self._show()

    def show_leaving(self, key: str, is_leaving: bool) -> None:
        """Do not show a job, or leave that to the thread."""
        with self._lock:
            (self._leaving.add if is_leaving else self._leaving.discard)(key)
            if is_leaving:
                self._show()

    def show_share(self, key: str, share: float | None) -> None:
        """Show how much of a job's files is fetched."""
        with self._lock:
            if share is None:
                self._shares.pop(key, None)
            elif int(_SHARE_STEPS * share) != int(_SHARE_STEPS * self._shares.get(key, -1.0)):
                self._shares[key] = share
                self._show()

    def notify(self, error: FigurineError, key: str | None = None, is_reply: bool = False) -> None:
        """Tell the artist once, after the next `write`."""
        with self._lock:
            self._untold.append(Notice(error, key, is_reply))

    def offer(self, ready: ResultReady) -> None:
        """Hand out a result, after the next `write`."""
        with self._lock:
            self._untold.append(ready)

    def _show(self) -> None:
        jobs = [*self._arriving.values(), *self._written.jobs]
        shown = [self._adjusted(job) for job in jobs if job.key not in self._leaving]
        shown.sort(key=lambda job: (job.created_s, job.number, job.key), reverse=True)
        snapshot = replace(self._written, jobs=tuple(shown))
        if snapshot != self._shown:
            self._shown = snapshot
            self.events.put(SnapshotChanged(snapshot))

    def _adjusted(self, job: JobView) -> JobView:
        if job.key in self._cancelling and job.state not in ("done", "failed", "cancelled", "lost"):
            job = replace(job, is_cancelling=True)
        if job.state == "fetching" and job.key in self._shares:
            job = replace(job, stage_progress=self._shares[job.key])
        return job
