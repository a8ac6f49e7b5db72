# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against the real application, and against everything else that may listen there."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blender_addon.client import Artifact, Client
from blender_addon.errors import (
    BadToken,
    DiskFull,
    NotFigurine,
    PictureUnreadable,
    Refused,
    ResultDamaged,
    ServerNotRunning,
    ServerSilent,
    WrongVersion,
)
from blender_addon.transport import Aborted
from tests.unit.addon.servers import VERSION, FigurineServer, OddServer, SilentServer, reply
from tests.unit.server.desk import PICTURE, TOKEN

KEY = "0" * 32
JOB = "1" * 32
CONTENT = b"a figure" * 1000
Connect = Callable[..., Client]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FigurineServer]:
    with FigurineServer(tmp_path / "home") as server:
        yield server


@pytest.fixture
def client(server: FigurineServer) -> Iterator[Client]:
    client = Client(server.url, TOKEN)
    yield client
    client.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "füchslein & co.png"
    path.write_bytes(PICTURE)
    return path


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, and closes them."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(contextlib.closing(Client(*arguments, **options)))


def artifact(content: bytes = CONTENT, **values: Any) -> Artifact:
    shown = {"name": "figure.fbx", "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return Artifact(**{**shown, **values})


def test_health_and_capabilities(client: Client) -> None:
    health = client.health(VERSION)
    assert health.worker is not None
    assert health.worker.alive
    capabilities = client.capabilities()
    assert "draft" in capabilities.engines
    assert "blender" not in capabilities.engines
    assert capabilities.limits.max_upload_mib > 0


def test_a_job_through_its_life(client: Client, server: FigurineServer, picture: Path) -> None:
    job = client.create_job(picture, {"height_m": 2}, KEY, "Füchslein.png")
    assert (job.state, job.input.name, job.settings["height_m"]) == ("queued", "Füchslein.png", 2.0)
    assert client.create_job(picture, {"height_m": 2}, KEY, "Füchslein.png").id == job.id
    assert client.job(job.id, job.revision) is None
    server.desk.finish(job.id, figure__fbx=CONTENT, preview__png=b"small")
    done = client.job(job.id, job.revision)
    assert done is not None
    assert done.state == "done"
    assert {file.name for file in done.artifacts} == {"figure.fbx", "preview.png"}
    assert {stage.engine for stage in done.stages} == {"draft", "blender"}
    listed = client.jobs().jobs[0]
    assert listed.thumbnail is not None
    assert client.thumbnail(listed.thumbnail) == b"small"
    again = client.rerun(job.id, {"stage": "rig", "seed": 4}, "1" * 32)
    assert again.id != job.id
    assert again.settings["seeds"]["rig"] == 4
    assert client.cancel(again.id).state == "cancelled"
    assert client.retry(again.id).state == "queued"
    assert client.delete_artifacts(job.id).artifacts == ()


def test_a_waiting_job_goes_on(client: Client, server: FigurineServer) -> None:
    job_id = server.desk.bring_to("waiting")
    assert client.continue_job(job_id, {"depth": 0.5}).settings["depth"] == 0.5


def test_pages(client: Client, server: FigurineServer) -> None:
    for _ in range(3):
        server.desk.queue()
    first = client.jobs(2)
    assert [job.number for job in first.jobs] == [3, 2]
    second = client.jobs(2, first.next_before)
    assert [job.number for job in second.jobs] == [1]
    assert second.next_before is None


def test_what_the_server_refuses_is_said_in_its_words(client: Client, server: FigurineServer, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    with pytest.raises(Refused) as caught:
        client.create_job(text, {}, KEY)
    said = server.desk.send(image=b"no picture").json["error"]
    assert caught.value.code == said["code"] == "UnsupportedMedia"
    assert caught.value.message == said["message"].replace("fox.png", "notes.png")
    assert caught.value.hint == said["hint"]
    assert caught.value.status == 415
    with pytest.raises(Refused) as caught:
        client.job(JOB)
    assert caught.value.code == "NotFound"


def test_a_picture_that_is_gone(client: Client, tmp_path: Path) -> None:
    with pytest.raises(PictureUnreadable, match=r"gone\.png"):
        client.create_job(tmp_path / "gone.png", {}, KEY)


@pytest.mark.parametrize("token", ["", "wrong", "wröng", "wrong “quotes”", "two words"])
def test_the_wrong_token(connect: Connect, server: FigurineServer, token: str) -> None:
    with pytest.raises(BadToken) as caught:
        connect(server.url, token).capabilities()
    assert TOKEN not in caught.value.details


def test_the_wrong_version_is_told_even_where_its_documents_differ(connect: Connect, client: Client) -> None:
    with pytest.raises(WrongVersion, match=r"1\.2\.3.*1\.3\.0"):
        client.health("1.3.0")
    health = {"service": "figurine", "version": "9.0.0", "worker": "of another kind"}
    with OddServer(reply(200, json.dumps(health).encode())) as odd, pytest.raises(WrongVersion):
        connect(odd.url).health(VERSION)


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<html>Welcome to nginx</html>", "text/html"),
        reply(404, b"<html>404</html>", "text/html"),
        reply(500, b""),
        reply(200, b"{}"),
        reply(200, b"[]"),
        reply(200, b'{"service": "comfyui", "version": "1.2.3"}'),
        reply(200, b'{"service": "figurine", "version": 5}'),
        reply(404, b'{"detail": "Not Found"}'),
        reply(401, b'{"error": "unauthorized"}'),
        reply(200, b"[" * 100_000),
        reply(200, b"\xff\xfe\x00"),
        reply(204, b""),
    ],
)
def test_another_program_on_the_port(connect: Connect, answer: Any) -> None:
    with OddServer(answer) as odd, pytest.raises(NotFigurine) as caught:
        connect(odd.url).health(VERSION)
    assert odd.url in caught.value.message


