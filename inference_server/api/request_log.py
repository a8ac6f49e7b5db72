# SPDX-License-Identifier: GPL-3.0-or-later
"""One line a request, refused ones included."""

from __future__ import annotations

import logging
import time
from urllib.parse import quote

from flask import Flask, Response, g, request

from inference_server.jobs.folder import is_job_id

log = logging.getLogger("figurine.http")


def install_request_log(app: Flask) -> None:
    """One line a request: method, path without its query, status, milliseconds and the job."""

    @app.before_request
    def start() -> None:
        g.started_s = time.perf_counter()

    @app.after_request
    def finish(reply: Response) -> Response:
        milliseconds = 1000.0 * (time.perf_counter() - g.started_s)
        path = quote(request.path)
        job = g.get("job_id") or (request.view_args or {}).get("job_id", "")
        members = {"method": request.method, "path": path, "status": reply.status_code, "ms": round(milliseconds, 1)}
        log.info(
            "%s %s %d %.1f ms",
            request.method,
            path,
            reply.status_code,
            milliseconds,
            extra={"job": job if is_job_id(job) else None, "members": members},
        )
        return reply
