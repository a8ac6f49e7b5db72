# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs table: the one truth about every job.

Every method is one transaction. Methods that write a running job take its lease and raise LeaseLost when another
worker, or nobody, has the job now: two workers never run one job at a time, and a worker that was given up on
changes nothing any more.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from inference_server.errors import JobFinished, NotFound, QueueFull, StateError
from inference_server.jobs import schema
from inference_server.jobs.model import ENDED, Artifact, Job, JobState, NewJob, StageEntry

# As many past runs decide the estimate of a stage's time: enough to ride out one slow run, few enough to follow a
# new machine.
_REMEMBERED_RUNS = 9


class LeaseLost(Exception):
    """This run of the job was given to somebody else, or ended."""


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
                    return _job(connection, row.id), False
            waiting = sa.select(sa.func.count()).where(schema.jobs.c.state == "queued")
            if connection.execute(waiting).scalar_one() >= most_queued:
                raise QueueFull(
                    f"{most_queued} jobs wait already, as many as the server accepts.", "Try again when some are done."
                )
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
            return _job(connection, new.id), True

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._reader.begin() as connection:
            return _job(connection, job_id)

    def peek(self, job_id: str) -> tuple[int, JobState]:
        """Revision and state: one cheap look for those who ask often. Raises NotFound."""
        query = sa.select(schema.jobs.c.revision, schema.jobs.c.state).where(schema.jobs.c.id == job_id)
        with self._reader.begin() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise _no_job()
        return row.revision, row.state

    def page(self, limit: int, before: int | None = None) -> list[Job]:
        """Jobs, newest first; `before`: older than this job number."""
        query = sa.select(schema.jobs.c.id).order_by(schema.jobs.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(schema.jobs.c.number < before)
        with self._reader.begin() as connection:
            return [_job(connection, job_id) for job_id in connection.execute(query).scalars().all()]

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
            job = _job(connection, job_id)
            if job.has_ended:
                raise JobFinished(f"The job has already ended: {job.state}.", "Nothing needs to be cancelled.")
            if job.state == "running":
                _change(connection, job_id, cancel_requested=True)
            else:
                _change(connection, job_id, state="cancelled", ended_s=time.time(), cancel_requested=True)
            return _job(connection, job_id)

    def resume(self, job_id: str, settings: Mapping[str, Any]) -> Job:
        """Queue a waiting job again with these settings. Raises NotFound, StateError."""
        with self._engine.begin() as connection:
            job = _job(connection, job_id)
            if job.state != "waiting":
                raise StateError(f"The job is {job.state}; only one that waits can go on.", "Look at its state again.")
            _requeue(connection, job_id, settings=dict(settings), attempts=0)
            return _job(connection, job_id)

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again; stages that have their result are not repeated.

        Raises NotFound, StateError.
        """
        with self._engine.begin() as connection:
            job = _job(connection, job_id)
            if job.state not in ("failed", "cancelled"):
                raise StateError(
                    f"The job is {job.state}; only one that failed or was cancelled can be retried.",
                    "To run it differently, run it again from a stage.",
                )
            _requeue(connection, job_id, attempts=0)
            return _job(connection, job_id)

    def remove_artifacts(self, job_id: str) -> Job:
        """Forget the files of an ended job; the caller deletes them. Raises NotFound, StateError."""
        with self._engine.begin() as connection:
            job = _job(connection, job_id)
            if not job.has_ended:
                raise StateError(f"The job is {job.state}; its files are in use.", "Cancel it first.")
            connection.execute(schema.artifacts.delete().where(schema.artifacts.c.job == job_id))
            _change(connection, job_id)
            return _job(connection, job_id)

    def remove(self, job_id: str) -> None:
        """Forget an ended job; the caller deletes its folder. Raises NotFound, StateError."""
        with self._engine.begin() as connection:
            job = _job(connection, job_id)
            if not job.has_ended:
                raise StateError(f"The job is {job.state}.", "Cancel it first.")
            connection.execute(schema.jobs.delete().where(schema.jobs.c.id == job_id))

    def ended_oldest_first(self) -> list[Job]:
        """Every job that has ended, the one that was accepted first at the front."""
        query = sa.select(schema.jobs.c.id).where(schema.jobs.c.state.in_(ENDED)).order_by(schema.jobs.c.number)
        with self._reader.begin() as connection:
            return [_job(connection, job_id) for job_id in connection.execute(query).scalars().all()]

    def exists(self, job_id: str) -> bool:
        """Whether the table has this job."""
        with self._reader.begin() as connection:
            query = sa.select(schema.jobs.c.id).where(schema.jobs.c.id == job_id)
            return connection.execute(query).scalar_one_or_none() is not None

    def expected_seconds(self, stage: str, engine: str, input_kind: str) -> float | None:
        """Median of the last runs of this stage on this machine, None before the first."""
        past = schema.timings.c
        query = (
            sa.select(past.seconds)
            .where(past.stage == stage, past.engine == engine, past.input_kind == input_kind)
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
            return _oldest_queued(connection)

    def claim(self, worker: str) -> Job | None:
        """Give the oldest queued job to this worker, under a new lease; None when none waits."""
        with self._engine.begin() as connection:
            job_id = _oldest_queued(connection)
            if job_id is None:
                return None
            job = _job(connection, job_id)
            _change(
                connection,
                job_id,
                state="running",
                worker=worker,
                lease=uuid.uuid4().hex,
                attempts=job.attempts + 1,
                heartbeat=0,
                started_s=job.started_s or time.time(),
            )
            return _job(connection, job_id)

    def beat(self, job_id: str, lease: str, *, stage: str | None, engine: str | None, fraction: float) -> bool:
        """Say that this run is alive and how far it is; True when it shall stop. Raises LeaseLost."""
        with self._engine.begin() as connection:
            job = _job(connection, job_id)
            shown = {"stage": stage, "engine": engine, "fraction": fraction}
            is_same = all(getattr(job, name) == value for name, value in shown.items())
            kept = {"revision": job.revision, "updated_s": job.updated_s} if is_same else {}
            _change_leased(connection, job_id, lease, heartbeat=job.heartbeat + 1, **shown, **kept)
            return job.cancel_requested

    def record_stage(self, job_id: str, lease: str, entry: StageEntry) -> None:
        """Write a finished stage into the journal, once, and learn from its time. Raises LeaseLost."""
        with self._engine.begin() as connection:
            _change_leased(connection, job_id, lease, heartbeat=schema.jobs.c.heartbeat + 1)
            mine = schema.stages.c.job == job_id
            connection.execute(schema.stages.delete().where(mine, schema.stages.c.stage == entry.stage))
            place = sa.select(sa.func.coalesce(sa.func.max(schema.stages.c.place), 0) + 1).where(mine).scalar_subquery()
            values = {**vars(entry), "notes": list(entry.notes)}
            connection.execute(schema.stages.insert().values(job=job_id, place=place, **values))
            if not entry.reused:
                _change(connection, job_id, attempts=1)  # it went on: what kills a worker has not been met yet
                kind = sa.select(schema.jobs.c.input_kind).where(schema.jobs.c.id == job_id).scalar_subquery()
                connection.execute(
                    schema.timings.insert().values(
                        stage=entry.stage, engine=entry.engine, input_kind=kind, seconds=entry.seconds
                    )
                )

    def add_artifacts(self, job_id: str, lease: str, files: Sequence[Artifact]) -> None:
        """Declare files that lie complete in the job's folder; a name declared again is replaced. Raises LeaseLost."""
        with self._engine.begin() as connection:
            _change_leased(connection, job_id, lease)
            _declare(connection, job_id, files)

    def release(self, job_id: str, lease: str, *, is_blameless: bool = True) -> None:
        """Put a running job back into the queue, or end it where a cancel was asked. is_blameless: its worker is
        told to end, so the try does not count. Raises LeaseLost.
        """
        with self._engine.begin() as connection:
            job = _job(connection, job_id)
            values: dict[str, Any] = {"lease_after": None, "worker": None, "attempts": job.attempts - int(is_blameless)}
            if job.cancel_requested:
                values |= {"state": "cancelled", "ended_s": time.time()}
            else:
                values |= {"state": "queued", "stage": None, "engine": None, "fraction": 0.0}
            _change_leased(connection, job_id, lease, **values)

    def pause(self, job_id: str, lease: str) -> None:
        """Let a running job wait for the artist, or end it where a cancel was asked. Raises LeaseLost."""
        with self._engine.begin() as connection:
            values: dict[str, Any] = {"state": "waiting", "lease_after": None, "worker": None}
            if _job(connection, job_id).cancel_requested:
                values |= {"state": "cancelled", "ended_s": time.time()}
            _change_leased(connection, job_id, lease, **values)

    def finish(self, job_id: str, lease: str, files: Sequence[Artifact]) -> None:
        """End a running job with its files. Raises LeaseLost."""
        with self._engine.begin() as connection:
            _change_leased(
                connection,
                job_id,
                lease,
                state="done",
                lease_after=None,
                worker=None,
                ended_s=time.time(),
                fraction=1.0,
            )
            _declare(connection, job_id, files)

    def fail(self, job_id: str, lease: str, error: Mapping[str, Any]) -> None:
        """End a running job with an error's document; `Cancelled` makes it cancelled. Raises LeaseLost."""
        state: JobState = "cancelled" if error["code"] == "Cancelled" else "failed"
        with self._engine.begin() as connection:
            _change_leased(
                connection,
                job_id,
                lease,
                state=state,
                lease_after=None,
                worker=None,
                ended_s=time.time(),
                error=None if state == "cancelled" else dict(error),
            )

    def running(self) -> list[Job]:
        """Every running job."""
        with self._reader.begin() as connection:
            ids = (
                connection.execute(sa.select(schema.jobs.c.id).where(schema.jobs.c.state == "running")).scalars().all()
            )
            return [_job(connection, job_id) for job_id in ids]

    def give_up(self, job: Job, most_attempts: int, error: Mapping[str, Any]) -> Job | None:
        """Take a run whose worker is gone away from it: back to the queue, cancelled where that was asked, or failed
        with this error after so many attempts. None when the run has moved on since `job` was read.
        """
        with self._engine.begin() as connection:
            current = _job(connection, job.id)
            if (current.state, current.lease, current.heartbeat) != ("running", job.lease, job.heartbeat):
                return None
            if current.cancel_requested:
                _change(connection, job.id, state="cancelled", lease=None, worker=None, ended_s=time.time())
            elif current.attempts >= most_attempts:
                ended = {"state": "failed", "error": dict(error), "ended_s": time.time()}
                _change(connection, job.id, lease=None, worker=None, **ended)
            else:
                _requeue(connection, job.id)
            return _job(connection, job.id)


def _oldest_queued(connection: sa.Connection) -> str | None:
    query = sa.select(schema.jobs.c.id).where(schema.jobs.c.state == "queued").order_by(schema.jobs.c.number).limit(1)
    job_id: str | None = connection.execute(query).scalar_one_or_none()
    return job_id


def _job(connection: sa.Connection, job_id: str) -> Job:
    row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise _no_job()
    values = dict(row._mapping)
    del values["key"], values["digest"]
    return Job(**values, journal=_journal(connection, job_id), artifacts=_artifacts(connection, job_id))


def _no_job() -> NotFound:
    return NotFound("There is no such job.", "It may have been deleted; list the jobs again.")


def _journal(connection: sa.Connection, job_id: str) -> tuple[StageEntry, ...]:
    table = schema.stages
    rows = connection.execute(sa.select(table).where(table.c.job == job_id).order_by(table.c.place)).mappings()
    return tuple(
        StageEntry(**{**{key: row[key] for key in row if key not in ("job", "place")}, "notes": tuple(row["notes"])})
        for row in rows
    )


def _artifacts(connection: sa.Connection, job_id: str) -> tuple[Artifact, ...]:
    table = schema.artifacts
    rows = connection.execute(sa.select(table).where(table.c.job == job_id).order_by(table.c.place)).mappings()
    return tuple(Artifact(**{key: row[key] for key in row if key not in ("job", "place")}) for row in rows)


def _declare(connection: sa.Connection, job_id: str, files: Sequence[Artifact]) -> None:
    mine = schema.artifacts.c.job == job_id
    for file in files:
        connection.execute(schema.artifacts.delete().where(mine, schema.artifacts.c.name == file.name))
        place = sa.select(sa.func.coalesce(sa.func.max(schema.artifacts.c.place), 0) + 1).where(mine).scalar_subquery()
        connection.execute(schema.artifacts.insert().values(job=job_id, place=place, **vars(file)))


def _requeue(connection: sa.Connection, job_id: str, **values: Any) -> None:
    cleared = {"lease": None, "worker": None, "stage": None, "engine": None, "fraction": 0.0, "error": None}
    _change(connection, job_id, **cleared, state="queued", ended_s=None, cancel_requested=False, **values)


def _change(connection: sa.Connection, job_id: str, **values: Any) -> None:
    changed = {"revision": schema.jobs.c.revision + 1, "updated_s": time.time(), **values}
    connection.execute(schema.jobs.update().where(schema.jobs.c.id == job_id).values(changed))


def _change_leased(connection: sa.Connection, job_id: str, lease: str, **values: Any) -> None:
    """As `_change`, for the holder of the lease; `lease_after` gives it back."""
    if "lease_after" in values:
        values["lease"] = values.pop("lease_after")
    changed = {"revision": schema.jobs.c.revision + 1, "updated_s": time.time(), **values}
    mine = (schema.jobs.c.id == job_id, schema.jobs.c.lease == lease, schema.jobs.c.state == "running")
    if connection.execute(schema.jobs.update().where(*mine).values(changed)).rowcount != 1:
        raise LeaseLost(job_id)
