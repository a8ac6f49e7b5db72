# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workers run on a data folder: each holds the lock of a number as long as it lives, however it ends."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

_SUFFIX = ".lock"
# A look at a lock takes it for some microseconds; a worker that comes just then tries again.
_PATIENCE_S = 0.2
_TRY_EVERY_S = 0.01


@contextmanager
def hold_slot(folder: Path) -> Iterator[int]:
    """The lowest free number, from 1 on, held for the time of the `with` block. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        lock = filelock.FileLock(folder / f"{number}{_SUFFIX}")
        try:
            held = lock.acquire(timeout=_PATIENCE_S, poll_interval=_TRY_EVERY_S)
        except filelock.Timeout:
            continue
        with held:
            yield number
        return


class SlotWatch:
    """Tells whether anybody holds a number. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one_at_a_time = threading.Lock()  # two looks would take each other for a worker

    def is_any_held(self) -> bool:
        """Whether a worker, of whichever process, runs now. Raises OSError."""
        with self._one_at_a_time:
            return any(_is_held(path) for path in sorted(self._folder.glob(f"*{_SUFFIX}")))


def _is_held(path: Path) -> bool:
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True
