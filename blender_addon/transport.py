# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as the client needs it: no redirects, no proxies to this machine, bounded replies, and an end from outside.

requests has no way to end a request that another thread waits in; so the connections are kept here, and `abort` shuts
their sockets.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .connection import is_loopback
from .documents import DocumentInvalid, ErrorDocument, parse
from .errors import BadToken, FigurineError, NotFigurine, Refused, ServerNotRunning, ServerSilent

# A document of a hundred jobs has some 100 KB.
_LARGEST_DOCUMENT_BYTES = 16 << 20
# One that drips for so long comes from something else.
_LONGEST_DOCUMENT_S = 30.0
_CHUNK_BYTES = 256 * 1024
_SHOWN_BODY_CHARACTERS = 300
# Visible ASCII: a header holds nothing else.
_TOKEN_PATTERN = re.compile(r"[!-~]*")


class Aborted(BaseException):
    """`abort` was called: the thread that asked is to end. Nothing is shown of it."""


class Transport:
    """Requests to one server. One thread at a time may ask; any may abort."""

    def __init__(self, url: str, token: str, connect_timeout_s: float, idle_timeout_s: float) -> None:
        self._url = url
        self._token = token
        self._timeouts_s = (connect_timeout_s, idle_timeout_s)
        self._sockets = _Sockets()
        self._session = requests.Session()
        self._session.trust_env = not is_loopback(url)
        self._session.auth = _Bearer(token)
        self._session.mount(f"{urlsplit(url).scheme}://", _Adapter(self._sockets))

    def abort(self) -> None:
        """End the request that runs, if any; later ones end at once. Those who wait get Aborted."""
        self._sockets.shut()

    def close(self) -> None:
        """Let the connections go."""
        self._session.close()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of a reply, None where it has no body. Raises LinkError, Refused, Aborted."""
        with self.open(method, path, **options) as reply:
            return self._document(reply)

    @contextlib.contextmanager
    def open(self, method: str, path: str, **options: Any) -> Iterator[requests.Response]:
        """A successful reply whose body is still to be read, with `read_chunks`. Raises as `ask`."""
        if not _TOKEN_PATTERN.fullmatch(self._token):
            raise BadToken(self._url, "The token has a sign that is not visible ASCII, so it was not sent.")
        with self._typed_errors():
            reply = self._session.request(
                method,
                f"{self._url}{path}",
                timeout=self._timeouts_s,
                allow_redirects=False,
                stream=True,
                **options,
            )
            reply.raw.enforce_content_length = True  # urllib3 1, which Blender 4.2 has, does not by itself
            with contextlib.closing(reply):
                if not 200 <= reply.status_code < 300:
                    raise self._refusal(reply)
                yield reply

    def read_chunks(self, reply: requests.Response) -> Iterator[bytes]:
        """The body as it comes, undecoded bytes of the file."""
        with self._typed_errors():
            yield from reply.iter_content(_CHUNK_BYTES)

    def _document(self, reply: requests.Response) -> Any:
        body = bytearray()
        deadline_s = time.monotonic() + _LONGEST_DOCUMENT_S
        for chunk in self.read_chunks(reply):
            body += chunk
            if len(body) > _LARGEST_DOCUMENT_BYTES or time.monotonic() > deadline_s:
                raise self._not_figurine(reply, bytes(body))
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise self._not_figurine(reply, bytes(body)) from None

    def _refusal(self, reply: requests.Response) -> FigurineError:
        document = self._document(reply)
        try:
            words = parse(ErrorDocument, document).error
        except DocumentInvalid as error:
            return NotFigurine(self._url, f"HTTP {reply.status_code}; {error}")
        details = f"{reply.request.method} {urlsplit(reply.url).path}: HTTP {reply.status_code} {words.code}"
        if words.code == "BadToken":
            return BadToken(self._url, f"{details}: {words.message} {words.hint}")
        return Refused(words, reply.status_code, details)

    def _not_figurine(self, reply: requests.Response, body: bytes) -> NotFigurine:
        kind = reply.headers.get("Content-Type", "of no stated type")
        shown = body[:_SHOWN_BODY_CHARACTERS].decode("utf-8", "replace")
        return NotFigurine(self._url, f"HTTP {reply.status_code}, {kind}: {shown}")

    @contextlib.contextmanager
    def _typed_errors(self) -> Iterator[None]:
        """What requests and urllib3 raise, as errors of ours."""
        try:
            yield
        except (requests.RequestException, HTTPError, OSError) as error:
            if self._sockets.is_shut:
                raise Aborted("The request was ended.") from error
            if isinstance(error, requests.ReadTimeout) or "Read timed out" in str(error):
                raise ServerSilent(self._url, self._timeouts_s[1], repr(error)) from error
            if isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
                raise NotFigurine(self._url, repr(error)) from error
            raise ServerNotRunning(self._url, repr(error)) from error


class _Bearer(AuthBase):
    """The token, which a .netrc does not replace."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Sockets:
    """Every socket that is open, to shut them from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self.is_shut = False

    def add(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)
            if self.is_shut:
                raise ConnectionAbortedError("aborted")

    def shut(self) -> None:
        with self._lock:
            self.is_shut = True
            for one in self._open:
                with contextlib.suppress(OSError):  # it was closed already
                    one.shutdown(socket.SHUT_RDWR)


def _pools_of(sockets: _Sockets) -> dict[str, type]:
    """Pools whose connections tell their sockets."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class _Adapter(HTTPAdapter):
    """requests' own, with these pools."""

    def __init__(self, sockets: _Sockets) -> None:
        self._pools = _pools_of(sockets)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools
