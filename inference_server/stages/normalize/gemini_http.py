# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client that the hosted editor's SDK is given: bounded answers, counted requests, and no further one once
the job has gone. Imported only where the SDK is: httpx2 comes with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2

# They describe the body as it came; it is handed on unpacked.
_BODY_HEADERS = ("content-encoding", "content-length", "transfer-encoding")
_MASK = b"****"


class AnswerTooLarge(Exception):
    """The answer is larger than any picture that was asked for; it was not read to its end."""


class AnswerLate(Exception):
    """The request was taken, and its answer did not come in time."""


class Abandoned(Exception):
    """Nobody waits for this request any more."""


class BoundedClient(httpx2.Client):
    """One edit's connection.

    key: the secret; what the service repeats of it is masked before the SDK, which logs answers, sees it.
    requests: how many were sent. timeout_s: for each request with its whole answer. max_bytes: of an unpacked answer.
    is_abandoned: once set, from any thread, nothing more is sent or read.
    A late answer becomes AnswerLate, which the SDK does not take for a reason to send the request, and the bill, again.
    """

    def __init__(self, key: str, timeout_s: float, max_bytes: int, is_abandoned: threading.Event) -> None:
        super().__init__(follow_redirects=False)
        self.requests = 0
        self._key = key.encode()
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._is_abandoned = is_abandoned

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send and read the whole answer. Raises AnswerTooLarge, AnswerLate, Abandoned, httpx2.TransportError."""
        if self._is_abandoned.is_set():
            raise Abandoned
        self.requests += 1
        deadline = time.monotonic() + self._timeout_s
        try:
            response = super().send(request, stream=True, **options)
            try:
                body = b"".join(self._blocks(response, deadline))
            finally:
                response.close()
        except httpx2.ReadTimeout as error:
            raise AnswerLate from error
        headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _BODY_HEADERS]
        body = body.replace(self._key, _MASK)
        return httpx2.Response(response.status_code, headers=headers, content=body, request=request)

    def _blocks(self, response: httpx2.Response, deadline: float) -> Iterator[bytes]:
        size = 0
        for block in response.iter_bytes():
            size += len(block)
            if size > self._max_bytes:
                raise AnswerTooLarge
            if time.monotonic() > deadline:
                raise AnswerLate
            if self._is_abandoned.is_set():
                raise Abandoned
            yield block
