# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers are counted by what they hold, not by what they say."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from inference_server.config import Config, load_config
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.slots import SlotWatch, hold_slot
from inference_server.jobs.store import JobStore
from inference_server.jobs.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from inference_server.jobs.slots import hold_slot
with hold_slot(Path(sys.argv[1])) as number:
    print(number, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds a number, and the number."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


def test_each_worker_has_the_lowest_free_number(tmp_path: Path) -> None:
    with hold_slot(tmp_path) as first, holder(tmp_path) as (process, second):
        assert (first, second) == (1, 2)
        with hold_slot(tmp_path) as third:
            assert third == 3
        process.kill()
        process.wait()
        with hold_slot(tmp_path) as again:
            assert again == 2


def test_a_number_is_held_until_its_process_ends_however_it_ends(tmp_path: Path) -> None:
    watch = SlotWatch(tmp_path / "workers")
    assert not watch.is_any_held(), "there is no folder yet"
    with holder(tmp_path / "workers") as (process, _):
        assert watch.is_any_held()
        process.kill()
        process.wait()
        assert not watch.is_any_held()


def test_many_looks_at_once_see_no_worker_where_there_is_none(tmp_path: Path) -> None:
    with hold_slot(tmp_path):
        pass
    watch = SlotWatch(tmp_path)
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda: seen.extend(watch.is_any_held() for _ in range(100))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 800 and not any(seen)


def test_looks_do_not_take_a_number_from_a_worker(tmp_path: Path) -> None:
    with hold_slot(tmp_path):
        pass
    watch, over = SlotWatch(tmp_path), threading.Event()

    def look() -> None:
        while not over.is_set():
            watch.is_any_held()

    with ExitStack() as stack:
        thread = threading.Thread(target=look)
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        for _ in range(100):
            with hold_slot(tmp_path) as number:
                assert number == 1


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({"FIGURINE_HOME": str(tmp_path)}).config


def test_a_worker_that_the_server_did_not_start_is_seen(config: Config) -> None:
    store = JobStore(config.database)
    supervisor = Supervisor(config, store, JobFolders(config.jobs_root), with_worker=False)
    assert not supervisor.is_worker_alive
    with holder(config.workers_root) as (process, _):
        assert supervisor.is_worker_alive
        process.kill()
        process.wait()
        assert not supervisor.is_worker_alive
    store.close()
