# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready replies: many clients that watch one job make one document of each of its revisions."""

from __future__ import annotations

import threading
from collections import OrderedDict

# Watched jobs are few: those that run, and those whose page somebody looks at.
_MOST_JOBS = 64


class BodyCache:
    """The last reply made for each of the jobs that were asked for last. Safe to share between threads."""

    def __init__(self) -> None:
        self._bodies: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, job_id: str, revision: int) -> bytes | None:
        """The reply for this revision, if it was made."""
        with self._lock:
            made, body = self._bodies.get(job_id, (None, None))
        return body if made == revision else None

    def put(self, job_id: str, revision: int, body: bytes) -> None:
        """Keep the reply for this revision in place of any other of the job."""
        with self._lock:
            self._bodies[job_id] = (revision, body)
            self._bodies.move_to_end(job_id)
            if len(self._bodies) > _MOST_JOBS:
                self._bodies.popitem(last=False)
