# SPDX-License-Identifier: GPL-3.0-or-later
"""A Figurine server of another version, as far as the add-on asks it: python3 other_version.py PORT_FILE

It ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

_BODY = json.dumps({"service": "figurine", "status": "ok", "version": "9.9.9"}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_BODY)))
        self.end_headers()
        self.wfile.write(_BODY)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    Path(sys.argv[1]).write_text(str(server.server_port))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
