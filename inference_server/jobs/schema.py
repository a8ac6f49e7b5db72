# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: its tables, and the steps from any earlier version to this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from inference_server.errors import StateError

# A writer holds the lock for milliseconds; who waits this long has met a fault.
_LOCK_TIMEOUT_S = 30

metadata = sa.MetaData()

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("input_kind", sa.String, nullable=False),
    sa.Column("input_name", sa.String, nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("key", sa.String, unique=True),
    sa.Column("parent", sa.String),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("updated_s", sa.Float, nullable=False),
    sa.Column("started_s", sa.Float),
    sa.Column("ended_s", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("stage", sa.String),
    sa.Column("engine", sa.String),
    sa.Column("fraction", sa.Float, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("lease", sa.String),
    sa.Column("worker", sa.String),
    sa.Column("heartbeat", sa.Integer, nullable=False),
    sqlite_autoincrement=True,
)

stages = sa.Table(
    "stages",
    metadata,
    sa.Column("job", sa.String, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("stage", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("engine", sa.String, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("peak_bytes", sa.Integer, nullable=False),
    sa.Column("reused", sa.Boolean, nullable=False),
    sa.Column("fallback_reason", sa.String, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("job", sa.String, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("file", sa.String, nullable=False),
    sa.Column("media_type", sa.String, nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String, nullable=False),
)

# How long stages took on this machine. It outlives the jobs: the estimate of remaining time is learnt from it.
timings = sa.Table(
    "timings",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("stage", sa.String, nullable=False),
    sa.Column("engine", sa.String, nullable=False),
    sa.Column("input_kind", sa.String, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Index("timings_by_stage", "stage", "engine", "input_kind"),
)


def _create_first_tables(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=[jobs, stages, artifacts])


def _add_timings(connection: sa.Connection) -> None:
    """Start the estimate from the stages that were computed here so far."""
    metadata.create_all(connection, tables=[timings])
    past = (
        sa.select(stages.c.stage, stages.c.engine, jobs.c.input_kind, stages.c.seconds)
        .join(jobs, jobs.c.id == stages.c.job)
        .where(~stages.c.reused)
        .order_by(jobs.c.number, stages.c.place)
    )
    connection.execute(timings.insert().from_select(["stage", "engine", "input_kind", "seconds"], past))


# Step n takes a database of version n to version n + 1.
_STEPS: tuple[Callable[[sa.Connection], None], ...] = (_create_first_tables, _add_timings)
VERSION = len(_STEPS)


def open_database(path: Path) -> sa.Engine:
    """The database, brought to this version in one transaction.

    Raises StateError when a later Figurine wrote it or it is damaged, OSError when its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path)
    except sa.exc.DatabaseError as error:
        raise StateError(
            f"The jobs table {path} cannot be used: {error.orig}.", "Move the file away; a new one is made."
        ) from error


def _open(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": _LOCK_TIMEOUT_S})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > VERSION:
            raise StateError(
                f"The jobs in {path} were written by a later Figurine (version {version} of the table, not {VERSION}).",
                "Update Figurine, or set FIGURINE_HOME to another folder.",
            )
        for step in _STEPS[version:]:
            step(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
    return engine


def reader(engine: sa.Engine) -> sa.Engine:
    """The same database for transactions that only read: they never wait for a writer, nor make one wait."""
    return engine.execution_options(reads_only=True)


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late; `_begin` sends it
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    """Take the write lock at the start: a transaction that reads and then writes is never refused half way."""
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
