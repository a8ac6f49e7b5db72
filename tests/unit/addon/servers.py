# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers to talk to: the real application behind the real HTTP server, and one that misbehaves.

    python -m tests.unit.addon.servers HOME

prints the first one's address, token and version, and ends with its input.
"""

from __future__ import annotations

import http.server
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from waitress import wasyncore

from blender_addon.connection import Connection
from inference_server.app import create_app
from inference_server.http_server import build_http_server
from inference_server.jobs.handshake import Handshake, write_handshake
from tests.unit.server.desk import TOKEN, Desk

VERSION = "1.2.3"  # of a Desk
_SELECT_S = 0.01


class FigurineServer:
    """The real application, without a worker: its desk brings jobs into any state. A `with` block ends it."""

    def __init__(self, home: Path, token: str = TOKEN) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.token = token
        self.desk = Desk(home, port=port)
        self.requests: list[str] = []
        application = create_app(replace(self.desk.services, token=token))

        @application.before_request
        def count() -> None:
            from flask import request

            self.requests.append(f"{request.method} {request.path}")

        self._server = build_http_server(application, self._listener, 1 << 24)
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        write_handshake(home, Handshake(self.url, token, os.getpid(), VERSION))

    def __enter__(self) -> FigurineServer:
        return self

    def __exit__(self, *why: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone, with every connection."""
        if not self._is_ending.is_set():
            self._is_ending.set()
            self._thread.join()
            self.desk.store.close()

    def _run(self) -> None:
        connections = self._server._map
        while not self._is_ending.is_set():
            wasyncore.loop(timeout=_SELECT_S, map=connections, count=1)
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(connections, ignore_all=True)


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class OddServer:
    """Any answer: `answer` gets the request's handler. A `with` block ends it."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[str] = []
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def _handle(self) -> None:
                requests.append(f"{self.command} {self.path}")
                answer(self)

            do_GET = do_POST = do_DELETE = _handle  # noqa: N815

            def log_message(self, *words: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_SELECT_S,))
        self._thread.start()

    def __enter__(self) -> OddServer:
        return self

    def __exit__(self, *why: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Answer:
    """An answer that is always the same."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


class SilentServer:
    """Takes connections and says nothing."""

    def __enter__(self) -> SilentServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        return self

    def __exit__(self, *why: object) -> None:
        self._listener.close()


def managed(home: Path, **values: Any) -> Connection:
    """The server that writes its handshake there."""
    return replace(Connection("managed", "", "", home, False, VERSION), **values)


def at_address(url: str, token: str = TOKEN, **values: Any) -> Connection:
    """A server at an address."""
    return replace(Connection("address", url, token, Path("nowhere"), False, VERSION), **values)


if __name__ == "__main__":
    with FigurineServer(Path(sys.argv[1])) as running:
        print(running.url, running.token, VERSION, flush=True)
        sys.stdin.read()
