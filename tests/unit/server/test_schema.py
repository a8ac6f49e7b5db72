# SPDX-License-Identifier: GPL-3.0-or-later
"""The database survives an upgrade, and is left alone where it cannot be one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from inference_server.errors import StateError
from inference_server.jobs import schema
from inference_server.jobs.store import JobStore


def write_first_version(path: Path) -> None:
    """A database as the first version made it, with a job that ended."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        schema._create_first_tables(connection)
        connection.exec_driver_sql("PRAGMA user_version = 1")
        connection.execute(
            schema.jobs.insert().values(
                id="a" * 32,
                revision=5,
                state="done",
                input_kind="image",
                input_name="old.png",
                settings={"seed": 1},
                digest="d",
                created_s=1.0,
                updated_s=2.0,
                attempts=1,
                cancel_requested=False,
                fraction=1.0,
                heartbeat=9,
            )
        )
        common = {"job": "a" * 32, "peak_bytes": 1, "fallback_reason": "", "notes": ["kept"]}
        lines = [("geometry", 3.0, False), ("texture", 4.0, True)]
        for place, (stage, seconds, reused) in enumerate(lines, 1):
            line = {"stage": stage, "place": place, "engine": "draft", "seconds": seconds, "reused": reused}
            connection.execute(schema.stages.insert().values(**common, **line))
    engine.dispose()


def test_a_database_of_the_first_version_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    write_first_version(path)
    for _ in range(2):  # the second time there is nothing to do
        store = JobStore(path)
        job = store.get("a" * 32)
        assert (job.state, job.input_name, job.journal[0].notes) == ("done", "old.png", ("kept",))
        assert store.expected_seconds("geometry", "draft", "image") == 3.0
        assert store.expected_seconds("texture", "draft", "image") is None
        store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert connection.execute("SELECT count(*) FROM timings").fetchone() == (1,)
    connection.close()


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "jobs.sqlite"
    write_first_version(path)

    def fail(connection: sa.Connection) -> None:
        schema._add_timings(connection)
        raise OSError("the power went")

    monkeypatch.setattr(schema, "_STEPS", (schema._create_first_tables, fail))
    with pytest.raises(OSError, match="power"):
        JobStore(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'timings'").fetchone() is None
    connection.close()


def test_a_database_of_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StateError, match="later Figurine"):
        JobStore(path)
    assert path.read_bytes()[100:] == before[100:]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StateError, match=r"jobs\.sqlite cannot be used"):
        JobStore(path)
