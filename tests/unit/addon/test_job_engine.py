# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine with the real application: a job's life, its end, and all that the artist may ask of it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import FigurineServer, SilentServer, at_address, managed

pytestmark = pytest.mark.usefixtures("in_a_hurry")

FILES = {
    "figure__fbx": b"fbx" * 100_000,
    "figure__glb": b"glb",
    "rig__json": b"{}",
    "report__json": b"{}",
    "preview__png": b"preview",
    "surprise__sh": b"rm -rf ~",
}


def test_a_picture_becomes_a_result(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture, height_m=2)
        assert blender.job(key) is not None, "it is shown at once"
        job_id = blender.wait_for(key, "queued").job_id
        assert job_id is not None
        picture.unlink()
        assert server.desk.show(job_id)["settings"]["name"] == "fox_kid"
        server.desk.record(server.desk.start(job_id), "normalize")
        blender.wait(lambda: len(blender.job(key).stages) == 1)
        running = blender.job(key)
        assert running is not None
        assert (running.state, running.is_busy, running.settings["height_m"]) == ("running", True, 2.0)
        server.desk.store.release(job_id, server.desk.store.get(job_id).lease)
        server.desk.finish(job_id, **FILES)
        result = blender.wait_for_result(key)
        assert {path.name for path in result.folder.iterdir()} == {
            "figure.fbx",
            "figure.glb",
            "rig.json",
            "report.json",
            "preview.png",
        }
        assert (result.folder / "figure.fbx").read_bytes() == FILES["figure__fbx"]
        done = blender.wait_for(key, "done")
        assert (done.result, done.error, done.progress) == (result.folder, None, 1.0)
        blender.engine.mark_imported(key)
        blender.wait(lambda: blender.job(key).is_imported)
        assert len(blender.results) == 1
        assert blender.notices == []
    with Blender(jobs_folder, managed(home)) as again:
        again.wait_for(key, "done")
        again.settle()
        assert again.results == []
        again.engine.fetch(key)
        again.wait_for_result(key)


def test_without_a_wish_to_import_nothing_is_fetched(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture, import_when_done=False)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        assert blender.wait_for(key, "done").result is None
        blender.engine.fetch(key, then_import=False)
        blender.wait(lambda: blender.job(key).result is not None)
        blender.settle(0.1)
        assert blender.results == []


