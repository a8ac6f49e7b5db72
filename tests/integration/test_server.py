# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as a client sees it: a job that is accepted gets done."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_server.jobs.handshake import read_handshake
from tests.integration.jobs import ROOT, command, figurine, report_of, share_stages
from tests.integration.server_process import EXAMPLE, Server, has_ended

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def finished(server: Server) -> dict[str, Any]:
    """A job that went through undisturbed."""
    return server.wait(server.submit())


def test_a_picture_becomes_the_same_figure_as_on_the_command_line(
    server: Server, finished: dict[str, Any], tmp_path: Path
) -> None:
    assert finished["state"] == "done", finished
    done = figurine("run", EXAMPLE, "--out", tmp_path / "out", home=share_stages(tmp_path / "home"))
    assert done.exit_code == 0, done.stderr
    assert server.digests(finished["id"]) == report_of(tmp_path / "out")["digests"]


def test_the_document_tells_everything_that_a_panel_shows(finished: dict[str, Any]) -> None:
    assert [stage["stage"] for stage in finished["stages"]] == ["normalize", "geometry", "texture", "rig", "export"]
    assert {stage["engine"] for stage in finished["stages"][:4]} == {"draft"}
    assert all(stage["fallback_reason"] for stage in finished["stages"][:4])
    assert finished["progress"] == 1.0 and finished["error"] is None
    of_the_picture = {"source.png", "normalized.png", "normalize.json"}
    of_the_figure = {"figure.fbx", "figure.glb", "preview.png", "rig.json", "weights.npz", "report.json"}
    assert {artifact["name"] for artifact in finished["artifacts"]} == of_the_picture | of_the_figure
    assert any("draft" in warning["sentence"] for warning in finished["warnings"])


