# SPDX-License-Identifier: GPL-3.0-or-later
"""Which worker process holds a job, and whether it still runs."""

from __future__ import annotations

import socket
import uuid

import psutil

# A job that ended its worker so often without finishing another stage is failed, and the queue goes on.
MOST_ATTEMPTS = 3


def new_worker_name() -> str:
    """host:pid:start:random. Others on the host can tell from it whether the process is still there."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}:{uuid.uuid4().hex[:8]}"


def is_gone(worker: str) -> bool:
    """Whether this worker ran on this host and its process has ended."""
    host, pid, started, _ = worker.rsplit(":", 3)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return process.status() == psutil.STATUS_ZOMBIE or f"{process.create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
