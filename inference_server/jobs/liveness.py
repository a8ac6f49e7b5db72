# SPDX-License-Identifier: GPL-3.0-or-later
"""Which worker process holds a job, and whether it still runs."""

from __future__ import annotations

import os
import socket
import uuid

import psutil

# A job that ended its worker so often without finishing another stage is failed, and the queue goes on.
MOST_ATTEMPTS = 3
# With this a worker ends that was to stop a step which does not look up; it is no fault, and another takes its place.
EXIT_CANCELLED = 75


def new_worker_name() -> str:
    """host:pid:random. Others on the host can tell from it whether the process is still there."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def is_gone(worker: str) -> bool:
    """Whether this worker ran on this host and its process has ended.

    A process that was given the same number since counts as the worker: it does not beat, and silence tells then. (The
    start time would tell at once, but systems count it from the wall clock, which jumps.)
    """
    host, pid, _ = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        return bool(psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
