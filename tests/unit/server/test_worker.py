# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker around the pipeline, which is a stand-in here: what it does with inputs, results, faults and the table."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from inference_server.core.pipeline import Outcome
from inference_server.core.stage import Control, Progress
from inference_server.errors import EmptySurface, ExportCrashed
from inference_server.jobs import faults
from inference_server.jobs.queue import TableQueue
from inference_server.jobs.worker import Worker
from tests.unit.server.desk import MESH, Desk

Make = Callable[[Control], Outcome]


def worker_of(desk: Desk, make: Make, queue: Any = None) -> Worker:
    """A worker whose pipeline does this."""
    worker = Worker(desk.config, desk.store, desk.folders, queue or TableQueue(desk.store), lambda: None)
    worker._pipeline.make_figure = lambda source, settings, control, corrections: make(control)  # type: ignore[method-assign]
    return worker


def run_next(desk: Desk, make: Make) -> None:
    worker = worker_of(desk, make)
    job = desk.store.claim(worker.name)
    assert job is not None
    worker.run(job)


def test_a_finished_job_has_its_files_and_nothing_else(desk: Desk, picture: bytes, tiny_outcome: Outcome) -> None:
    job_id = desk.queue(image=picture)
    desk.publish(job_id, "report.json", b"of a run that was given up on")
    run_next(desk, lambda control: tiny_outcome)
    shown = desk.show(job_id)
    assert (shown["state"], shown["stage"], shown["stage_progress"]) == ("done", None, 0.0)
    names = {"figure.fbx", "figure.glb", "preview.png", "rig.json", "weights.npz", "report.json", "source.png"}
    assert {file["name"] for file in shown["artifacts"]} == names
    lying = {path.name for path in (desk.folders.folder(job_id) / "artifacts").iterdir()}
    assert lying == {desk.place_of(job_id, name).name for name in names}
    for file in shown["artifacts"]:
        reply = desk.ask("GET", file["url"])
        assert len(reply.data) == file["size_bytes"]
        assert reply.headers["Content-Disposition"] == f"attachment; filename={file['name']}"


@pytest.mark.parametrize("kind", ["image", "mesh", "mesh but not its skeleton"])
def test_an_input_that_is_gone_is_said_to_be(desk: Desk, picture: bytes, tiny_outcome: Outcome, kind: str) -> None:
    if kind == "mesh but not its skeleton":
        job_id = desk.queue(mesh=MESH, skeleton=b"{}")
        desk.folders.input(job_id, "mesh.obj").unlink()
    else:
        job_id = desk.queue(**{kind: picture if kind == "image" else MESH})
        desk.folders.remove(job_id)
    run_next(desk, lambda control: tiny_outcome)
    shown = desk.show(job_id)
    assert (shown["state"], shown["error"]["code"]) == ("failed", "NotFound")
    assert shown["error"]["message"] == "The job's input is gone."
    assert "new job" in shown["error"]["hint"]


def test_a_failed_job_tells_its_stage_however_soon_it_fails(desk: Desk, picture: bytes) -> None:
    def fail(control: Control) -> Outcome:
        control.on_progress(Progress("geometry", "draft", 0.25))
        raise EmptySurface("Nothing is there.", "Use another picture.")

    job_id = desk.queue(image=picture)
    run_next(desk, fail)
    shown = desk.show(job_id)
    assert (shown["state"], shown["stage"], shown["engine"]) == ("failed", "geometry", "draft")
    assert shown["stage_progress"] == 0.0


def test_a_job_that_was_deleted_meanwhile_ends_no_worker(desk: Desk, picture: bytes) -> None:
    job_id = desk.queue(image=picture)

    def lose(control: Control) -> Outcome:
        assert desk.store.give_up(desk.store.get(job_id), 1, {"code": "WorkerLost"}) is not None
        desk.store.remove(job_id)
        raise ExportCrashed("Blender ended.", "Run it again.")

    run_next(desk, lose)
    assert not desk.store.exists(job_id)


class BrokenQueue:
    """Fails with these codes of SQLite, one a look, and stops the worker then."""

    def __init__(self, *codes: int) -> None:
        self._codes = list(codes)
        self.looks = 0

    def put(self, job_id: str) -> None:
        raise AssertionError("nobody puts")

    def wait(self, stop: threading.Event) -> bool:
        self.looks += 1
        if not self._codes:
            stop.set()
            return False
        error = sqlite3.OperationalError("so it is")
        error.sqlite_errorcode = self._codes.pop(0)
        raise OperationalError("SELECT", {}, error)


def test_looking_for_work_survives_what_passes(
    desk: Desk, tiny_outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_PAUSE_S", 0.001)
    queue = BrokenQueue(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)
    worker_of(desk, lambda control: tiny_outcome, queue).run_until(threading.Event())
    assert queue.looks == 3


def test_looking_for_work_ends_at_what_does_not_pass(desk: Desk, tiny_outcome: Outcome) -> None:
    queue = BrokenQueue(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_READONLY)
    with pytest.raises(OperationalError):
        worker_of(desk, lambda control: tiny_outcome, queue).run_until(threading.Event())
    assert queue.looks == 1
