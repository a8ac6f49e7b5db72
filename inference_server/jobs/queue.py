# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue: carries ids of jobs that may be claimed, nothing else. The claim itself is the table's.

The table is the queue here. A farm may put an engine of its own behind the same protocol: a message that is lost or
comes twice does no harm, because only the table's atomic claim gives a job away.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from inference_server.jobs.store import JobStore

_LOOK_EVERY_S = 0.05


class JobQueue(Protocol):
    """Who may take a job."""

    def put(self, job_id: str) -> None:
        """Announce a job that is queued in the table. Called after the row is written."""

    def wait(self, stop: threading.Event) -> bool:
        """Block until a job may be claimed, True, or until `stop` is set, False."""


class TableQueue:
    """Looks into the table: the row is the message."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def put(self, job_id: str) -> None:
        """Nothing to do: the row is written."""

    def wait(self, stop: threading.Event) -> bool:
        """Look twenty times a second, so that a correction does not wait; reading never blocks a writer."""
        while not stop.is_set():
            if self._store.oldest_queued() is not None:
                return True
            stop.wait(_LOOK_EVERY_S)
        return False


class StaleWatch:
    """Tells runs whose worker went silent, by this process' own steady clock: wall clocks jump."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._seen: dict[str, tuple[str | None, int, float]] = {}

    def is_silent(self, job_id: str, lease: str | None, heartbeat: int) -> bool:
        """Whether this lease's heartbeat has been the same for longer than the patience."""
        now_s = time.monotonic()
        last = self._seen.get(job_id)
        if last is None or last[:2] != (lease, heartbeat):
            self._seen[job_id] = (lease, heartbeat, now_s)
            return False
        return now_s - last[2] > self._patience_s

    def forget_others(self, job_ids: set[str]) -> None:
        """Keep only these jobs in mind."""
        self._seen = {job_id: seen for job_id, seen in self._seen.items() if job_id in job_ids}
