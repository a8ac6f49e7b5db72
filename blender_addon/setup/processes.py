# SPDX-License-Identifier: GPL-3.0-or-later
"""Other processes: what they inherit, whether they are still who they were, how they end with their children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_END_TIMEOUT_S = 5.0
_ASK_TIMEOUT_S = 5.0
# What points a Python, or its pip, at another Python's files. Proxies, certificates and indexes are the user's own.
_MISLEADING = frozenset(
    {"VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_NO_BINARY"}
)


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The variables for a child that runs another Python than this process does. extra: set, or replaced, in it."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name not in _MISLEADING
    }
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "PIP_USER": "0"} | dict(extra)


def group_options() -> dict[str, Any]:
    """Options of Popen for a child that `end_tree` can end: a group of its own, and no window."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    else:
        return {"start_new_session": True}


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End the child, which was started with `group_options`, and all that it started, at once."""
    if sys.platform == "win32":
        end_hard(process.pid)
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(_END_TIMEOUT_S)


def end_softly(pid: int) -> None:
    """Ask a process, which need not be our child, to end. On Windows, where none can be asked, it is ended."""
    if sys.platform == "win32":
        end_hard(pid)
    else:
        _send(pid, signal.SIGTERM)


def end_hard(pid: int) -> None:
    """End a process, which need not be our child; on Windows its children too."""
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/PID", str(pid), "/T", "/F"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
            timeout=_ASK_TIMEOUT_S,
        )
    else:
        _send(pid, signal.SIGKILL)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _QUERY_LIMITED_INFORMATION = 0x1000
    _STILL_ACTIVE = 259

    def start_mark(pid: int) -> str | None:
        """When the process started, in the system's own form; None where no process has this id."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = wintypes.HANDLE
        handle = wintypes.HANDLE(kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid))
        if not handle:
            return None
        code = wintypes.DWORD()
        times = [wintypes.FILETIME() for _ in range(4)]
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.GetProcessTimes(handle, *map(ctypes.byref, times))
        kernel.CloseHandle(handle)
        return f"{times[0].dwHighDateTime}.{times[0].dwLowDateTime}" if code.value == _STILL_ACTIVE else None
elif sys.platform == "linux":

    def start_mark(pid: int) -> str | None:
        """When the process started, in the system's own form; None where no process has this id."""
        try:
            # The fields after the name, which is in brackets and may hold anything: state, …, start in clock ticks.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
else:

    def start_mark(pid: int) -> str | None:
        """When the process started, in the system's own form; None where no process has this id."""
        answer = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S
        )
        return answer.stdout.strip() or None


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
