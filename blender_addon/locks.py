# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock between processes, which the system frees when its holder dies, however that happens."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_S = 0.05

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def hold_lock(path: Path, timeout_s: float) -> Iterator[bool]:
    """Hold the lock on this file for the block; the value says whether it is held. The file stays there, empty.

    Raises OSError where the file cannot be made.
    """
    deadline = time.monotonic() + timeout_s
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not (is_held := _is_taken(descriptor)) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        yield is_held
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        _take(descriptor)
    except OSError:
        return False
    return True
