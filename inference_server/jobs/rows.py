# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the jobs table, read and changed inside the transactions of store.py."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from inference_server.errors import NotFound, QueueFull
from inference_server.jobs import schema
from inference_server.jobs.model import Artifact, Job, StageEntry

# Of a job that nobody works on.
IDLE: Mapping[str, Any] = {"stage": None, "engine": None, "fraction": 0.0}


class LeaseLost(Exception):
    """This run of the job was given to somebody else, or ended."""


def find_oldest_queued(connection: sa.Connection) -> str | None:
    """The id of the job that has waited longest."""
    query = sa.select(schema.jobs.c.id).where(schema.jobs.c.state == "queued").order_by(schema.jobs.c.number).limit(1)
    job_id: str | None = connection.execute(query).scalar_one_or_none()
    return job_id


def read_job(connection: sa.Connection, job_id: str) -> Job:
    """A job with its journal and artifacts. Raises NotFound."""
    row = connection.execute(sa.select(schema.jobs).where(schema.jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise no_such_job()
    values = dict(row._mapping)
    del values["key"], values["digest"]
    return Job(**values, journal=_journal(connection, job_id), artifacts=_artifacts(connection, job_id))


def read_leased(connection: sa.Connection, job_id: str, lease: str) -> sa.Row[Any]:
    """The row of a running job, for the holder of its lease. Raises LeaseLost."""
    row = connection.execute(sa.select(schema.jobs).where(*_is_leased(job_id, lease))).one_or_none()
    if row is None:
        raise LeaseLost(job_id)
    return row


def require_room(connection: sa.Connection, most_queued: int) -> None:
    """Raises QueueFull where so many jobs wait already."""
    queued = sa.select(sa.func.count()).where(schema.jobs.c.state == "queued")
    if connection.execute(queued).scalar_one() >= most_queued:
        raise QueueFull(
            f"{most_queued} jobs wait already, as many as the server accepts.", "Try again when some are done."
        )


def no_such_job() -> NotFound:
    """What is raised for an id that the table does not have."""
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


def declare(connection: sa.Connection, job_id: str, files: Sequence[Artifact]) -> None:
    """Write files into the table, each in place of one of its name."""
    mine = schema.artifacts.c.job == job_id
    for file in files:
        connection.execute(schema.artifacts.delete().where(mine, schema.artifacts.c.name == file.name))
        place = sa.select(sa.func.coalesce(sa.func.max(schema.artifacts.c.place), 0) + 1).where(mine).scalar_subquery()
        connection.execute(schema.artifacts.insert().values(job=job_id, place=place, **vars(file)))


def forget_stages(connection: sa.Connection, job_id: str) -> None:
    """Take the journal back, of stages that are to be gone through again; what they made is kept in the cache."""
    connection.execute(schema.stages.delete().where(schema.stages.c.job == job_id))


def forget_artifacts(connection: sa.Connection, job_id: str) -> None:
    """Declare none of the files any more."""
    connection.execute(schema.artifacts.delete().where(schema.artifacts.c.job == job_id))


def requeue(connection: sa.Connection, job_id: str, **values: Any) -> None:
    """Put a job back into the queue as if it had not run, but for its journal and artifacts."""
    cleared = {"lease": None, "worker": None, "error": None, "ended_s": None, "cancel_requested": False}
    change(connection, job_id, state="queued", **cleared, **IDLE, **values)


def change(connection: sa.Connection, job_id: str, **values: Any) -> None:
    """Write these columns and count the revision up."""
    changed = {"revision": schema.jobs.c.revision + 1, "updated_s": time.time(), **values}
    connection.execute(schema.jobs.update().where(schema.jobs.c.id == job_id).values(changed))


def change_leased(connection: sa.Connection, job_id: str, lease: str, **values: Any) -> None:
    """As `change`, for the holder of the lease; `lease_after` gives it back. Raises LeaseLost."""
    if "lease_after" in values:
        values["lease"] = values.pop("lease_after")
    changed = {"revision": schema.jobs.c.revision + 1, "updated_s": time.time(), **values}
    if connection.execute(schema.jobs.update().where(*_is_leased(job_id, lease)).values(changed)).rowcount != 1:
        raise LeaseLost(job_id)


def _is_leased(job_id: str, lease: str) -> tuple[sa.ColumnElement[bool], ...]:
    return schema.jobs.c.id == job_id, schema.jobs.c.lease == lease, schema.jobs.c.state == "running"
