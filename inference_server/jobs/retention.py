# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes jobs that ended long ago, or that take too much room together. What runs or waits is never touched."""

from __future__ import annotations

import logging
import time

from inference_server.config import Config
from inference_server.errors import NotFound, StateError
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.model import Job
from inference_server.jobs.store import JobStore

_SECONDS_A_DAY = 86_400
# A folder without a row is a request that is being accepted, or was cut off; after this long it is the latter.
_UNCLAIMED_S = 3600

log = logging.getLogger("figurine.retention")


def delete_old_jobs(config: Config, store: JobStore, folders: JobFolders) -> list[str]:
    """Apply keep_days, then keep_gib, oldest first; returns the ids that were deleted."""
    sizes = dict(folders.sizes())
    jobs = store.ended_oldest_first()
    now_s = time.time()
    deleted = []
    for job in jobs:
        is_old = now_s - (job.ended_s or job.created_s) > config.keep_days * _SECONDS_A_DAY
        if (is_old or sum(sizes.values()) > config.keep_gib << 30) and _delete(job, store, folders):
            deleted.append(job.id)
            sizes.pop(job.id, None)
    for job_id in folders.older_than(_UNCLAIMED_S):
        if not store.exists(job_id):
            folders.remove(job_id)
    if deleted:
        log.info("deleted %d old jobs", len(deleted))
    return deleted


def _delete(job: Job, store: JobStore, folders: JobFolders) -> bool:
    try:
        store.remove(job.id)
    except (NotFound, StateError):  # it was retried meanwhile
        return False
    folders.remove(job.id)
    return True
