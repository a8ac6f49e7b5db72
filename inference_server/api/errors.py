# SPDX-License-Identifier: GPL-3.0-or-later
"""Every failing path answers with the one JSON shape."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as HttpMethodNotAllowed

from inference_server.api.documents import ErrorBody, ErrorDocument
from inference_server.errors import (
    BadToken,
    DiskFull,
    FigurineError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    QueueFull,
    RangeInvalid,
    RequestInvalid,
    UploadTooLarge,
)
from inference_server.jobs.faults import is_full

# A draft takes some ten seconds: room in the queue comes about so often.
_RETRY_AFTER_S = 10

log = logging.getLogger("figurine.http")


def install_errors(app: Flask) -> None:
    """Answer whatever is raised while a request is handled."""
    app.register_error_handler(Exception, _answer)


def _answer(error: Exception) -> Response:
    typed = _typed(error)
    reply = jsonify(ErrorDocument(ErrorBody(typed.code, typed.message, typed.hint, typed.retryable)))
    reply.status_code = typed.http_status
    if isinstance(typed, BadToken):
        reply.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(typed, QueueFull):
        reply.headers["Retry-After"] = str(_RETRY_AFTER_S)
    if isinstance(error, HttpMethodNotAllowed):
        reply.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return reply


def _typed(error: Exception) -> FigurineError:
    if isinstance(error, FigurineError):
        return error
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return _typed_http(error)
    if isinstance(error, OperationalError) and is_full(error):
        return DiskFull("No space is left for the jobs table.", "Free some space on the server's disk.")
    log.error("an unexpected error", exc_info=error)
    return InternalError(
        "The server met an unexpected error.", "This is a fault of Figurine; the server's log says more."
    )


def _typed_http(error: HTTPException) -> FigurineError:
    match error.code:
        case 404:
            return NotFound("There is no such page.", "docs/server.md lists what there is; /v1/openapi.json too.")
        case 405:
            return MethodNotAllowed("This address does not do that.", "/v1/openapi.json lists what it does.")
        case 413:
            return UploadTooLarge("The request is larger than is accepted.", "/v1/capabilities tells the limits.")
        case 416:
            return RangeInvalid("That part lies outside the file.", "Ask for the file without a range.")
        case _:
            return RequestInvalid("The request is not understood.", "It may have been cut short; send it again.")
