# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faults of the jobs table are waited for, and which are not."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from inference_server.jobs import faults
from inference_server.jobs.faults import is_full, may_pass, persist
from inference_server.jobs.store import JobStore


def fault(code: int | None) -> OperationalError:
    """As SQLAlchemy raises it for this code of SQLite."""
    error = sqlite3.OperationalError("so it is")
    if code is not None:
        error.sqlite_errorcode = code
    return OperationalError("UPDATE", {}, error)


@pytest.mark.parametrize(
    ("code", "passes", "full"),
    [
        (sqlite3.SQLITE_FULL, True, True),
        (sqlite3.SQLITE_BUSY, True, False),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True, False),
        (sqlite3.SQLITE_LOCKED, True, False),
        (sqlite3.SQLITE_IOERR_WRITE, True, False),
        (sqlite3.SQLITE_IOERR_FSYNC, True, False),
        (sqlite3.SQLITE_ERROR, False, False),
        (sqlite3.SQLITE_READONLY, False, False),
        (sqlite3.SQLITE_CANTOPEN, False, False),
        (None, False, False),
    ],
)
def test_what_may_pass(code: int | None, passes: bool, full: bool) -> None:
    assert (may_pass(fault(code)), is_full(fault(code))) == (passes, full)


def test_what_may_pass_is_tried_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_PAUSE_S", 0.001)
    tries = iter([fault(sqlite3.SQLITE_FULL), fault(sqlite3.SQLITE_BUSY), fault(sqlite3.SQLITE_IOERR_READ), None])

    def work() -> str:
        error = next(tries)
        if error is not None:
            raise error
        return "done"

    assert persist(work, threading.Event()) == "done"


def test_what_does_not_pass_is_raised_at_once(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite")
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE jobs")
    with pytest.raises(OperationalError, match="no such table"):
        persist(store.oldest_queued, threading.Event())
    store.close()


def test_told_to_stop_it_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_PAUSE_S", 3600.0)
    stop = threading.Event()
    tried = []

    def work() -> None:
        tried.append(len(tried))
        threading.Timer(0.05, stop.set).start()
        raise fault(sqlite3.SQLITE_BUSY)

    with pytest.raises(OperationalError):
        persist(work, stop)
    assert tried == [0, 1], "one last try"
