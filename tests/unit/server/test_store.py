# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs table: who may change what, exactly once, whatever the clock does."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from inference_server.errors import JobFinished, NotFound, QueueFull, StateError
from inference_server.jobs.folder import new_job_id
from inference_server.jobs.model import Artifact, Job, JobState, NewJob, StageEntry
from inference_server.jobs.store import JobStore, LeaseLost

ERROR = {"code": "NoSubject", "message": "Nothing stands out.", "hint": "Crop it.", "retryable": False}
RIG = StageEntry("rig", "draft", 2.0, 10, False, notes=("a note",))
FILE = Artifact("rig.json", "rig.json", "application/json", 2, "0" * 64)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def add(store: JobStore, **values: Any) -> Job:
    new = {"input_kind": "image", "input_name": "fox.png", "settings": {"seed": 1}, "digest": "d", **values}
    return store.add(NewJob(new_job_id(), **new), 1000)[0]


def run(store: JobStore, **values: Any) -> Job:
    """A running job and its lease; the only one that is queued."""
    add(store, **values)
    job = store.claim("worker")
    assert job is not None
    return job


def lease_of(job: Job) -> str:
    assert job.lease is not None
    return job.lease


def bring_to(store: JobStore, state: JobState) -> Job:
    job = add(store)
    if state == "cancelled":
        return store.cancel(job.id)
    if state == "queued":
        return job
    running = store.claim("worker")
    assert running is not None
    if state == "waiting":
        store.pause(job.id, lease_of(running))
    elif state == "done":
        store.finish(job.id, lease_of(running), [FILE])
    elif state == "failed":
        store.fail(job.id, lease_of(running), ERROR)
    assert store.get(job.id).state == state
    return store.get(job.id)


# --- claims ---

CLAIM_ALL = """
import sys, time
from pathlib import Path
from inference_server.jobs.store import JobStore
store = JobStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
while (job := store.claim(sys.argv[2])) is not None:
    print(job.id, flush=True)
    store.finish(job.id, job.lease, [])
    time.sleep(0.001)  # who waits for the lock looks only now and then
"""