def test_a_program_that_speaks_no_http(connect: Connect) -> None:
    def babble(request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    with OddServer(babble) as odd, pytest.raises((NotFigurine, ServerNotRunning)):
        connect(odd.url).health(VERSION)


def test_an_endless_document_is_cut(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blender_addon.transport._LARGEST_DOCUMENT_BYTES", 1000)
    with OddServer(reply(200, b" " * 2000)) as odd, pytest.raises(NotFigurine):
        connect(odd.url).health(VERSION)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(connect: Connect, status: int) -> None:
    with OddServer(reply(200, b"{}")) as target:
        with OddServer(reply(status, b"", Location=f"{target.url}/v1/health")) as odd, pytest.raises(NotFigurine):
            connect(odd.url, TOKEN).health(VERSION)
        assert target.requests == []


def test_proxies_of_the_environment_are_not_for_this_machine(
    connect: Connect, client: Client, server: FigurineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert connect(server.url, TOKEN).health(VERSION).version == VERSION


def test_a_netrc_does_not_replace_the_token(
    connect: Connect, server: FigurineServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client = connect(server.url, TOKEN)
    client._transport._session.trust_env = True  # as for another machine
    assert client.health(VERSION).worker is not None


def test_nobody_there(connect: Connect) -> None:
    with SilentServer() as silent:
        url = silent.url
    with pytest.raises(ServerNotRunning, match=url):
        connect(url).health(VERSION)


def test_a_server_that_says_nothing(connect: Connect) -> None:
    with SilentServer() as silent, pytest.raises(ServerSilent):
        connect(silent.url, idle_timeout_s=0.1).health(VERSION)


def test_a_server_that_stops_in_the_middle(connect: Connect, tmp_path: Path) -> None:
    def half(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:100])

    with OddServer(half) as odd, pytest.raises(ServerNotRunning):
        connect(odd.url).download(JOB, artifact(), tmp_path / "figure.fbx")
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_hangs_is_ended_from_another_thread(connect: Connect) -> None:
    with SilentServer() as silent:
        client = connect(silent.url)
        ended: list[type[BaseException]] = []

        def ask() -> None:
            try:
                client.health(VERSION)
            except Aborted as error:
                ended.append(type(error))

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.1)
        client.abort()
        thread.join(5)
        assert ended == [Aborted]
        with pytest.raises(Aborted):
            client.health(VERSION)


def test_a_download(client: Client, server: FigurineServer, tmp_path: Path) -> None:
    job_id = server.desk.finish(server.desk.queue(), figure__fbx=CONTENT)
    job = client.job(job_id)
    assert job is not None
    pieces: list[int] = []
    client.download(job_id, job.artifacts[0], tmp_path / "figure.fbx", pieces.append)
    assert (tmp_path / "figure.fbx").read_bytes() == CONTENT
    assert sum(pieces) == len(CONTENT)
    assert not (tmp_path / "figure.fbx.part").exists()


@pytest.mark.parametrize(
    ("sent", "announced", "word"),
    [
        (CONTENT, artifact(size_bytes=len(CONTENT) - 1), "more than"),
        (CONTENT, artifact(size_bytes=len(CONTENT) + 1), "instead of"),
        (CONTENT, artifact(sha256="0" * 64), "digest"),
        (b"", artifact(), "instead of"),
    ],
)
def test_sizes_and_digests_that_lie(
    connect: Connect, tmp_path: Path, sent: bytes, announced: Artifact, word: str
) -> None:
    with OddServer(reply(200, sent, "application/octet-stream")) as odd, pytest.raises(ResultDamaged, match=word):
        connect(odd.url).download(JOB, announced, tmp_path / "figure.fbx")
    assert list(tmp_path.iterdir()) == []


def test_a_size_beyond_the_disk_is_refused_before_anything_is_asked(connect: Connect, tmp_path: Path) -> None:
    with OddServer(reply(200, CONTENT)) as odd:
        with pytest.raises(DiskFull):
            connect(odd.url).download(JOB, artifact(size_bytes=1 << 60), tmp_path / "figure.fbx")
        assert odd.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_disk_that_fills_up_meanwhile(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "figure.fbx.part").symlink_to("/dev/full")
    with OddServer(reply(200, CONTENT, "application/octet-stream")) as odd, pytest.raises(DiskFull):
        connect(odd.url).download(JOB, artifact(), tmp_path / "figure.fbx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/preview.png",
        "//example.org/v1/jobs/x/artifacts/preview.png",
        f"/v1/jobs/{JOB}/artifacts/figure.png?sha256={'0' * 64}",
        f"/v1/jobs/../{JOB}/artifacts/preview.png?sha256={'0' * 64}",
        f"/v1/jobs/{JOB}/artifacts/preview.png?sha256=0",
        "/v1/health",
    ],
)
def test_no_other_address_is_taken_for_a_small_picture(connect: Connect, address: str) -> None:
    with OddServer(reply(200, b"png")) as odd:
        assert connect(odd.url).thumbnail(address) is None
        assert odd.requests == []


@pytest.mark.parametrize("job_id", ["../../etc", "a/b", "", "1" * 31, "G" * 32, "%2e%2e"])
def test_ids_that_could_be_paths_are_refused(connect: Connect, job_id: str) -> None:
    jobs = {"jobs": [], "next_before": None}
    summary = {"id": job_id, "number": 1, "state": "done", "name": "x", "created_s": 1.0, "progress": 1.0}
    jobs["jobs"] = [{**summary, **dict.fromkeys(("stage", "engine", "eta_s", "error", "thumbnail"))}]
    with OddServer(reply(200, json.dumps(jobs).encode())) as odd, pytest.raises(NotFigurine) as caught:
        connect(odd.url).jobs()
    assert caught.value.details.startswith("the id")
