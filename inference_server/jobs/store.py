# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs table: the one truth about every job.

Every method is one transaction. Methods that write a running job take its lease and raise LeaseLost when another
worker, or nobody, has the job now: two workers never run one job at a time, and a worker that was given up on
changes nothing any more.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from inference_server.errors import JobFinished, StateError
from inference_server.jobs import schema
from inference_server.jobs.model import ENDED, Artifact, Job, JobState, NewJob, OtherInput, StageEntry
from inference_server.jobs.rows import (
    IDLE,
    LeaseLost,
    change,
    change_leased,
    declare,
    find_oldest_queued,
    forget_artifacts,
    forget_stages,
    no_such_job,
    read_job,
    read_leased,
    requeue,
    require_room,
)

__all__ = ["JobStore", "LeaseLost"]

# As many past runs decide the estimate of a stage's time: enough to ride out one slow run, few enough to follow a
# new machine.
_REMEMBERED_RUNS = 9


class JobStore:
    """The table in `path`, made or upgraded when opened. Safe to share between threads and processes."""

    def __init__(self, path: Path) -> None:
        self._engine = schema.open_database(path)
        self._reader = schema.reader(self._engine)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    # --- what clients ask for ---

    def add(self, new: NewJob, most_queued: int) -> tuple[Job, bool]:
        """Accept a job; True when it is new, False when its idempotency key brought the job that exists already.

        Raises StateError when the key was used for another request, QueueFull when so many jobs wait.
        """
        with self._engine.begin() as connection:
            if new.key is not None:
                row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.key == new.key)).one_or_none()
                if row is not None and row.digest != new.digest:
                    raise StateError(
                        "This idempotency key was used for another request.", "Use a new key for a new job."
                    )
                if row is not None:
                    return read_job(connection, row.id), False
            require_room(connection, most_queued)
            now_s = time.time()
            connection.execute(
                schema.jobs.insert().values(
                    id=new.id,
                    revision=1,
                    state="queued",
                    input_kind=new.input_kind,
                    input_name=new.input_name,
                    settings=dict(new.settings),
                    digest=new.digest,
                    key=new.key,
                    parent=new.parent,
                    created_s=now_s,
                    updated_s=now_s,
                    attempts=0,
                    cancel_requested=False,
                    fraction=0.0,
                    heartbeat=0,
                )
            )
            return read_job(connection, new.id), True

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._reader.begin() as connection:
            return read_job(connection, job_id)

    def peek(self, job_id: str) -> tuple[int, JobState]:
        """Revision and state: one cheap look for those who ask often. Raises NotFound."""
        query = sa.select(schema.jobs.c.revision, schema.jobs.c.state).where(schema.jobs.c.id == job_id)
        with self._reader.begin() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise no_such_job()
        return row.revision, row.state

    def page(self, limit: int, before: int | None = None) -> list[Job]:
        """Jobs, newest first; `before`: older than this job number."""
        query = sa.select(schema.jobs.c.id).order_by(schema.jobs.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(schema.jobs.c.number < before)
        with self._reader.begin() as connection:
            return [read_job(connection, job_id) for job_id in connection.execute(query).scalars().all()]

    def count(self, *states: JobState) -> int:
        """How many jobs are in one of these states."""
        query = sa.select(sa.func.count()).where(schema.jobs.c.state.in_(states))
        with self._reader.begin() as connection:
            return int(connection.execute(query).scalar_one())

    def cancel(self, job_id: str) -> Job:
        """A job that is not running is cancelled at once, a running one as soon as its worker notices.

        Raises NotFound, JobFinished.
        """
        with self._engine.begin() as connection:
            job = read_job(connection, job_id)
            if job.has_ended:
                raise JobFinished(f"The job has already ended: {job.state}.", "Nothing needs to be cancelled.")
            if job.state == "running":
                change(connection, job_id, cancel_requested=True)
            else:
                change(connection, job_id, state="cancelled", ended_s=time.time(), cancel_requested=True)
            return read_job(connection, job_id)

    def resume(self, job_id: str, settings: Mapping[str, Any], most_queued: int) -> Job:
        """Queue a waiting job again with these settings. Raises NotFound, StateError, QueueFull."""
        with self._engine.begin() as connection:
            job = read_job(connection, job_id)
            if job.state != "waiting":
                raise StateError(f"The job is {job.state}; only one that waits can go on.", "Look at its state again.")
            require_room(connection, most_queued)
            if {**job.settings, "pause_after": None} != {**settings, "pause_after": None}:
                forget_stages(connection, job_id)
            requeue(connection, job_id, settings=dict(settings), attempts=0)
            return read_job(connection, job_id)

    def replace_input(self, job_id: str, other: OtherInput, most_queued: int) -> Job:
        """Queue a job that waits or failed again, from the start, with another picture, which is put in its place
        meanwhile, while nobody can start it. Raises NotFound, StateError, QueueFull, and what `put` raises.
        """
        with self._engine.begin() as connection:
            job = read_job(connection, job_id)
            if job.state not in ("waiting", "failed"):
                raise StateError(
                    f"The job is {job.state}; only one that waits or failed takes another picture.",
                    "Make a new job from the picture.",
                )
            require_room(connection, most_queued)
            other.put()
            forget_stages(connection, job_id)
            forget_artifacts(connection, job_id)
            requeue(connection, job_id, input_name=other.input_name, settings=dict(other.settings), attempts=0)
            return read_job(connection, job_id)

    def retry(self, job_id: str, most_queued: int) -> Job:
        """Queue a failed or cancelled job again; stages that have their result are not repeated.

        Raises NotFound, StateError, QueueFull.
        """
        with self._engine.begin() as connection:
            job = read_job(connection, job_id)
            if job.state not in ("failed", "cancelled"):
                raise StateError(
                    f"The job is {job.state}; only one that failed or was cancelled can be retried.",
                    "To run it differently, run it again from a stage.",
                )
            require_room(connection, most_queued)
            requeue(connection, job_id, attempts=0)
            return read_job(connection, job_id)

    def remove_artifacts(self, job_id: str, delete_files: Callable[[], None]) -> Job:
        """Forget the files of an ended job. They are deleted meanwhile, while the job cannot be started again and make
        new ones. Raises NotFound, StateError.
        """
        with self._engine.begin() as connection:
            job = read_job(connection, job_id)
            if not job.has_ended:
                raise StateError(f"The job is {job.state}; its files are in use.", "Cancel it first.")
            forget_artifacts(connection, job_id)
            delete_files()
            change(connection, job_id)
            return read_job(connection, job_id)

    def remove(self, job_id: str) -> None:
        """Forget an ended job; the caller deletes its folder. Raises NotFound, StateError."""
        with self._engine.begin() as connection:
            job = read_job(connection, job_id)
            if not job.has_ended:
                raise StateError(f"The job is {job.state}.", "Cancel it first.")
            connection.execute(schema.jobs.delete().where(schema.jobs.c.id == job_id))

    def ended_oldest_first(self) -> list[Job]:
        """Every job that has ended, the one that was accepted first at the front."""
        query = sa.select(schema.jobs.c.id).where(schema.jobs.c.state.in_(ENDED)).order_by(schema.jobs.c.number)
        with self._reader.begin() as connection:
            return [read_job(connection, job_id) for job_id in connection.execute(query).scalars().all()]

    def exists(self, job_id: str) -> bool:
        """Whether the table has this job."""
        with self._reader.begin() as connection:
            query = sa.select(schema.jobs.c.id).where(schema.jobs.c.id == job_id)
            return connection.execute(query).scalar_one_or_none() is not None

    def expected_seconds(self, stage: str, engine: str, kind: str) -> float | None:
        """kind: see `timing_kind`. Median of the last runs of this stage on this machine, None before the first."""
        past = schema.timings.c
        query = (
            sa.select(past.seconds)
            .where(past.stage == stage, past.engine == engine, past.input_kind == kind)
            .order_by(past.number.desc())
            .limit(_REMEMBERED_RUNS)
        )
        with self._reader.begin() as connection:
            seconds = sorted(connection.execute(query).scalars())
        return seconds[len(seconds) // 2] if seconds else None

    # --- what workers do ---

    def oldest_queued(self) -> str | None:
        """The id of the job that has waited longest, None when none waits."""
        with self._reader.begin() as connection:
            return find_oldest_queued(connection)

    def claim(self, worker: str) -> Job | None:
        """Give the oldest queued job to this worker, under a new lease; None when none waits."""
        with self._engine.begin() as connection:
            job_id = find_oldest_queued(connection)
            if job_id is None:
                return None
            job = read_job(connection, job_id)
            change(
                connection,
                job_id,
                state="running",
                worker=worker,
                lease=uuid.uuid4().hex,
                attempts=job.attempts + 1,
                heartbeat=0,
                started_s=job.started_s or time.time(),
            )
            return read_job(connection, job_id)

    def beat(self, job_id: str, lease: str, *, stage: str | None, engine: str | None, fraction: float) -> bool:
        """Say that this run is alive and how far it is; True when it shall stop. Raises LeaseLost."""
        with self._engine.begin() as connection:
            row = read_leased(connection, job_id, lease)
            shown = {"stage": stage, "engine": engine, "fraction": fraction}
            is_same = all(getattr(row, name) == value for name, value in shown.items())
            kept = {"revision": row.revision, "updated_s": row.updated_s} if is_same else {}
            change(connection, job_id, heartbeat=row.heartbeat + 1, **shown, **kept)
            return bool(row.cancel_requested)

    def record_stage(self, job_id: str, lease: str, entry: StageEntry, kind: str | None = None) -> None:
        """Write a finished stage into the journal, once, and learn from its time, under the job's input kind or
        another `timing_kind`. Raises LeaseLost.
        """
        with self._engine.begin() as connection:
            change_leased(connection, job_id, lease, heartbeat=schema.jobs.c.heartbeat + 1)
            mine = schema.stages.c.job == job_id
            connection.execute(schema.stages.delete().where(mine, schema.stages.c.stage == entry.stage))
            place = sa.select(sa.func.coalesce(sa.func.max(schema.stages.c.place), 0) + 1).where(mine).scalar_subquery()
            values = {**vars(entry), "notes": list(entry.notes)}
            connection.execute(schema.stages.insert().values(job=job_id, place=place, **values))
            if not entry.reused:
                change(connection, job_id, attempts=1)  # it went on: what kills a worker has not been met yet
                own = sa.select(schema.jobs.c.input_kind).where(schema.jobs.c.id == job_id).scalar_subquery()
                lesson = {"stage": entry.stage, "engine": entry.engine, "seconds": entry.seconds}
                connection.execute(schema.timings.insert().values(input_kind=own if kind is None else kind, **lesson))

    def add_artifacts(self, job_id: str, lease: str, files: Sequence[Artifact]) -> None:
        """Declare files that lie complete in the job's folder; a name declared again is replaced. Raises LeaseLost."""
        with self._engine.begin() as connection:
            change_leased(connection, job_id, lease)
            declare(connection, job_id, files)

    def release(self, job_id: str, lease: str, *, is_blameless: bool = True) -> None:
        """Put a running job back into the queue, or end it where a cancel was asked. is_blameless: its worker is
        told to end, so the try does not count. Raises LeaseLost.
        """
        with self._engine.begin() as connection:
            row = read_leased(connection, job_id, lease)
            ended = {"state": "cancelled", "ended_s": time.time()} if row.cancel_requested else {"state": "queued"}
            change(
                connection, job_id, lease=None, worker=None, attempts=row.attempts - int(is_blameless), **ended, **IDLE
            )

    def pause(self, job_id: str, lease: str) -> None:
        """Let a running job wait for the artist, or end it where a cancel was asked. Raises LeaseLost."""
        with self._engine.begin() as connection:
            row = read_leased(connection, job_id, lease)
            after = {"state": "cancelled", "ended_s": time.time()} if row.cancel_requested else {"state": "waiting"}
            change(connection, job_id, lease=None, worker=None, **after, **IDLE)

    def finish(self, job_id: str, lease: str, files: Sequence[Artifact]) -> Job:
        """End a running job with its files. Raises LeaseLost."""
        with self._engine.begin() as connection:
            change_leased(
                connection,
                job_id,
                lease,
                state="done",
                lease_after=None,
                worker=None,
                ended_s=time.time(),
                **IDLE,
            )
            declare(connection, job_id, files)
            return read_job(connection, job_id)

    def fail(
        self, job_id: str, lease: str, error: Mapping[str, Any], *, stage: str | None = None, engine: str | None = None
    ) -> None:
        """End a running job with an error's document; `Cancelled` makes it cancelled. stage, engine: where it failed,
        None before the first. Raises LeaseLost.
        """
        if error["code"] == "Cancelled":
            after = {"state": "cancelled", "error": None, **IDLE}
        else:
            after = {"state": "failed", "error": dict(error), **IDLE, "stage": stage, "engine": engine}
        with self._engine.begin() as connection:
            change_leased(
                connection,
                job_id,
                lease,
                lease_after=None,
                worker=None,
                ended_s=time.time(),
                **after,
            )

    def running(self) -> list[Job]:
        """Every running job."""
        with self._reader.begin() as connection:
            ids = (
                connection.execute(sa.select(schema.jobs.c.id).where(schema.jobs.c.state == "running")).scalars().all()
            )
            return [read_job(connection, job_id) for job_id in ids]

    def give_up(self, job: Job, most_attempts: int, error: Mapping[str, Any]) -> Job | None:
        """Take a run whose worker is gone away from it: back to the queue, cancelled where that was asked, or failed
        with this error after so many attempts. None when the run has moved on since `job` was read.
        """
        with self._engine.begin() as connection:
            current = read_job(connection, job.id)
            if (current.state, current.lease, current.heartbeat) != ("running", job.lease, job.heartbeat):
                return None
            if current.cancel_requested:
                change(connection, job.id, state="cancelled", lease=None, worker=None, ended_s=time.time(), **IDLE)
            elif current.attempts >= most_attempts:
                ended = {"state": "failed", "error": dict(error), "ended_s": time.time(), "fraction": 0.0}
                change(connection, job.id, lease=None, worker=None, **ended)
            else:
                requeue(connection, job.id)
            return read_job(connection, job.id)
