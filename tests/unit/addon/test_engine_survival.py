# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever goes away, and whenever: the server, Blender, the disk, the token. Nothing is lost, or it is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blender_addon.client import Client
from blender_addon.job import Notice
from blender_addon.jobs.journal import Journal, Record
from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import (
    FigurineServer,
    OddServer,
    SilentServer,
    at_address,
    managed,
    reply,
)
from tests.unit.addon.test_job_engine import FILES
from tests.unit.server.desk import TOKEN

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.usefixtures("in_a_hurry")


def codes(notices: list[Notice]) -> list[str]:
    return [notice.error.code for notice in notices]


def test_the_server_goes_and_comes_back_elsewhere_with_another_token(
    home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        with FigurineServer(home) as server:
            key = blender.generate(picture)
            job = server.desk.start(str(blender.wait_for(key, "queued").job_id))
            blender.wait_for(key, "running")
        error = blender.wait_for_notice("ServerGone").error
        assert "Nothing is lost" in error.hint
        assert (blender.server.state, blender.server.error) == ("unreachable", error)
        assert blender.job(key).error == error
        blender.settle(0.5)
        assert codes(blender.notices) == ["ServerGone"], "it is said once"
        with FigurineServer(home, "another-token-of-thirty-characters") as server:
            blender.wait(lambda: blender.server.state == "running")
            assert blender.job(key).error is None
            server.desk.store.release(job.id, job.lease)
            server.desk.finish(job.id, **FILES)
            blender.wait_for_result(key)
        assert codes(blender.notices) == ["ServerGone"]


def test_a_server_that_is_replaced_between_two_requests_is_not_missed(
    home: Path, jobs_folder: Path, picture: Path
) -> None:
    first = FigurineServer(home)
    with Blender(jobs_folder, managed(home)) as blender:
        blender.engine.watch(60)
        blender.wait(lambda: blender.server.url == first.url)
        with FigurineServer(home, "another-token-of-thirty-characters") as second:
            first.stop()
            blender.wait(lambda: blender.server.url == second.url)
        assert codes(blender.notices) == []


def test_blender_closes_before_the_picture_was_sent(home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        blender.wait_for_notice("ServerNotRunning")
    picture.unlink()
    with FigurineServer(home) as server, Blender(jobs_folder, managed(home)) as blender:
        job_id = str(blender.wait_for(key, "queued").job_id)
        server.desk.finish(job_id, **FILES)
        blender.wait_for_result(key)
        assert server.requests.count("POST /v1/jobs") == 1


def test_blender_closes_before_the_answer_came(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with SilentServer() as silent, Blender(jobs_folder, at_address(silent.url)) as blender:
        key = blender.generate(picture)
        blender.settle(0.1)
    journal = Journal(jobs_folder)
    journal.open()
    record = journal.records[key]
    journal.put(replace(record, server=f"home:{home}"))  # as it is while the request runs
    client = Client(server.url, TOKEN)
    accepted = client.create_job(jobs_folder / key / record.picture, {}, key, "fox kid.png")
    client.close()
    with Blender(jobs_folder, managed(home)) as blender:
        assert blender.wait_for(key, "queued").job_id == accepted.id
        assert server.desk.store.count("queued") == 1


@pytest.mark.parametrize("state", ["queued", "running", "done"])
def test_blender_closes_and_comes_back(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, state: str
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job_id = str(blender.wait_for(key, "queued").job_id)
        job = None if state == "queued" else server.desk.start(job_id)
        if job is not None:
            blender.wait_for(key, "running")
    if job is not None:
        server.desk.store.release(job_id, job.lease)
    if state == "done":
        server.desk.finish(job_id, **FILES)
    with Blender(jobs_folder, managed(home)) as blender:
        if state != "done":
            blender.wait_for(key, "queued")
            server.desk.finish(job_id, **FILES)
        assert blender.wait_for_result(key).view.name == "fox kid"
        assert server.requests.count("POST /v1/jobs") == 1


def test_blender_is_killed(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom tests.unit.addon.engine_bench import Blender\n"
        "from tests.unit.addon.servers import managed\n"
        "blender = Blender(Path(sys.argv[1]), managed(Path(sys.argv[2])))\n"
        "key = blender.generate(Path(sys.argv[3])); blender.wait_for(key, 'queued'); print(key, flush=True)\n"
        "blender.settle(60)"
    )
    command = [sys.executable, "-c", script, str(jobs_folder), str(home), str(picture)]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    key = killed.stdout.readline().strip()
    with Blender(jobs_folder, managed(home)) as second:
        job_id = str(second.wait_for(key, "queued").job_id)
        killed.kill()
        killed.communicate()
        server.desk.finish(job_id, **FILES)
        second.settle(0.1)
        assert second.results == [], "nobody looks there"
        second.engine.watch(60)
        second.wait_for_result(key)
        assert server.requests.count("POST /v1/jobs") == 1


def test_a_result_is_offered_again_but_not_for_ever(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.wait_for_result(key)
    server.stop()
    with Blender(jobs_folder, managed(home)) as blender:
        blender.wait_for_result(key)
    with Blender(jobs_folder, managed(home)) as blender:
        blender.wait_for(key, "done")
        blender.settle()
        assert blender.results == []
        blender.engine.fetch(key)
        blender.wait_for_result(key)


def test_blender_was_killed_while_it_fetched(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job_id = str(blender.wait_for(key, "queued").job_id)
    (jobs_folder / key / "result.part").mkdir()
    (jobs_folder / key / "result.part" / "figure.fbx").write_bytes(b"half")
    server.desk.finish(job_id, **FILES)
    with Blender(jobs_folder, managed(home)) as blender:
        assert (blender.wait_for_result(key).folder / "figure.fbx").read_bytes() == FILES["figure__fbx"]
    assert not (jobs_folder / key / "result.part").exists()


def test_the_server_has_forgotten_the_job(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        job_id = str(blender.wait_for(key, "queued").job_id)
        blender.close()
    server.desk.store.cancel(job_id)
    server.desk.store.remove(job_id)
    with Blender(jobs_folder, managed(home)) as blender:
        error = blender.wait_for(key, "lost").error
        assert error.code == "JobLost"
        assert "fox kid" in error.message
        assert blender.wait_for_notice("JobLost").key == key
        blender.engine.retry(key)
        assert blender.wait_for(key, "queued").job_id != job_id


def test_the_files_of_a_job_were_deleted(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture, import_when_done=False)
        job_id = server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.wait_for(key, "done")
        server.desk.ask("DELETE", f"/v1/jobs/{job_id}/artifacts")
        blender.engine.fetch(key)
        assert blender.wait_for_notice("ResultMissing").key == key
        assert not (jobs_folder / key / "result.part").exists()


def test_the_disk_is_full_when_the_files_come(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage
    free = {"bytes": 0}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=free["bytes"]))
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.generate(picture)
        server.desk.finish(str(blender.wait_for(key, "queued").job_id), **FILES)
        blender.wait(lambda: (job := blender.job(key)).state == "done" and job.error is not None)
        assert blender.job(key).error.code == "DiskFull"
        assert blender.job(key).result is None
        assert sorted(path.name for path in (jobs_folder / key).iterdir()) == ["picture.png"]
        free["bytes"] = 1 << 40
        blender.engine.retry(key)
        blender.wait_for_result(key)
        blender.wait(lambda: blender.job(key).error is None)
        assert codes(blender.notices) == ["DiskFull"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(home: Path, tmp_path: Path, picture: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with Blender(tmp_path / "locked/jobs", managed(home)) as blender:
        blender.wait_for_notice("FolderUnwritable")


def test_a_folder_that_cannot_be_made(home: Path, tmp_path: Path, picture: Path) -> None:
    (tmp_path / "file").touch()
    with FigurineServer(home) as server, Blender(tmp_path / "file/jobs", managed(home)) as blender:
        blender.wait_for_notice("FolderUnwritable")
        key = blender.generate(picture)
        blender.wait_for(key, "failed")
        blender.settle(0.1)
        assert "POST /v1/jobs" not in server.requests, "what cannot be remembered is not sent"


@pytest.mark.parametrize(
    ("server_state", "code", "answer"),
    [
        ("unreachable", "NotFigurine", reply(200, b"<html>", "text/html")),
        ("unreachable", "NotFigurine", reply(302, b"", Location="http://127.0.0.1:1/")),
        ("wrong_version", "WrongVersion", reply(200, b'{"service": "figurine", "version": "9.9.9"}')),
    ],
)
def test_servers_that_are_not_ours(jobs_folder: Path, picture: Path, server_state: str, code: str, answer: Any) -> None:
    with OddServer(answer) as odd, Blender(jobs_folder, at_address(odd.url)) as blender:
        key = blender.generate(picture)
        assert blender.wait_for_notice(code).key == key
        assert blender.server.state == server_state
        assert blender.server.error.code == code
        assert blender.job(key).state == "sending"
        blender.settle()
        assert codes(blender.notices) == [code]
        assert set(odd.requests) == {"GET /v1/health"}


def test_the_wrong_token_and_then_the_right_one(server: FigurineServer, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, at_address(server.url, "wrong")) as blender:
        key = blender.generate(picture)
        assert blender.wait_for_notice("BadToken").key == key
        assert blender.server.state == "bad_token"
        blender.engine.configure(at_address(server.url))
        blender.wait_for(key, "queued")


def test_a_server_that_says_nothing(jobs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blender_addon.client.Client.__init__.__defaults__", ("", 0.1, 0.1))
    with SilentServer() as silent, Blender(jobs_folder, at_address(silent.url)) as blender:
        blender.engine.watch(60)
        blender.wait(lambda: blender.server.error is not None)
        assert (blender.server.state, blender.server.error.code) == ("unreachable", "ServerSilent")


def test_another_machine_without_online_access(jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, at_address("192.0.2.1")) as blender:
        blender.generate(picture)
        notice = blender.wait_for_notice("OnlineAccessOff")
        assert "Nothing was sent" in notice.error.message
        assert blender.server.state == "offline"


def test_jobs_of_another_server_wait_for_it(home: Path, jobs_folder: Path, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with FigurineServer(home) as server, FigurineServer(tmp_path / "other") as other:
        with Blender(jobs_folder, managed(home)) as blender:
            key = blender.generate(picture)
            job_id = str(blender.wait_for(key, "queued").job_id)
            blender.engine.configure(managed(tmp_path / "other"))
            blender.engine.watch(60)
            assert "another server" in blender.wait_for(key, "lost").error.message
            blender.settle(0.1)
            assert not any(job_id in request for request in other.requests)
            blender.engine.configure(managed(home))
            blender.wait_for(key, "queued")
            server.desk.finish(job_id, **FILES)
            blender.wait_for_result(key)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"format": 99}', b'{"format": 1, "jobs": [{"key": "../../x"}], "hidden": []}'],
)
def test_a_damaged_journal_is_set_aside(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, content: bytes
) -> None:
    jobs_folder.mkdir()
    (jobs_folder / "jobs.json").write_bytes(content)
    with Blender(jobs_folder, managed(home)) as blender:
        notice = blender.wait_for_notice("JournalDamaged")
        (kept,) = jobs_folder.glob("jobs-damaged-*.json")
        assert kept.read_bytes() == content
        assert str(kept) in notice.error.message
        blender.wait_for(blender.generate(picture), "queued")
        assert codes(blender.notices) == ["JournalDamaged"]


def test_two_blenders_share_the_folder(server: FigurineServer, home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as second:
        with Blender(jobs_folder, managed(home)) as first:
            key = first.generate(picture)
            other = second.generate(picture)
            job_id = str(first.wait_for(key, "queued").job_id)
            second.wait_for(other, "queued")
            second.engine.watch(60)
            second.wait_for(key, "queued")
            assert {record["key"] for record in json.loads((jobs_folder / "jobs.json").read_text())["jobs"]} == {
                key,
                other,
            }
            server.desk.finish(job_id, **FILES)
            first.wait_for_result(key)
            second.wait_for(key, "done")
            second.settle(0.1)
            assert second.results == [], "only the Blender that asked imports"
            third = first.generate(picture)
            job_id = str(first.wait_for(third, "queued").job_id)
        server.desk.finish(job_id, **FILES)
        second.wait_for_result(third)


def test_a_cancel_survives_blender(home: Path, jobs_folder: Path, picture: Path) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        with FigurineServer(home) as server:
            key = blender.generate(picture)
            job_id = str(blender.wait_for(key, "queued").job_id)
        blender.wait_for_notice("ServerGone")
        blender.engine.cancel(key)
        blender.settle(0.1)
        assert blender.job(key).is_cancelling
    with FigurineServer(home) as server, Blender(jobs_folder, managed(home)) as blender:
        blender.wait_for(key, "cancelled")
        assert server.desk.show(job_id)["state"] == "cancelled"


def test_a_record_never_names_a_path() -> None:
    values: dict[str, Any] = {"owner": "", "name": "x", "created_s": 0.0, "settings": {}, "import_when_done": True}
    for bad in ({"key": "../x"}, {"key": "A" * 32}, {"key": "0" * 32, "picture": "../x.png"}):
        with pytest.raises(Exception, match="key"):
            Record(**{**values, **bad})
