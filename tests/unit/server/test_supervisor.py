# SPDX-License-Identifier: GPL-3.0-or-later
"""The supervisor goes on, whatever fails."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_server.config import load_config
from inference_server.jobs import supervisor as module
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.liveness import EXIT_CANCELLED
from inference_server.jobs.store import JobStore
from inference_server.jobs.supervisor import Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    config = load_config({"FIGURINE_HOME": str(tmp_path)}).config
    store = JobStore(config.database)
    made = Supervisor(config, store, JobFolders(config.jobs_root), with_worker=True)
    yield made
    made._end_child()
    store.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_step_that_fails_keeps_no_other_from_being_done(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done = []

    def no_process(*arguments: Any, **options: Any) -> None:
        raise BlockingIOError("no more processes")

    def no_table(store: JobStore) -> None:
        raise RuntimeError("the table is locked")

    monkeypatch.setattr(subprocess, "Popen", no_process)
    monkeypatch.setattr(JobStore, "running", no_table)
    monkeypatch.setattr(module, "delete_old_jobs", lambda *arguments: done.append("deleted"))
    for _ in range(3):
        supervisor._look()
    assert done == ["deleted"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [BlockingIOError, RuntimeError]


def test_a_fault_that_comes_back_is_logged_again(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    faults = iter([True, True, False, True])

    def running(store: JobStore) -> list[object]:
        if next(faults):
            raise RuntimeError("the table is locked")
        return []

    monkeypatch.setattr(JobStore, "running", running)
    monkeypatch.setattr(supervisor, "_keep_child", lambda: None)
    for _ in range(4):
        supervisor._look()
    assert len(warnings(caplog)) == 2


@pytest.mark.parametrize("exit_code", [EXIT_CANCELLED, 1])
def test_a_worker_that_ended_a_stuck_step_is_replaced_at_once(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, exit_code: int
) -> None:
    command = [sys.executable, "-S", "-c", f"import sys; sys.exit({exit_code})"]
    monkeypatch.setattr(module, "module_command", lambda *arguments: command)
    supervisor._keep_child()
    first = supervisor._child
    assert first is not None
    assert first.wait(30) == exit_code
    assert first.stdin is not None
    first.stdin.close()
    supervisor._keep_child()
    if exit_code == EXIT_CANCELLED:
        assert supervisor._child is not None and supervisor._child is not first
        assert warnings(caplog) == []
    else:
        assert supervisor._child is None, "it ends too soon to be started again at once"
        assert warnings(caplog) == ["the worker ended with exit code 1"]