def test_two_processes_share_two_hundred_jobs_and_none_is_run_twice(store: JobStore, tmp_path: Path) -> None:
    ids = {add(store).id for _ in range(200)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, str(tmp_path / "jobs.sqlite"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[3],
        )
        for name in ("a", "b")
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    claimed = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(claimed)
    assert sorted(claimed[0] + claimed[1]) == sorted(ids)
    assert store.count("done") == 200


def test_the_oldest_is_claimed_first(store: JobStore) -> None:
    ids = [add(store).id for _ in range(3)]
    assert store.oldest_queued() == ids[0]
    assert [getattr(store.claim("w"), "id", None) for _ in range(4)] == [*ids, None]
    assert store.oldest_queued() is None


def test_a_clock_that_is_set_back_changes_no_order(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(2_000_000_000, -86_400)
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    ids = [add(store).id for _ in range(4)]
    assert [job.id for job in store.page(10)] == ids[::-1]
    first = store.claim("w")
    assert first is not None
    assert first.id == ids[0]
    store.finish(first.id, lease_of(first), [])
    store.retry(store.cancel(ids[1]).id, 1000)
    assert store.oldest_queued() == ids[1]
    assert [job.id for job in store.page(2, before=store.get(ids[2]).number)] == [ids[1], ids[0]]


def test_each_run_has_a_lease_of_its_own(store: JobStore) -> None:
    first = run(store)
    store.release(first.id, lease_of(first))
    second = store.claim("another")
    assert second is not None
    assert (second.id, second.worker) == (first.id, "another")
    assert second.lease != first.lease


LEASED: dict[str, Callable[[JobStore, str, str], object]] = {
    "beat": lambda store, job_id, lease: store.beat(job_id, lease, stage="rig", engine="draft", fraction=0.5),
    "record_stage": lambda store, job_id, lease: store.record_stage(job_id, lease, RIG),
    "add_artifacts": lambda store, job_id, lease: store.add_artifacts(job_id, lease, [FILE]),
    "pause": lambda store, job_id, lease: store.pause(job_id, lease),
    "finish": lambda store, job_id, lease: store.finish(job_id, lease, [FILE]),
    "fail": lambda store, job_id, lease: store.fail(job_id, lease, ERROR),
    "release": lambda store, job_id, lease: store.release(job_id, lease),
}


@pytest.mark.parametrize("method", LEASED)
@pytest.mark.parametrize("how", ["given to another", "finished", "cancelled meanwhile", "made up", "deleted"])
def test_a_run_without_the_lease_changes_nothing(store: JobStore, method: str, how: str) -> None:
    job = run(store)
    lease = lease_of(job)
    if how == "given to another":
        assert store.give_up(job, 3, ERROR) is not None
        store.claim("another")
    elif how == "finished":
        store.finish(job.id, lease, [])
    elif how == "cancelled meanwhile":
        store.release(job.id, lease)
        store.cancel(job.id)
    elif how == "made up":
        lease = "f" * 32
    else:
        store.finish(job.id, lease, [])
        store.remove(job.id)
    before = None if how == "deleted" else store.get(job.id)
    with pytest.raises(LeaseLost):
        LEASED[method](store, job.id, lease)
    if before is not None:
        assert store.get(job.id) == before
    assert store.expected_seconds("rig", "draft", "image") is None


@pytest.mark.parametrize("method", LEASED)
def test_a_run_with_the_lease_may_write(store: JobStore, method: str) -> None:
    job = run(store)
    LEASED[method](store, job.id, lease_of(job))
    assert store.get(job.id) != job


# --- what clients ask for ---

ALLOWED: dict[str, dict[JobState, JobState]] = {
    "cancel": {"queued": "cancelled", "running": "running", "waiting": "cancelled"},
    "resume": {"waiting": "queued"},
    "retry": {"failed": "queued", "cancelled": "queued"},
    "remove_artifacts": {"done": "done", "failed": "failed", "cancelled": "cancelled"},
}


ARGUMENTS: dict[str, tuple[object, ...]] = {
    "resume": ({"seed": 9}, 1000),
    "retry": (1000,),
    "remove_artifacts": (lambda: None,),
}


@pytest.mark.parametrize("state", get_args(JobState))
@pytest.mark.parametrize("method", ALLOWED)
def test_transitions(store: JobStore, method: str, state: JobState) -> None:
    job = bring_to(store, state)
    arguments = ARGUMENTS.get(method, ())
    after = ALLOWED[method].get(state)
    if after is None:
        with pytest.raises(JobFinished if method == "cancel" else StateError):
            getattr(store, method)(job.id, *arguments)
        assert store.get(job.id) == job
    else:
        changed = getattr(store, method)(job.id, *arguments)
        assert (changed.state, changed == store.get(job.id)) == (after, True)
        assert changed.revision == job.revision + 1


@pytest.mark.parametrize("method", ["get", "peek", "cancel", "retry", "remove_artifacts", "remove"])
def test_a_job_that_is_not_there(store: JobStore, method: str) -> None:
    with pytest.raises(NotFound):
        getattr(store, method)("0" * 32, *ARGUMENTS.get(method, ()))


def test_a_job_that_runs_hears_of_the_cancel(store: JobStore) -> None:
    job = run(store)
    assert not store.beat(job.id, lease_of(job), stage=None, engine=None, fraction=0.0)
    store.cancel(job.id)
    assert store.beat(job.id, lease_of(job), stage=None, engine=None, fraction=0.0)
    store.fail(job.id, lease_of(job), {**ERROR, "code": "Cancelled"})
    ended = store.get(job.id)
    assert (ended.state, ended.error) == ("cancelled", None)


def test_a_retry_starts_over_and_keeps_the_journal(store: JobStore) -> None:
    job = run(store)
    store.record_stage(job.id, lease_of(job), RIG)
    store.fail(job.id, lease_of(job), ERROR)
    again = store.retry(job.id, 1000)
    assert (again.attempts, again.error, again.ended_s, again.cancel_requested) == (0, None, None, False)
    assert again.journal == (RIG,)


def test_a_job_goes_on_with_other_settings(store: JobStore) -> None:
    job = bring_to(store, "waiting")
    assert store.resume(job.id, {"seed": 9}, 1000).settings == {"seed": 9}


def test_a_key_brings_the_same_job_or_is_refused(store: JobStore) -> None:
    first = add(store, key="k", digest="one")
    again, is_new = store.add(NewJob(new_job_id(), "image", "fox.png", {"seed": 1}, "one", "k"), 1000)
    assert (again, is_new) == (first, False)
    with pytest.raises(StateError, match="key"):
        add(store, key="k", digest="two")
    assert store.count("queued") == 1


def test_one_key_from_many_threads_makes_one_job(store: JobStore) -> None:
    made: list[Job] = []
    threads = [threading.Thread(target=lambda: made.append(add(store, key="k"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({job.id for job in made}) == 1


def test_the_queue_is_never_fuller_than_allowed(store: JobStore) -> None:
    refused = []

    def ask() -> None:
        try:
            store.add(NewJob(new_job_id(), "image", "fox.png", {}, "d"), 3)
        except QueueFull as error:
            refused.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (store.count("queued"), len(refused)) == (3, 5)


# --- revisions, the journal and the estimate ---


def test_a_heartbeat_alone_is_no_change(store: JobStore) -> None:
    job = run(store)
    shown = {"stage": "rig", "engine": "draft", "fraction": 0.25}
    store.beat(job.id, lease_of(job), **shown)
    revision, heartbeat = store.get(job.id).revision, store.get(job.id).heartbeat
    for _ in range(3):
        store.beat(job.id, lease_of(job), **shown)
    assert store.get(job.id).revision == revision
    assert store.get(job.id).heartbeat == heartbeat + 3
    for change in ({"fraction": 0.5}, {"stage": "export"}, {"engine": "blender"}):
        shown |= change
        store.beat(job.id, lease_of(job), **shown)
        revision += 1
        assert store.peek(job.id) == (revision, "running")


def test_a_stage_is_in_the_journal_once(store: JobStore) -> None:
    job = run(store)
    for stage in ("normalize", "geometry", "normalize"):
        store.record_stage(job.id, lease_of(job), StageEntry(stage, "draft", 1.0, 1, False))
    assert [entry.stage for entry in store.get(job.id).journal] == ["geometry", "normalize"]


def test_the_estimate_is_the_median_of_the_last_nine_runs_that_computed(store: JobStore) -> None:
    job = run(store)
    assert store.expected_seconds("rig", "draft", "image") is None
    for seconds in (100.0,) * 20 + (5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0):
        store.record_stage(job.id, lease_of(job), StageEntry("rig", "draft", seconds, 1, False))
    store.record_stage(job.id, lease_of(job), StageEntry("rig", "draft", 50.0, 1, True))
    assert store.expected_seconds("rig", "draft", "image") == 5.0
    assert store.expected_seconds("rig", "neural", "image") is None
    assert store.expected_seconds("rig", "draft", "mesh") is None


def test_what_was_learnt_outlives_the_job(store: JobStore) -> None:
    job = run(store)
    store.record_stage(job.id, lease_of(job), RIG)
    store.finish(job.id, lease_of(job), [FILE])
    store.remove(job.id)
    assert not store.exists(job.id)
    assert store.expected_seconds("rig", "draft", "image") == 2.0


def test_a_file_is_declared_once(store: JobStore) -> None:
    job = run(store)
    store.add_artifacts(job.id, lease_of(job), [FILE])
    newer = Artifact("rig.json", "rig.json", "application/json", 9, "1" * 64)
    store.finish(job.id, lease_of(job), [newer])
    assert store.get(job.id).artifacts == (newer,)


# --- workers that are gone ---


def test_giving_up_queues_the_job_again_until_it_was_too_often(store: JobStore) -> None:
    add(store)
    for attempt in (1, 2, 3):
        job = store.claim("w")
        assert job is not None
        assert job.attempts == attempt
        after = store.give_up(job, 3, ERROR)
        assert after is not None
        assert after.state == ("queued" if attempt < 3 else "failed")
    assert after.error == ERROR
    assert store.claim("w") is None


def test_giving_up_cancels_where_that_was_asked(store: JobStore) -> None:
    job = run(store)
    store.cancel(job.id)
    current = store.get(job.id)
    after = store.give_up(current, 3, ERROR)
    assert after is not None
    assert (after.state, after.error) == ("cancelled", None)


def test_a_run_that_moved_on_is_not_given_up(store: JobStore) -> None:
    job = run(store)
    store.beat(job.id, lease_of(job), stage=None, engine=None, fraction=0.0)
    assert store.give_up(job, 3, ERROR) is None
    store.finish(job.id, lease_of(job), [])
    assert store.give_up(store.get(job.id), 3, ERROR) is None
