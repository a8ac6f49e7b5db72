# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the jobs table: which mean a full disk, and which may pass by themselves."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import OperationalError

_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR)
_PAUSE_S = 0.5

Result = TypeVar("Result")

log = logging.getLogger("figurine.worker")


def is_full(error: OperationalError) -> bool:
    """Whether no space was left for the table."""
    return _code(error) == sqlite3.SQLITE_FULL


def may_pass(error: OperationalError) -> bool:
    """Whether the same may succeed later: the disk is full or failed, or others hold the table."""
    return _code(error) in _PASSING


def persist(work: Callable[[], Result], stop: threading.Event) -> Result:
    """Work on the table, again and again while what stops it may pass: no end of a job is lost. Once `stop` is set it
    is not tried again. Raises what `work` raises.
    """
    while True:
        try:
            return work()
        except OperationalError as error:
            if stop.is_set() or not may_pass(error):
                raise
            log.warning("the jobs table cannot be used: %s", error.orig)
        stop.wait(_PAUSE_S)


def _code(error: OperationalError) -> int | None:
    """SQLite's primary code; the higher bits of the whole one tell details, such as which call failed."""
    whole: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return None if whole is None else whole & 0xFF
