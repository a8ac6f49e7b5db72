# SPDX-License-Identifier: GPL-3.0-or-later
"""A script, run by its path in another Python: python guarded.py MODULE [ARGUMENT…]

Runs the module as `python -m` does, and ends at once, with everything that it started, when standard input ends: that
is a pipe which Blender holds and never writes to, so its end means that Blender is gone, however it died.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Guard this process, then become the module."""
    # The pipe is moved away from standard input: a child that inherits a pipe on which somebody reads may hang there
    # on Windows.
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_end_after, args=(pipe,), daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_after(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
