# SPDX-License-Identifier: GPL-3.0-or-later
"""server.json: how a client on this machine finds the running server and its token."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "server.json"


@dataclass(frozen=True)
class Handshake:
    """url: with scheme and port, no slash at its end. token: the bearer token. pid: of the HTTP process."""

    url: str
    token: str
    pid: int
    version: str


def write_handshake(home: Path, handshake: Handshake) -> None:
    """Write it atomically, readable by its owner alone. Raises OSError."""
    partial = home / f".{FILE_NAME}.{handshake.pid}.part"
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(handshake), stream, indent=1)
    partial.replace(home / FILE_NAME)


def read_handshake(home: Path) -> Handshake | None:
    """None where no server wrote one, or it cannot be read."""
    try:
        return Handshake(**json.loads((home / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remove_handshake(home: Path, pid: int) -> None:
    """Remove it if it is this process' own."""
    current = read_handshake(home)
    if current is not None and current.pid == pid:
        (home / FILE_NAME).unlink(missing_ok=True)
