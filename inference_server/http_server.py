# SPDX-License-Identifier: GPL-3.0-or-later
"""waitress, set up: limits, and the one JSON error shape also for requests that never reach the application."""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from inference_server.errors import FigurineError, InternalError, RequestInvalid, UploadTooLarge

_THREADS = 8
# A client that says nothing for so long is let go.
_CHANNEL_TIMEOUT_S = 60
_MOST_CONNECTIONS = 200


def build_http_server(application: Flask, listener: socket.socket, most_body_bytes: int) -> Any:
    """A waitress server on a listening socket; `run()` serves until the process is told to stop."""
    server = create_server(
        application,
        sockets=[listener],
        threads=_THREADS,
        channel_timeout=_CHANNEL_TIMEOUT_S,
        connection_limit=_MOST_CONNECTIONS,
        max_request_body_size=most_body_bytes,
        ident=None,
    )
    server.channel_class = _Channel
    return server


class _TypedErrorTask(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """Answers a request that could not be read: cut off, malformed, or too large."""

    def execute(self) -> None:
        code = HTTPStatus(self.request.error.code)
        body = json.dumps({"error": _typed(code).to_document()}).encode()
        self.status = f"{code.value} {code.phrase}"
        self.response_headers += [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    error_task_class = _TypedErrorTask


def _typed(code: HTTPStatus) -> FigurineError:
    if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return UploadTooLarge("The request is larger than is accepted.", "/v1/capabilities tells the limits.")
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return InternalError("The request could not be answered.", "Send it again; the server's log says more.")
    return RequestInvalid("The request is not understood.", "It may have been cut short; send it again.")
