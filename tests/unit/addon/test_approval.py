# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits for the artist, with the real application: what is shown of it, and what it goes on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from blender_addon.jobs.journal import Journal
from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import FigurineServer, managed
from tests.unit.server.desk import PICTURE

pytestmark = pytest.mark.usefixtures("in_a_hurry")

OTHER = PICTURE + b", and another one"
FINDINGS = {
    "format": "figurine-normalization",
    "version": 1,
    "engine": "draft",
    "steps": ["background: alpha of the picture", "framing: centred and squared"],
    "diagnoses": [
        {"code": "blur", "measure": 0.1, "severity": 0.8, "sentence": "It is blurred."},
        {"code": "tilt", "measure": 4.0, "severity": 0.2, "sentence": "It leans."},
    ],
    "subject_fraction": 0.3,
}
SEEN = {"source__png": b"before", "normalized__png": b"after", "normalize__json": json.dumps(FINDINGS).encode()}


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "robot.png"
    path.write_bytes(OTHER)
    return path


def bring_to_waiting(blender: Blender, server: FigurineServer, picture: Path, **seen: bytes) -> str:
    """The key of a job that waits after its picture was normalized."""
    key = blender.generate(picture, pause_after="normalize", kind="bird")
    server.desk.pause(str(blender.wait_for(key, "queued").job_id), **(seen or SEEN))
    blender.wait_for(key, "waiting")
    return key


def sent(server: FigurineServer, key: str, blender: Blender) -> bytes:
    (path,) = server.desk.folders.inputs(str(blender.job(key).job_id))
    return path.read_bytes()


def test_before_and_after_are_fetched_and_are_there_in_the_next_blender(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture)
        blender.wait(lambda: blender.job(key).review is not None)
        review = blender.job(key).review
        assert (review.before.read_bytes(), review.after.read_bytes()) == (b"before", b"after")
        assert review.steps == tuple(FINDINGS["steps"])
        assert [(found.sentence, found.is_serious) for found in review.diagnoses] == [
            ("It is blurred.", True),
            ("It leans.", False),
        ]
        blender.settle(0.2)
        downloads = [request for request in server.requests if "/artifacts/" in request]
        assert len(downloads) == 3, "each once"
    server.stop()
    with Blender(jobs_folder, managed(home)) as again:
        again.wait(lambda: (job := again.job(key)) is not None and job.review == review)


