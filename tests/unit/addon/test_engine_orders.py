# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked while no server runs, and by whom: orders wait in the journal, and others' jobs can be left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

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
