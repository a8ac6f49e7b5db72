# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a work file: names that tell the host and the process, so that those of ended processes can be removed.

Folders may lie on a disk that several machines share: a process number means something on its own host only.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket

import psutil

_MARK = re.compile(r"([0-9a-f]{8})-(\d+)")


def owner_mark() -> str:
    """This process: eight hexadecimal digits for the host, a hyphen, the process number. Fits into a file name."""
    return f"{_host_digits()}-{os.getpid()}"


def is_owner_gone(mark: str) -> bool:
    """Whether a process of this host made the mark and has ended. False for a process of another host, and for what
    is no mark. A process that was given the same number since counts as the owner.
    """
    match = _MARK.fullmatch(mark)
    if match is None or match[1] != _host_digits():
        return False
    try:
        return bool(psutil.Process(int(match[2])).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _host_digits() -> str:
    """Host names hold characters that file names, and the patterns that read them, do not."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