def test_an_offer_that_was_turned_down_is_not_made_again(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.wait_for_result(key)
        blender.engine.keep_for_later(key)
        blender.settle()
        assert not blender.job(key).is_imported
    with Blender(jobs_folder, managed(home)) as again:
        again.wait_for(key, "done")
        again.settle()
        assert again.results == []
        assert not again.job(key).is_imported
        again.engine.fetch(key)
        again.wait_for_result(key)


def test_nobody_looks_and_nothing_runs_nothing_is_asked(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        blender.settle()
        assert server.requests == []
        blender.engine.watch(0.3)
        blender.wait(lambda: blender.server.state == "running")
        assert (blender.server.engines, blender.server.worker_alive) == (("draft", "neural"), True)
        blender.settle(0.5)
        asked = len(server.requests)
        assert asked > 3
        blender.settle()
        assert len(server.requests) == asked
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.wait_for_result(key)
        blender.settle(0.1)
        asked = len(server.requests)
        blender.settle()
        assert len(server.requests) == asked


def test_a_cancel_is_shown_at_once_and_done(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
        blender.wait_for(key, "running")
        blender.engine.cancel(key)
        assert blender.job(key).is_cancelling
        blender.wait(lambda: server.desk.store.get(job.id).cancel_requested)
        blender.settle(0.1)
        assert blender.job(key).is_cancelling
        server.desk.store.release(job.id, job.lease)
        assert not blender.wait_for(key, "cancelled").is_cancelling
        blender.engine.retry(key)
        blender.wait_for(key, "queued")
        assert server.requests.count(f"DELETE /v1/jobs/{job.id}") == 1


def test_a_cancel_does_not_wait_for_a_server_that_hangs(jobs_folder: Path, picture: Path) -> None:
    with SilentServer() as silent, Blender(jobs_folder, at_address(silent.url)) as blender:
        key = blender.generate(picture)
        blender.settle(0.1)
        blender.engine.cancel(key)
        assert blender.job(key).is_cancelling


def test_a_cancel_before_anything_was_sent_sends_nothing(home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        notice = blender.wait_for_notice("ServerNotRunning")
        assert (notice.key, notice.is_reply) == (key, False)
        assert blender.job(key).waits_for_server
        blender.engine.cancel(key)
        ended = blender.wait_for(key, "cancelled")
        assert (ended.is_cancelling, ended.waits_for_server) == (False, False)
        with FigurineServer(home) as server:
            blender.engine.watch(60)
            blender.wait(lambda: blender.server.state == "running")
            blender.settle(0.1)
            assert "POST /v1/jobs" not in server.requests


def test_what_was_never_sent_can_be_deleted_without_a_server(home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        blender.wait_for_notice("ServerNotRunning")
        assert (jobs_folder / key).exists()
        blender.engine.delete(key)
        blender.wait(lambda: not (jobs_folder / key).exists())
        assert key not in (jobs_folder / "jobs.json").read_text(encoding="utf-8")


def test_a_click_that_needs_a_server_now_is_answered(server: FigurineServer, home: Path, jobs_folder: Path) -> None:
    for _ in range(4):
        server.desk.queue()
    with Blender(jobs_folder, managed(home)) as blender:
        blender.engine.watch(60)
        blender.wait(lambda: blender.engine.snapshot.has_more)
        server.stop()
        blender.wait(lambda: blender.server.state == "absent")
        blender.engine.load_more()
        blender.wait(lambda: any(notice.is_reply for notice in blender.notices))


def test_a_fault_hides_nothing_else(jobs_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blender_addon.jobs.link.Link.ensure", lambda link: 1 / 0)
    with Blender(jobs_folder, managed(home)) as blender:
        blender.engine.watch(60)
        key = blender.generate(home / "gone.png")
        assert blender.wait_for(key, "failed").error.code == "PictureUnreadable"
        assert "ZeroDivisionError" in blender.wait_for_notice("InternalFault").error.message


def test_a_cancel_too_late_changes_nothing(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.engine.cancel(key)
        blender.wait_for_result(key)
        assert not blender.wait_for(key, "done").is_cancelling


def test_a_failed_job_speaks_the_servers_words(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    words = {"code": "NoSubject", "message": "Nothing stands out.", "hint": "Crop it.", "retryable": False}
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
        server.desk.store.fail(job.id, job.lease, words)
        error = blender.wait_for(key, "failed").error
        assert (error.code, error.message, error.hint) == ("NoSubject", "Nothing stands out.", "Crop it.")
        assert blender.wait_for_notice("NoSubject").key == key
        blender.close()
        with Blender(jobs_folder, managed(home)) as again:
            assert again.wait_for(key, "failed").error == error
            again.engine.retry(key)
            again.wait_for(key, "queued")
            assert again.job(key).error is None


def test_pictures_that_cannot_be_sent(server: FigurineServer, home: Path, jobs_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    with Blender(jobs_folder, managed(home)) as blender:
        for name, code in {
            "gone.png": "PictureUnreadable",
            "empty.png": "PictureUnreadable",
            "folder.png": "PictureUnreadable",
            "text.png": "UnsupportedMedia",
            "odd\0name.png": "PictureUnreadable",
        }.items():
            key = blender.generate(tmp_path / name)
            error = blender.wait_for(key, "failed").error
            assert error.code == code, name
            assert error.message
        said = server.desk.send(image=b"no picture").json["error"]
        assert error.code != said["code"]
        assert any(notice.error.hint == said["hint"] for notice in blender.notices)


def test_a_waiting_job_goes_on_when_asked(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture, pause_after="normalize")
        job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
        server.desk.store.pause(job.id, job.lease)
        blender.wait_for(key, "waiting")
        blender.engine.resume(key, {"depth": 2.0})
        assert blender.wait_for(key, "queued").settings["depth"] == 2.0
        blender.engine.resume(key)
        assert blender.wait_for_notice("StateError").key == key


def test_a_job_is_made_again_from_a_stage(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.wait_for_result(key)
        other = blender.engine.rerun(key, "rig", seed=7)
        again = blender.wait_for(other, "queued")
        assert again.settings["seeds"] == {"rig": 7, "export": 7}
        assert again.name == "fox kid"
        server.desk.finish(str(again.job_id), **FILES)
        blender.wait_for_result(other)
        third = blender.engine.rerun(other, "paint")
        assert blender.wait_for(third, "failed").error.code == "RequestInvalid"


def test_the_servers_other_jobs_are_shown_fetched_and_deleted(
    server: FigurineServer, home: Path, jobs_folder: Path
) -> None:
    for _ in range(4):
        last = server.desk.bring_to("cancelled")
    done = server.desk.finish(server.desk.queue(), **FILES)
    with Blender(jobs_folder, managed(home)) as blender:
        blender.engine.watch(60)
        blender.wait_for(done, "done")
        assert not blender.job(done).is_ours
        assert len(blender.engine.snapshot.jobs) == 3
        assert blender.engine.snapshot.has_more
        blender.engine.load_more()
        blender.wait(lambda: len(blender.engine.snapshot.jobs) == 5)
        assert not blender.engine.snapshot.has_more
        assert [job.number for job in blender.engine.snapshot.jobs] == [5, 4, 3, 2, 1]
        blender.wait(lambda: blender.job(done).thumbnail is not None)
        assert blender.job(done).thumbnail.read_bytes() == b"preview"
        blender.engine.fetch(done)
        folder = blender.wait_for_result(done).folder
        blender.engine.delete(done)
        assert blender.job(done) is None, "it is gone at once"
        blender.wait(lambda: not server.desk.show(done)["artifacts"])
        blender.engine.retry(last)
        blender.wait_for(last, "queued")
        blender.settle(0.1)
        assert blender.job(done) is None
        assert not folder.exists()
        assert blender.notices == []


def test_deleting_a_job_that_runs_stops_it_first(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
        blender.wait_for(key, "running")
        blender.engine.delete(key)
        assert blender.job(key) is None
        blender.wait(lambda: server.desk.store.get(job.id).cancel_requested)
        server.desk.store.release(job.id, job.lease)
        blender.wait(lambda: f"DELETE /v1/jobs/{job.id}/artifacts" in server.requests)
        blender.settle(0.1)
        assert blender.job(key) is None
        assert not (jobs_folder / key).exists()


def test_old_results_go_and_those_that_wait_stay(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blender_addon.jobs.ledger._MOST_RESULTS", 1)
    with Blender(jobs_folder, managed(home)) as blender:
        keys = []
        for number in range(4):
            keys.append(blender.generate(picture, seed=number))
            server.desk.finish(str(blender.wait_for(keys[-1], "queued").job_id), **FILES)
            blender.wait_for_result(keys[-1])
            if number != 1:
                blender.engine.mark_imported(keys[-1])
        blender.wait(lambda: not (jobs_folder / keys[2]).exists())
        assert [(jobs_folder / key).exists() for key in keys] == [False, True, False, True]


def test_closing_is_quick_while_a_request_hangs(jobs_folder: Path, picture: Path) -> None:
    before = set(threading.enumerate())
    with SilentServer() as silent:
        blender = Blender(jobs_folder, at_address(silent.url))
        blender.generate(picture)
        blender.settle(0.2)
        started_s = time.monotonic()
        blender.close()
        assert time.monotonic() - started_s < 10, "it was waited for, not ended"
        assert set(threading.enumerate()) <= before
