# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown of a job that nobody works on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inference_server.jobs.model import Job
from inference_server.jobs.store import JobStore
from tests.unit.server.desk import Desk
from tests.unit.server.test_store import ERROR, lease_of, run


@pytest.fixture
def store(desk: Desk) -> JobStore:
    return desk.store


def working(store: JobStore) -> Job:
    job = run(store)
    store.beat(job.id, lease_of(job), stage="rig", engine="draft", fraction=0.5)
    return store.get(job.id)


IDLE_AFTER: dict[str, Callable[[JobStore, Job], object]] = {
    "done": lambda store, job: store.finish(job.id, lease_of(job), []),
    "waiting": lambda store, job: store.pause(job.id, lease_of(job)),
    "cancelled": lambda store, job: store.fail(job.id, lease_of(job), {**ERROR, "code": "Cancelled"}),
    "queued": lambda store, job: store.release(job.id, lease_of(job)),
}


@pytest.mark.parametrize("state", IDLE_AFTER)
def test_a_job_that_does_not_run_shows_no_stage(store: JobStore, state: str) -> None:
    job = working(store)
    assert (job.stage, job.engine, job.fraction) == ("rig", "draft", 0.5)
    IDLE_AFTER[state](store, job)
    after = store.get(job.id)
    assert (after.state, after.stage, after.engine, after.fraction) == (state, None, None, 0.0)


@pytest.mark.parametrize("end", ["pause", "release", "give_up"])
def test_a_cancelled_job_shows_no_stage(store: JobStore, end: str) -> None:
    job = working(store)
    store.cancel(job.id)
    if end == "give_up":
        store.give_up(store.get(job.id), 3, ERROR)
    else:
        getattr(store, end)(job.id, lease_of(job))
    after = store.get(job.id)
    assert (after.state, after.stage, after.engine, after.fraction) == ("cancelled", None, None, 0.0)


def test_a_failed_job_shows_where_it_failed(store: JobStore) -> None:
    job = working(store)
    store.fail(job.id, lease_of(job), ERROR, stage="export", engine="blender")
    after = store.get(job.id)
    assert (after.state, after.stage, after.engine, after.fraction) == ("failed", "export", "blender", 0.0)
    again = store.retry(job.id, 1000)
    assert (again.stage, again.engine) == (None, None)


def test_a_job_that_ended_its_worker_shows_where(store: JobStore) -> None:
    job = working(store)
    after = store.give_up(job, 1, ERROR)
    assert after is not None
    assert (after.state, after.stage, after.engine) == ("failed", "rig", "draft")