def test_artifacts_are_whole_ranged_and_tagged(server: Server, finished: dict[str, Any]) -> None:
    for artifact in finished["artifacts"]:
        answer = server.request("GET", artifact["url"])
        assert answer.status_code == 200 and len(answer.content) == artifact["size_bytes"]
        again = server.request("GET", artifact["url"], headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
        part = server.request("GET", artifact["url"], headers={"Range": "bytes=2-9"})
        assert part.status_code == 206 and part.content == answer.content[2:10]


def test_another_kind_from_the_rig_on_reuses_what_was_before(server: Server, finished: dict[str, Any]) -> None:
    answer = server.request(
        "POST", f"/v1/jobs/{finished['id']}/rerun", json={"stage": "rig", "settings": {"kind": "generic"}, "seed": 7}
    )
    assert answer.status_code == 202, answer.text
    done = server.wait(answer.json()["id"])
    assert done["state"] == "done" and done["parent"] == finished["id"]
    assert [stage["reused"] for stage in done["stages"]] == [True, True, True, False, False]


def test_cancel_is_acknowledged_at_once_and_work_stops(server: Server) -> None:
    job_id = server.submit(ROOT / "examples/lantern.png")
    server.wait(job_id, lambda job: (job["state"] == "running" and job["stage"] == "geometry") or has_ended(job))
    asked = time.monotonic()
    answer = server.request("DELETE", f"/v1/jobs/{job_id}")
    assert answer.status_code == 202, answer.text
    assert time.monotonic() - asked < 1.0
    ended = server.wait(job_id)
    assert ended["state"] == "cancelled"
    assert server.request("DELETE", f"/v1/jobs/{job_id}").status_code == 409
    assert server.request("POST", f"/v1/jobs/{job_id}/retry").status_code == 202
    assert server.wait(job_id)["state"] == "done"


def test_the_same_key_is_the_same_job(server: Server, finished: dict[str, Any]) -> None:
    first = server.submit(key="artist-7")
    assert server.submit(key="artist-7") == first
    with EXAMPLE.open("rb") as stream:
        clash = server.request(
            "POST", "/v1/jobs", data={"idempotency_key": "artist-7", "settings": '{"seed": 9}'}, files={"image": stream}
        )
    assert clash.status_code == 409
    assert server.wait(first)["state"] == "done"


def test_a_mesh_is_rigged_to_a_given_skeleton(server: Server, finished: dict[str, Any]) -> None:
    mesh = server.request("GET", f"/v1/jobs/{finished['id']}/artifacts/figure.glb").content
    rig = server.request("GET", f"/v1/jobs/{finished['id']}/artifacts/rig.json").json()
    rig["bones"][-1]["name"] = "renamed"
    files = {"mesh": ("my figure.glb", mesh), "skeleton": ("rig.json", json.dumps(rig).encode())}
    answer = server.request("POST", "/v1/jobs", files=files)
    assert answer.status_code == 202, answer.text
    done = server.wait(answer.json()["id"])
    assert done["state"] == "done", done["error"]
    written = server.request("GET", f"/v1/jobs/{done['id']}/artifacts/rig.json").json()
    assert {bone["name"] for bone in written["bones"]} == {bone["name"] for bone in rig["bones"]}
    assert any("replaced" in warning["sentence"] for warning in done["warnings"])


def test_bad_input_fails_the_job_in_the_words_of_the_command_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(EXAMPLE.read_bytes()[:5000])
    failed = server.wait(server.submit(tmp_path / "half.png"))
    assert (failed["state"], failed["error"]["code"]) == ("failed", "ImageUnreadable")
    assert "half.png" in failed["error"]["message"] and failed["error"]["hint"]
    assert server.wait(server.submit())["state"] == "done"


def test_the_http_process_imports_neither_torch_nor_bpy_nor_trimesh() -> None:
    check = (
        "import sys, inference_server.commands.serve; "
        "print(sorted({'torch', 'bpy', 'trimesh', 'PIL', 'scipy', 'cv2'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_handshake_is_for_its_owner_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Server(home, ("--no-worker",)) as server:
        assert stat.S_IMODE((home / "server.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert read_handshake(home) == server.handshake
        assert server.handshake.token not in " ".join(psutil_command_line(server))
        server.submit()
        assert server.handshake.token not in (home / "logs" / "server.log").read_text(encoding="utf-8")
    assert not (home / "server.json").exists()


def psutil_command_line(server: Server) -> list[str]:
    import psutil

    return psutil.Process(server.process.pid).cmdline()


def test_a_worker_beside_the_server_is_seen_and_readers_of_the_folder_are_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    with Server(home, ("--no-worker",)) as server:

        def is_alive() -> bool:
            return bool(server.request("GET", "/v1/health").json()["worker"]["alive"])

        def wait_until(alive: bool) -> None:
            deadline = time.monotonic() + 30.0
            while is_alive() != alive:
                assert time.monotonic() < deadline
                time.sleep(0.05)

        assert not is_alive()
        environment = os.environ | {"FIGURINE_HOME": str(home)}
        with subprocess.Popen(
            command("worker", "--end-with-stdin"), cwd=ROOT, env=environment, stdin=subprocess.PIPE
        ) as worker:
            wait_until(True)
            worker.kill()
            worker.wait()
            wait_until(False)
        assert stat.S_IMODE(home.stat().st_mode) == 0o755
        assert f"other users of this machine may look into {home}" in server.console()


def test_a_second_server_on_the_same_folder_is_refused(server: Server) -> None:
    done = figurine("serve", home=server.home, environment={"FIGURINE_PORT": "0"})
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1 and server.handshake.url in done.stderr


def test_a_port_with_a_figurine_server_is_named_and_one_with_a_stranger_is_passed_over(
    server: Server, tmp_path: Path
) -> None:
    port = server.handshake.url.rpartition(":")[2]
    done = figurine("serve", "--port", port, home=tmp_path / "home")
    assert done.exit_code == 1 and port in done.stderr
    import socket

    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        with Server(tmp_path / "home2", ("--no-worker", "--port", str(taken))) as other:
            assert int(other.handshake.url.rpartition(":")[2]) > taken


def test_beyond_loopback_a_token_is_demanded(tmp_path: Path) -> None:
    done = figurine("serve", "--host", "0.0.0.0", home=tmp_path / "home")
    assert done.exit_code == 2
    assert "FIGURINE_TOKEN" in done.stderr and done.stderr.count("\n") == 1


def test_the_configuration_is_shown_with_origins_and_without_secrets(tmp_path: Path) -> None:
    secret = "correct horse battery staple"
    key = "AIza-key-of-the-hosted-editor"
    environment = {"FIGURINE_TOKEN": secret, "FIGURINE_GEMINI_KEY": key}
    done = figurine("serve", "--print-config", home=tmp_path, environment=environment)
    assert done.exit_code == 0
    assert secret not in done.stdout and key not in done.stdout
    assert "token = •••• " in done.stdout and "# environment" in done.stdout and "# default" in done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples of the manual need curl")
def test_the_examples_of_the_manual_work(tmp_path: Path) -> None:
    manual = (ROOT / "docs/server.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", manual, re.DOTALL | re.MULTILINE))
    assert "~/.local/share/figurine" in script
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with Server(share_stages(tmp_path / "home")) as server:
        done = subprocess.run(
            ["sh", "-eu", "-c", script.replace("~/.local/share/figurine", str(server.home))],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done
    state, corrected = done.stdout.splitlines()[-2:]
    assert state == "done" and re.fullmatch("[0-9a-f]{32}", corrected), done
    assert (tmp_path / "fox_kid_figure.fbx").read_bytes().startswith(b"Kaydara FBX Binary")
    for name in ("fox_kid_preview.png", "source.png", "normalized.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "approved.json").read_text(encoding="utf-8"))["state"] == "queued"
    weights = json.loads((tmp_path / "weights.json").read_text(encoding="utf-8"))["weights"]
    assert "unirig-skeleton" in [entry["id"] for entry in weights]
    compute = json.loads((tmp_path / "health.json").read_text(encoding="utf-8"))["compute"]
    kinds = [device["kind"] for device in compute["devices"]]
    assert not kinds or (kinds[-1] == "cpu" and len(compute["neural"]) == 4), compute


def test_a_server_ends_with_the_pipe_of_the_program_that_started_it(tmp_path: Path) -> None:
    environment = os.environ | {"FIGURINE_HOME": str(tmp_path / "home"), "FIGURINE_PORT": "0"}
    with subprocess.Popen(
        command("serve", "--end-with-stdin"), cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert b"serves on" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert not (tmp_path / "home" / "server.json").exists()
