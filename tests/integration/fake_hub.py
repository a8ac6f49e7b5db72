# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub of one repository on this machine, which can cut answers short, lie about digests and refuse."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_LONGEST_STALL_S = 60.0
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """What it serves and how it misbehaves. cut_after: bytes after which every download breaks off. stall_after: bytes
    after which every download stands still until `go_on`. announced_size: what it says that a file has.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.digest = hashlib.sha256(content).hexdigest()
        self.cut_after: int | None = None
        self.stall_after: int | None = None
        self.go_on = threading.Event()
        self.announced_size = len(content)
        self.status = 200
        self.error_code = ""
        self.ranges: list[str] = []
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[FakeHub]

    def do_HEAD(self) -> None:
        self._send_head(self._start())

    def do_GET(self) -> None:
        start = self._start()
        if not self._send_head(start):
            return
        self.hub.ranges.append(self.headers.get("Range", ""))
        body = self.hub.content[start:]
        first = len(body) if self.hub.stall_after is None else self.hub.stall_after
        with suppress(ConnectionError):  # who only wants the header hangs up
            self.wfile.write((body if self.hub.cut_after is None else body[: self.hub.cut_after])[:first])
            if self.hub.stall_after is not None:
                self.hub.go_on.wait(_LONGEST_STALL_S)
                self.wfile.write(body[first:])

    def log_message(self, *words: Any) -> None:
        """Tests are quiet."""

    def _start(self) -> int:
        wanted = self.headers.get("Range", "")
        return int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0

    def _send_head(self, start: int) -> bool:
        """Whether a body may follow."""
        hub, size = self.hub, len(self.hub.content)
        if hub.status != 200:
            headers = {"Content-Length": "0"} | ({"X-Error-Code": hub.error_code} if hub.error_code else {})
            status = hub.status
        else:
            headers = {
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{hub.digest}"',
                "X-Linked-Size": str(hub.announced_size),
                "ETag": f'"{hub.digest}"',
                "Accept-Ranges": "bytes",
                "Content-Length": str(size - start),
                "Content-Range": f"bytes {start}-{size - 1}/{size}",
            }
            status = 206 if start else 200
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        return hub.status == 200


@contextmanager
def serve_hub(content: bytes) -> Iterator[FakeHub]:
    """Serve `content` as every file of every repository."""
    hub = FakeHub(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
