# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake of Google's image API on this machine, for the real SDK to talk to. It draws nothing and judges nothing: it
checks that requests are complete, and answers what a test tells it to. What Google really answers is not tested here.
"""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KEY = "AIza-fake-key-of-the-tests-0123456789"
MODEL = "gemini-nano-banana-2.1"
MODELS = ("gemini-3-flash", "gemini-9-image", MODEL, "text-embedding-7")


@dataclass(frozen=True)
class Reply:
    """One answer. hangs: nothing is sent until the server ends. cut_after: bytes of the body after which the
    connection breaks off. drips: the body comes byte by byte, slowly."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    hangs: bool = False
    cut_after: int | None = None
    drips: bool = False


@dataclass(frozen=True)
class Request:
    """What came: the address, the headers in lower case, the body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def picture(self) -> bytes:
        """The file that was sent."""
        inline = next(part["inlineData"] for part in self._parts() if "inlineData" in part)
        assert (inline.get("mime_type") or inline.get("mimeType")) == "image/png"
        return base64.urlsafe_b64decode(inline["data"])  # the alphabet that the SDK writes

    @property
    def file(self) -> io.BytesIO:
        """The same, open."""
        return io.BytesIO(self.picture)

    @property
    def prompt(self) -> str:
        """The words that were sent."""
        return next(part["text"] for part in self._parts() if "text" in part)

    def _parts(self) -> list[dict[str, Any]]:
        return list(self.body["contents"][0]["parts"])


class FakeGemini:
    """replies: for one edit after the other; the last one stays. requests: the edits that were asked for."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [picture_reply()]
        self.requests: list[Request] = []
        self.lists_models = True
        self.url = ""
        self.is_over = threading.Event()

    def answer(self, request: Request) -> Reply:
        """To one edit, in the order in which they came."""
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def picture_reply(side: int = 512, **changes: Any) -> Reply:
    """A thought, a word and a picture, as image models answer."""
    draft = {"inlineData": {"mimeType": "image/png", "data": _base64(png(side, 10))}, "thought": True}
    image = {"inlineData": {"mimeType": "image/png", "data": _base64(png(side, 200))}}
    parts = [{"text": "Let me see.", "thought": True}, draft, {"text": "Here it is."}, image]
    return parts_reply(parts, **changes)


def parts_reply(parts: list[dict[str, Any]] | None, reason: str = "STOP", **changes: Any) -> Reply:
    """A candidate with these parts."""
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
    if parts is not None:
        candidate["content"] = {"role": "model", "parts": parts}
    return json_reply({"candidates": [candidate], "modelVersion": f"{MODEL}-001"}, **changes)


def data_reply(content: bytes, mime_type: str = "image/png") -> Reply:
    """Any bytes where the picture is expected."""
    return parts_reply([{"inlineData": {"mimeType": mime_type, "data": _base64(content)}}])


def error_reply(status: int, message: str, details: list[dict[str, Any]] | None = None) -> Reply:
    """An error as Google writes it."""
    error = {"code": status, "message": message, "status": "FAKE", "details": details or []}
    return json_reply({"error": error}, status=status)


def json_reply(document: dict[str, Any], **changes: Any) -> Reply:
    """Any document."""
    return Reply(body=json.dumps(document).encode(), **changes)


def png(side: int, level: int) -> bytes:
    """A grey square as a PNG file."""
    return png_of(np.full((side, side, 3), level, np.uint8))


def png_of(rgb: NDArray[np.uint8]) -> bytes:  # (H, W, 3) uint8
    """A PNG file, as another program than ours would write it."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, format="PNG")
    return stream.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class _Handler(BaseHTTPRequestHandler):
    fake: ClassVar[FakeGemini]

    def do_GET(self) -> None:
        if self.path.startswith("/v1/models") and self.fake.lists_models and self._has_key():
            self._send(json_reply({"models": [{"name": f"models/{name}"} for name in MODELS]}))
        else:
            self._send(error_reply(403, "no list for you"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body)
        if not self._has_key():
            self._send(error_reply(400, "API key not valid. Please pass a valid API key."))
            return
        self._send(self.fake.answer(request))

    def log_message(self, *words: Any) -> None:
        """Tests are quiet."""

    def _has_key(self) -> bool:
        return self.headers.get("x-goog-api-key") == KEY

    def _send(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.hangs:
            self.fake.is_over.wait()
            return
        if reply.cut_after == 0:
            return
        with suppress(ConnectionError):  # who has given up hangs up
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if reply.drips:
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    if self.fake.is_over.wait(0.05):
                        return
            self.wfile.write(reply.body if reply.cut_after is None else reply.body[: reply.cut_after])


@contextmanager
def fake_gemini() -> Iterator[FakeGemini]:
    """Serve until the block ends."""
    fake = FakeGemini()
    handler = type("Handler", (_Handler,), {"fake": fake})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            fake.is_over.set()
            server.shutdown()
            thread.join()
