# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked while no server runs, and by whom: orders wait in the journal, and others' jobs can be left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from blender_addon.errors import DiskFull
from blender_addon.job import Request
from blender_addon.jobs.aim import Aim, SentPart
from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import FigurineServer, managed
from tests.unit.addon.test_job_engine import FILES

WORDS = {"code": "NoSubject", "message": "Nothing stands out.", "hint": "Crop it.", "retryable": False}

pytestmark = pytest.mark.usefixtures("in_a_hurry")


@pytest.mark.parametrize("order", ["retry", "resume"])
def test_what_is_asked_while_the_server_is_stopped_is_done_when_it_runs(
    home: Path, jobs_folder: Path, picture: Path, order: str
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        with FigurineServer(home) as server:
            key = blender.generate(picture, pause_after="normalize")
            job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
            if order == "retry":
                server.desk.store.fail(job.id, job.lease, WORDS)
            else:
                server.desk.store.pause(job.id, job.lease)
            blender.wait_for(key, "failed" if order == "retry" else "waiting")
        assert not blender.job(key).waits_for_server
        (blender.engine.retry if order == "retry" else blender.engine.resume)(key)
        asked = blender.wait_for(key, "queued")
        assert asked.waits_for_server
        assert asked.error is None or asked.error.code != "NoSubject"
    with Blender(jobs_folder, managed(home)) as again:
        assert not again.wait_for(key, "queued").waits_for_server, "only what is asked in this Blender starts a server"
        with FigurineServer(home) as server:
            again.wait(lambda: any(request.endswith(("/retry", "/continue")) for request in server.requests))
            again.wait(lambda: server.desk.show(job.id)["state"] == "queued" and again.job(key).error is None)
            again.settle(0.1)
            assert (again.job(key).state, again.job(key).error) == ("queued", None)
            assert len([request for request in server.requests if request.startswith("POST")]) == 1


def test_a_retry_that_no_server_heard_of_can_be_taken_back(home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        with FigurineServer(home) as server:
            key = blender.generate(picture)
            job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
            server.desk.store.fail(job.id, job.lease, WORDS)
            blender.wait_for(key, "failed")
        blender.engine.retry(key)
        blender.wait_for(key, "queued")
        blender.engine.cancel(key)
        assert blender.wait_for(key, "failed").error.code == "NoSubject"


def test_a_session_that_adopts_nothing_leaves_others_jobs_alone(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
    with Blender(jobs_folder, managed(home), adopts=False) as command:
        other = command.generate(picture)
        server.desk.finish(str(command.wait_for(other, "queued").job_id), **FILES)
        command.wait_for_result(other)
        command.engine.watch(1)
        command.settle(0.3)
        assert [result.key for result in command.results] == [other]
    with Blender(jobs_folder, managed(home)) as blender:
        blender.wait_for_result(key)


def test_a_mesh_with_its_bones_is_sent_when_the_server_runs_and_its_aim_is_remembered(
    home: Path, jobs_folder: Path, tmp_path: Path
) -> None:
    aim = Aim("skin", "fox_rig", (SentPart("fox", 3),))

    def written(name: str, content: str) -> Path:
        (tmp_path / name).write_text(content)
        return tmp_path / name

    with Blender(jobs_folder, managed(home)) as blender:
        request = Request(
            None,
            "fox_rig",
            {"outputs": "rig"},
            mesh=lambda: written("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
            skeleton=lambda: written("a.json", "{}"),
            aim=aim,
        )
        key = blender.engine.generate(request)
        blender.wait(lambda: (jobs_folder / key / "skeleton.json").is_file())
    with Blender(jobs_folder, managed(home)) as again, FigurineServer(home) as server:
        job = again.wait_for(key, "queued")
        again.wait(lambda: again.job(key).job_id is not None)
        stored = server.desk.store.get(str(again.job(key).job_id))
        assert stored.input_kind == "mesh" and stored.settings["outputs"] == "rig"
        assert job.aim == aim


def test_a_mesh_that_cannot_be_written_ends_its_job_with_a_sentence(
    home: Path, jobs_folder: Path, tmp_path: Path
) -> None:
    def full() -> Path:
        raise DiskFull(str(tmp_path))

    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.engine.generate(Request(None, "fox_rig", {}, mesh=full))
        assert "No space is left" in blender.wait_for(key, "failed").error.message
