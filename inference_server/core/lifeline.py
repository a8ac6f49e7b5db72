# SPDX-License-Identifier: GPL-3.0-or-later
"""A child's life hangs on its parent's pipe.

Standard input is a pipe that the parent never writes to; its end means that the parent is gone, however it died, on
every system. (Linux' parent-death signal is not used: it fires when the thread that started the child ends.)
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable

STDIN_FD = 0
CHUNK_BYTES = 4096


def end_with_parent(finish: Callable[[], None]) -> None:
    """Call `finish`, on a daemon thread, once standard input ends. Does nothing where that is no pipe or socket."""
    try:
        mode = os.fstat(STDIN_FD).st_mode
    except OSError:
        return
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_wait_for_end, args=(finish,), name="lifeline", daemon=True).start()


def _wait_for_end(finish: Callable[[], None]) -> None:
    while os.read(STDIN_FD, CHUNK_BYTES):
        pass
    finish()
