# SPDX-License-Identifier: GPL-3.0-or-later
"""One line a request, refused ones included, but for the looks that clients repeat all the time."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from flask import Flask, Response, g, request

from inference_server.jobs.folder import is_job_id

# What clients ask several times a second.
_POLLED = ("jobs.show_job", "jobs.list_jobs", "health.show_health")

log = logging.getLogger("figurine.http")


def install_request_log(app: Flask) -> None:
    """One line a request: method, path without its query, status, milliseconds and the job. Looks at jobs and at the
    health that went well are told at the level DEBUG, which is not written: they would fill 14 MB a day.
    """

    @app.before_request
    def start() -> None:
        g.started_s = time.perf_counter()

    @app.after_request
    def finish(reply: Response) -> Response:
        milliseconds = 1000.0 * (time.perf_counter() - g.started_s)
        path = quote(request.path)
        job = g.get("job_id") or (request.view_args or {}).get("job_id", "")
        members = {"method": request.method, "path": path, "status": reply.status_code, "ms": round(milliseconds, 1)}
        log.log(
            logging.DEBUG if _is_poll(reply) else logging.INFO,
            "%s %s %d %.1f ms",
            request.method,
            path,
            reply.status_code,
            milliseconds,
            extra={"job": job if is_job_id(job) else None, "members": members},
        )
        return reply


def _is_poll(reply: Response) -> bool:
    """Whether it says nothing that a reader of the log looks for."""
    return request.method in ("GET", "HEAD") and request.endpoint in _POLLED and reply.status_code < 400