def test_the_picture_of_each_step_is_fetched_in_the_order_of_the_steps(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        steps = {"pose__png": b"redrawn", "background__png": b"cut out", "preview__png": b"none of them"}
        key = bring_to_waiting(blender, server, picture, **SEEN, **steps)
        blender.wait(lambda: blender.job(key).review is not None)
        first = blender.job(key).review
        shown = {name: path.read_bytes() for name, path in first.pictures.items()}
        assert list(shown.items()) == [
            ("before", b"before"),
            ("background", b"cut out"),
            ("pose", b"redrawn"),
            ("after", b"after"),
        ]
        blender.engine.resume(key, {"pause_after": "normalize"})
        job_id = str(blender.job(key).job_id)
        blender.wait(lambda: server.desk.show(job_id)["state"] == "queued")
        server.desk.pause(job_id, **SEEN, **steps | {"pose__png": b"redrawn otherwise"})
        blender.wait(lambda: (review := blender.job(key).review) is not None and review != first)
        assert blender.job(key).review.pictures["pose"].read_bytes() == b"redrawn otherwise"


def test_what_was_changed_is_judged_anew(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture)
        blender.wait(lambda: blender.job(key).review is not None)
        first = blender.job(key).review
        blender.engine.resume(key, {"engines": {"normalize": "draft"}, "pause_after": "normalize"})
        job_id = str(blender.job(key).job_id)
        blender.wait(lambda: server.desk.show(job_id)["state"] == "queued")
        blender.wait(lambda: blender.job(key).review is None)
        server.desk.pause(job_id, **{**SEEN, "normalized__png": b"another after"})
        blender.wait(lambda: (review := blender.job(key).review) is not None and review != first)
        assert blender.job(key).review.after.read_bytes() == b"another after"
        assert not first.after.exists()
        assert blender.job(key).settings["engines"] == {"normalize": "draft"}
        blender.engine.resume(key)
        blender.wait(lambda: server.desk.show(job_id)["settings"]["pause_after"] is None)
        assert blender.notices == []


def test_a_job_that_waits_elsewhere_has_nothing_to_judge(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture, normalized__png=b"after")
        blender.settle(0.2)
        assert blender.job(key).review is None
        assert blender.notices == []


def test_findings_that_cannot_be_read_are_told_once_and_the_job_can_go_on(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture, **{**SEEN, "normalize__json": b'{"format": "a letter"}'})
        assert "normalize.json" in blender.wait_for_notice("ResultDamaged").error.message
        blender.settle(0.3)
        assert len(blender.notices) == 1
        assert not list((jobs_folder / key).glob("review/*"))
        blender.engine.resume(key)
        blender.wait_for(key, "queued")


def test_what_was_damaged_here_is_fetched_again(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture)
        blender.wait(lambda: blender.job(key).review is not None)
        findings = blender.job(key).review.after.with_name("normalize.json")
    findings.write_text("cut off", encoding="utf-8")
    with Blender(jobs_folder, managed(home)) as again:
        again.wait(lambda: (job := again.job(key)) is not None and job.review is not None)
        assert json.loads(findings.read_text(encoding="utf-8")) == FINDINGS


def test_another_picture_takes_the_place_of_the_first(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, other: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture)
        blender.engine.replace_picture(key, other, {"name": "robot", "kind": "auto"})
        job_id = str(blender.job(key).job_id)
        blender.wait(lambda: server.desk.show(job_id)["state"] == "queued")
        blender.wait(lambda: blender.job(key).name == "robot")
        other.unlink()
        assert sent(server, key, blender) == OTHER
        shown = server.desk.show(job_id)
        assert (shown["settings"]["name"], shown["settings"]["pause_after"]) == ("robot", "normalize")
        assert Path(blender.job(key).picture).read_bytes() == OTHER
        assert [path.name for path in (jobs_folder / key).glob("*.png")] == ["picture.png"]
        server.desk.pause(job_id, **SEEN)
        blender.wait(lambda: blender.job(key).review is not None)
        assert blender.notices == []
    shutil.rmtree(home / "jobs")
    server.desk.store.cancel(job_id)
    server.desk.store.remove(job_id)
    with Blender(jobs_folder, managed(home)) as again:
        again.engine.resume(key)
        again.wait_for(key, "lost")
        again.engine.retry(key)
        again.wait(lambda: again.job(key).job_id not in (None, job_id))
        assert sent(server, key, again) == OTHER, "what the server lost is sent as it was last"
        assert again.job(key).settings["kind"] == "auto"


def test_a_picture_that_is_refused_leaves_the_job_as_it_waited(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, tmp_path: Path
) -> None:
    note = tmp_path / "note.png"
    note.write_text("no picture")
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture)
        for path, code in ((note, "UnsupportedMedia"), (tmp_path / "gone.png", "PictureUnreadable")):
            blender.engine.replace_picture(key, path)
            assert blender.wait_for_notice(code).is_reply
            blender.wait(lambda: blender.job(key).review is not None)
            assert blender.job(key).state == "waiting"
        assert sent(server, key, blender) == PICTURE
        assert Path(blender.job(key).picture).read_bytes() == PICTURE


def test_another_picture_waits_for_the_server_and_the_next_blender(
    home: Path, jobs_folder: Path, picture: Path, other: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        with FigurineServer(home) as server:
            key = bring_to_waiting(blender, server, picture)
        blender.engine.replace_picture(key, other)
        assert blender.wait_for(key, "queued").waits_for_server
        other.unlink()
    journal = Journal(jobs_folder)
    journal.open()
    assert (journal.records[key].order, journal.records[key].order_picture) == ("picture", "other.png")
    with FigurineServer(home) as server, Blender(jobs_folder, managed(home)) as again:
        again.wait(lambda: any(request.endswith("/picture") for request in server.requests))
        again.wait(lambda: sent(server, key, again) == OTHER)
        again.settle(0.2)
        assert [request for request in server.requests if request.startswith("POST")] == [
            f"POST /v1/jobs/{again.job(key).job_id}/picture"
        ]


def test_a_failed_job_takes_another_picture(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, other: Path
) -> None:
    words = {"code": "NoSubject", "message": "Nothing stands out.", "hint": "Crop it.", "retryable": False}
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
        server.desk.store.fail(job.id, job.lease, words)
        blender.wait_for(key, "failed")
        blender.engine.replace_picture(key, other)
        blender.wait(lambda: sent(server, key, blender) == OTHER)
        blender.wait(lambda: blender.job(key).error is None)
        blender.wait(lambda: not blender.job(key).waits_for_server)
        assert (blender.job(key).state, blender.job(key).job_id) == ("queued", job.id)
