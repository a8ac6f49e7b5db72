# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor: keeps a worker running, gives up on silent runs, deletes what is old. A thread of the HTTP
process. A step that fails does not keep the others from being done.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable

from inference_server.config import Config
from inference_server.core.children import child_environment, module_command
from inference_server.errors import WorkerLost
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.liveness import EXIT_CANCELLED, MOST_ATTEMPTS, is_gone
from inference_server.jobs.queue import StaleWatch
from inference_server.jobs.retention import delete_old_jobs
from inference_server.jobs.slots import SlotWatch
from inference_server.jobs.store import JobStore

_LOOK_EVERY_S = 0.25
# Heartbeats come every 0.4 s; a worker on another host that is silent for this long is given up on.
_PATIENCE_S = 30.0
_SHORTEST_LIFE_S = 5.0
_LONGEST_PAUSE_S = 30.0
_RETENTION_EVERY_S = 600.0
_FAREWELL_S = 10.0

log = logging.getLogger("figurine.supervisor")


class Supervisor:
    """Runs until `stop`. with_worker: start a worker child and start it again whenever it ends."""

    def __init__(self, config: Config, store: JobStore, folders: JobFolders, *, with_worker: bool) -> None:
        self._config = config
        self._store = store
        self._folders = folders
        self._with_worker = with_worker
        self._stale = StaleWatch(_PATIENCE_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._child: subprocess.Popen[bytes] | None = None
        self._born_s = 0.0
        self._next_start_s = 0.0
        self._pause_s = 0.0
        self._next_retention_s = 0.0
        self._slots = SlotWatch(config.workers_root)
        self._faults: dict[str, str] = {}

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the worker, which puts its job back into the queue, and wait for it."""
        self._stop.set()
        self._thread.join()

    @property
    def is_worker_alive(self) -> bool:
        """Whether a worker runs now on this data folder: the child, or one that was started beside it."""
        return self._is_child_alive() or self._slots.is_any_held()

    def _is_child_alive(self) -> bool:
        child = self._child
        return child is not None and child.poll() is None

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._stop.wait(_LOOK_EVERY_S)
        finally:
            self._end_child()

    def _look(self) -> None:
        self._try("keep a worker running", self._keep_child)
        self._try("give up lost runs", self._give_up_lost_runs)
        self._try("delete old jobs", self._delete_old_jobs)

    def _try(self, what: str, step: Callable[[], object]) -> None:
        """Do a step; the next look tries it again. A fault that repeats itself is logged once."""
        try:
            step()
            self._faults.pop(what, None)
        except Exception as fault:  # a full disk, a locked table, no memory for a process
            kind = type(fault).__name__
            if self._faults.get(what) != kind:
                self._faults[what] = kind
                log.exception("the supervisor could not %s; it goes on trying", what)

    def _keep_child(self) -> None:
        if self._with_worker and not self._is_child_alive():
            self._restart_child()

    def _delete_old_jobs(self) -> None:
        if time.monotonic() >= self._next_retention_s:
            self._next_retention_s = time.monotonic() + _RETENTION_EVERY_S
            delete_old_jobs(self._config, self._store, self._folders)

    def _restart_child(self) -> None:
        """Start the worker, at once after a long life, later and later after short ones."""
        now_s = time.monotonic()
        if self._child is not None:
            was_told = self._child.returncode == EXIT_CANCELLED
            log.log(
                logging.INFO if was_told else logging.WARNING,
                "the worker ended with exit code %s",
                self._child.returncode,
            )
            was_short = not was_told and now_s - self._born_s < _SHORTEST_LIFE_S
            self._pause_s = min(_LONGEST_PAUSE_S, max(0.5, 2 * self._pause_s)) if was_short else 0.0
            self._next_start_s = now_s + self._pause_s
            self._child = None
        if now_s >= self._next_start_s:
            command = module_command("inference_server", "worker", "--end-with-stdin")
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, env=child_environment())
            self._born_s = now_s

    def _give_up_lost_runs(self) -> None:
        running = self._store.running()
        self._stale.forget_others({job.id for job in running})
        for job in running:
            is_lost = job.worker is not None and is_gone(job.worker)
            if is_lost or self._stale.is_silent(job.id, job.lease, job.heartbeat):
                error = WorkerLost(
                    f"The worker ended {job.attempts} times while it ran this job.",
                    "Try another picture or smaller settings; the server's log says more.",
                )
                after = self._store.give_up(job, MOST_ATTEMPTS, error.to_document())
                if after is not None:
                    log.warning("job %s lost its worker: %s", job.id, after.state, extra={"job": job.id})

    def _end_child(self) -> None:
        child = self._child
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
