# SPDX-License-Identifier: GPL-3.0-or-later
"""The server lives through what breaks around it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.jobs import figurine
from tests.integration.server_process import Server

pytestmark = pytest.mark.blender

FREE_BYTES = 700_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs root and mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_fails_the_job_and_the_server_lives(small_disk: Path, tmp_path: Path) -> None:
    with Server(small_disk / "home") as server:
        job_id = server.submit(pause_after="normalize", kind="none", texture_px=1024)
        server.wait(job_id, lambda job: job["state"] == "waiting")
        filler = small_disk / "filler"
        stat = os.statvfs(small_disk)
        filler.write_bytes(bytes(stat.f_bavail * stat.f_frsize - FREE_BYTES))
        server.request("POST", f"/v1/jobs/{job_id}/continue")
        failed = server.wait(job_id)
        assert (failed["state"], failed["error"]["code"]) == ("failed", "DiskFull")
        assert "No space is left" in failed["error"]["message"]
        filler.unlink()
        assert server.request("POST", f"/v1/jobs/{job_id}/retry").status_code == 202
        assert server.wait(job_id)["state"] == "done"
        assert not [path for path in (small_disk / "home" / "cache").rglob("*") if path.name.startswith(".partial")]


def test_a_truncated_upload_leaves_nothing_and_no_job(tmp_path: Path) -> None:
    with Server(tmp_path / "home", ("--no-worker",)) as server:
        host, port = server.handshake.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = (
                f"POST /v1/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.handshake.token}\r\n"
                "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
                '--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
            )
            connection.sendall(head.encode() + b"\x89PNG\r\n\x1a\n" + bytes(1000))
        time.sleep(0.5)
        assert server.request("GET", "/v1/jobs").json()["jobs"] == []
        jobs = tmp_path / "home" / "jobs"
        assert not jobs.exists() or list(jobs.iterdir()) == []


def test_requests_that_never_reach_the_application_get_the_same_error_shape(tmp_path: Path) -> None:
    with Server(tmp_path / "home", ("--no-worker",), {"FIGURINE_MAX_UPLOAD_MIB": "1"}) as server:
        host, port = server.handshake.url.removeprefix("http://").split(":")
        for request, status, code in (
            (b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 413, "UploadTooLarge"),
            (b"GARBAGE\r\n\r\n", 400, "RequestInvalid"),
            (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n", 400, "RequestInvalid"),
        ):
            with socket.create_connection((host, int(port)), timeout=10) as connection:
                connection.sendall(request)
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
            head, _, body = answer.partition(b"\r\n\r\n")
            assert int(head.split()[1]) == status, head
            assert json.loads(body)["error"]["code"] == code


def test_a_damaged_jobs_table_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "jobs.sqlite").write_bytes(b"no database at all" * 100)
    done = figurine("serve", home=home, environment={"FIGURINE_PORT": "0"})
    assert done.exit_code == 1
    assert "jobs.sqlite cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_slow_client_does_not_stall_the_others(tmp_path: Path) -> None:
    with Server(tmp_path / "home", ("--no-worker",)) as server:
        host, port = server.handshake.url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port)), timeout=10) for _ in range(30)]
        try:
            for connection in slow:
                connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500000\r\n\r\nabc")
            for _ in range(10):
                assert server.request("GET", "/v1/health").status_code == 200
        finally:
            for connection in slow:
                connection.close()
