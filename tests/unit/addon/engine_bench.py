# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender without Blender: an engine, its events, and waiting for what shall be shown."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path

from blender_addon.connection import Connection
from blender_addon.job import JobEngine, Notice, Request, ResultReady
from blender_addon.jobs.views import JobView, ServerView

_PATIENCE_S = 20.0


class Blender:
    """Holds an engine on a folder. `close` is what quitting Blender does."""

    def __init__(self, folder: Path, connection: Connection | None = None, *, adopts: bool = True) -> None:
        self.engine = JobEngine(folder)
        self.notices: list[Notice] = []
        self.results: list[ResultReady] = []
        self.engine.start(adopts)
        if connection is not None:
            self.engine.configure(connection)

    def __enter__(self) -> Blender:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.close()

    def generate(self, picture: Path, *, import_when_done: bool = True, **settings: object) -> str:
        return self.engine.generate(Request(picture, "fox kid", settings, import_when_done))

    @property
    def server(self) -> ServerView:
        return self.engine.snapshot.server

    def job(self, key: str) -> JobView | None:
        return next((job for job in self.engine.snapshot.jobs if job.key == key), None)

    def wait(self, is_enough: Callable[[], bool]) -> None:
        """Take events until this holds."""
        deadline_s = time.monotonic() + _PATIENCE_S
        while not is_enough():
            assert time.monotonic() < deadline_s, (self.engine.snapshot, self.notices)
            self.drain()

    def wait_for(self, key: str, state: str) -> JobView:
        """Wait until a job is shown in this state."""
        self.wait(lambda: (job := self.job(key)) is not None and job.state == state)
        job = self.job(key)
        assert job is not None
        return job

    def wait_for_notice(self, code: str) -> Notice:
        self.wait(lambda: any(notice.error.code == code for notice in self.notices))
        return next(notice for notice in self.notices if notice.error.code == code)

    def wait_for_result(self, key: str) -> ResultReady:
        self.wait(lambda: any(result.key == key for result in self.results))
        return next(result for result in self.results if result.key == key)

    def settle(self, seconds: float = 0.3) -> None:
        """Let some time pass, for what must not happen."""
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            self.drain()

    def drain(self) -> None:
        try:
            event = self.engine.events.get(timeout=0.02)
        except queue.Empty:
            return
        if isinstance(event, Notice):
            self.notices.append(event)
        elif isinstance(event, ResultReady):
            self.results.append(event)
