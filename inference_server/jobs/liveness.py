# SPDX-License-Identifier: GPL-3.0-or-later
"""Which worker process holds a job, and whether it still runs."""

from __future__ import annotations

import uuid

from inference_server.core.owners import is_owner_gone, owner_mark

# A job that ended its worker so often without finishing another stage is failed, and the queue goes on.
MOST_ATTEMPTS = 3
# With this a worker ends that was to stop a step which does not look up; it is no fault, and another takes its place.
EXIT_CANCELLED = 75


def new_worker_name() -> str:
    """The process, as its work files are marked, and random digits."""
    return f"{owner_mark()}-{uuid.uuid4().hex[:8]}"


def is_gone(worker: str) -> bool:
    """Whether this worker ran on this host and its process has ended.

    A process that was given the same number since counts as the worker: it does not beat, and silence tells then. (The
    start time would tell at once, but systems count it from the wall clock, which jumps.)
    """
    return is_owner_gone(worker.rpartition("-")[0])
