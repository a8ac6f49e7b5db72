# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that the server is asked for, against a hub on this machine: real downloads in real children."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from inference_server import weights_downloads
from inference_server.weights import read_manifest
from tests.integration.fake_hub import COMMIT, FakeHub, serve_hub
from tests.integration.jobs import figurine
from tests.integration.server_process import Server
from tests.unit.server.desk import Desk, code_of

ID, OTHER = "birefnet-lite", "birefnet"
LICENCE = {"licence": "MIT"}
CONTENT = bytes(range(256)) * 20_000  # 5 MB: downloads come in blocks of one
STALL = 3_000_000
TIMEOUT_S = 60.0


def hub_environment(hub: FakeHub, home: Path) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(home / "hf"),
        "NO_PROXY": "127.0.0.1",
    }


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serve_hub(CONTENT) as served:
        yield served


@pytest.fixture
def desk(tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """An application whose children meet the hub."""
    for name, value in hub_environment(hub, tmp_path).items():
        monkeypatch.setenv(name, value)
    desk = Desk(tmp_path / "home")
    yield desk
    desk.services.downloads.stop()
    desk.store.close()


def told(desk: Desk, weight_id: str = ID) -> dict[str, Any]:
    listed = desk.ask("GET", "/v1/weights")
    assert listed.status_code == 200, listed.json
    return dict(next(row for row in listed.json["weights"] if row["id"] == weight_id))


def wait(desk: Desk, is_so: Callable[[dict[str, Any]], bool], weight_id: str = ID) -> dict[str, Any]:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_so(row := told(desk, weight_id)):
        assert time.monotonic() < deadline_s, row
        time.sleep(0.05)
    return row


def ask_fetch(desk: Desk, weight_id: str = ID) -> None:
    reply = desk.ask("POST", f"/v1/weights/{weight_id}/fetch", json=LICENCE)
    assert reply.status_code == 202, reply.json
    assert reply.json["download"]["step"] in ("queued", "downloading")


def is_stalled(row: dict[str, Any]) -> bool:
    """The hub has sent all that it sends, and blocks of it are written."""
    return bool(row["fetched_bytes"] >= 2_000_000)


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "fetch" in child.cmdline()]


def test_every_set_is_listed_with_what_is_known_before(desk: Desk) -> None:
    rows = desk.ask("GET", "/v1/weights").json
    assert [row["id"] for row in rows["weights"]] == list(read_manifest())
    assert all(row["state"] == "absent" and row["licence"] and row["size_bytes"] > 1e7 for row in rows["weights"])
    assert {row["id"]: row["is_size_exact"] for row in rows["weights"]}["step1x3d-geometry"]
    assert not told(desk)["is_size_exact"]
    assert rows["obstacle"] == "" and rows["free_bytes"] > 0
    assert str(desk.config.home) not in json.dumps(rows)


def test_a_set_is_fetched_and_can_be_used(desk: Desk, hub: FakeHub) -> None:
    hub.stall_after = STALL
    ask_fetch(desk)
    row = wait(desk, is_stalled)
    download = row["download"]
    assert (download["step"], download["total_bytes"], download["error"]) == ("downloading", len(CONTENT), None)
    ask_fetch(desk)  # once more changes nothing
    hub.go_on.set()
    row = wait(desk, lambda row: row["download"] is None)
    assert (row["state"], row["size_bytes"], row["is_size_exact"]) == ("present", len(CONTENT), True)
    assert row["fetched_bytes"] == 0
    folder = desk.config.weights_root / ID
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    assert json.loads((folder / "figurine.json").read_text())["revision"] == COMMIT
    assert len(hub.ranges) == 2  # its description and its content, once each
    again = desk.ask("POST", f"/v1/weights/{ID}/fetch", json=LICENCE)
    assert (again.status_code, code_of(again)) == (409, "StateError")


def test_a_cancelled_download_keeps_what_it_has_and_goes_on_there(desk: Desk, hub: FakeHub) -> None:
    hub.stall_after = STALL
    ask_fetch(desk)
    wait(desk, is_stalled)
    (child,) = children()
    reply = desk.ask("DELETE", f"/v1/weights/{ID}/fetch")
    assert (reply.status_code, reply.json["download"], reply.json["state"]) == (200, None, "absent")
    child.wait(TIMEOUT_S)
    kept = told(desk)["fetched_bytes"]
    assert 0 < kept <= STALL
    assert not (desk.config.weights_root / ID).exists()
    hub.stall_after = None
    ask_fetch(desk)
    assert wait(desk, lambda row: row["download"] is None)["state"] == "present"
    assert hub.ranges[-1] == f"bytes={kept}-"


def test_downloads_run_one_after_another(desk: Desk, hub: FakeHub) -> None:
    hub.stall_after = STALL
    ask_fetch(desk)
    wait(desk, is_stalled)
    ask_fetch(desk, OTHER)
    assert told(desk, OTHER)["download"]["step"] == "queued"
    assert len(children()) == 1
    assert desk.ask("DELETE", f"/v1/weights/{OTHER}/fetch").json["download"] is None
    ask_fetch(desk, OTHER)
    desk.ask("DELETE", f"/v1/weights/{ID}/fetch")
    hub.go_on.set()
    assert wait(desk, lambda row: row["download"] is None, OTHER)["state"] == "present"
    assert told(desk)["state"] == "absent"


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        ({"announced_size": 10**16}, "DiskFull", "are free"),
        ({"status": 403, "error_code": "GatedRepo"}, "WeightsMissing", "private, gated or gone"),
        pytest.param({"digest": "0" * 64}, "WeightsCorrupt", "than was announced", marks=pytest.mark.full),
    ],
)
def test_a_failed_download_says_why_until_it_is_dismissed(
    desk: Desk, hub: FakeHub, trouble: dict[str, Any], code: str, words: str
) -> None:
    for name, value in trouble.items():
        setattr(hub, name, value)
    ask_fetch(desk)
    failed = wait(desk, lambda row: row["download"] is None or row["download"]["step"] == "failed")["download"]
    assert failed["error"]["code"] == code and words in failed["error"]["message"]
    assert failed["error"]["hint"]
    assert told(desk)["state"] == "absent"
    assert desk.ask("DELETE", f"/v1/weights/{ID}/fetch").json["download"] is None


@pytest.mark.full
def test_a_child_that_is_killed_is_told(desk: Desk, hub: FakeHub) -> None:
    hub.stall_after = STALL
    ask_fetch(desk)
    wait(desk, is_stalled)
    children()[0].kill()
    failed = wait(desk, lambda row: row["download"] is None or row["download"]["step"] == "failed")["download"]
    assert "ended by itself" in failed["error"]["message"] and "what was fetched is kept" in failed["error"]["hint"]


@pytest.mark.parametrize(
    ("weight_id", "body", "status"),
    [
        ("nothing", LICENCE, 404),
        ("..%2f..%2fetc", LICENCE, 404),
        (".parts", LICENCE, 404),
        (ID, {"licence": "Apache-2.0"}, 400),
        (ID, {}, 400),
        (ID, {**LICENCE, "url": "http://evil.example"}, 400),
        (ID, {**LICENCE, "again": True}, 400),
    ],
)
def test_what_is_no_set_or_has_no_licence_is_refused(desk: Desk, weight_id: str, body: Any, status: int) -> None:
    reply = desk.ask("POST", f"/v1/weights/{weight_id}/fetch", json=body)
    assert reply.status_code == status
    assert not children() and not desk.config.weights_root.exists()


def test_a_page_cannot_start_a_download(desk: Desk) -> None:
    fetch = f"/v1/weights/{ID}/fetch"
    assert desk.ask("POST", fetch, json=LICENCE, token=None).status_code == 401
    assert desk.ask("POST", fetch, data=json.dumps(LICENCE), content_type="text/plain").status_code == 415
    assert desk.ask("POST", fetch, json=LICENCE, headers={"Origin": "http://evil.example"}).status_code == 403
    assert told(desk)["download"] is None


def test_a_server_without_the_means_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_downloads, "_NEEDS", "a_module_that_nobody_has")
    assert "without the neural engine" in desk.ask("GET", "/v1/weights").json["obstacle"]
    reply = desk.ask("POST", f"/v1/weights/{ID}/fetch", json=LICENCE)
    assert (reply.status_code, code_of(reply)) == (503, "EngineUnavailable")


def test_a_manifest_that_cannot_be_read_is_named(desk: Desk) -> None:
    desk.config.weights_root.mkdir(parents=True)
    (desk.config.weights_root / "manifest.toml").write_text("[[weights]")
    reply = desk.ask("GET", "/v1/weights")
    assert (reply.status_code, code_of(reply)) == (503, "WeightsCorrupt")
    assert desk.ask("GET", "/v1/capabilities").status_code == 200


@pytest.mark.full
def test_two_programs_do_not_fetch_one_set(desk: Desk, hub: FakeHub) -> None:
    hub.stall_after = STALL
    ask_fetch(desk)
    wait(desk, is_stalled)
    other = figurine("weights", "fetch", ID, home=desk.config.home)
    assert other.exit_code == 1 and "Another program is fetching" in other.stderr


@pytest.mark.parametrize("end", [pytest.param("stop", marks=pytest.mark.full), "kill"])
def test_a_download_ends_with_its_server(tmp_path: Path, hub: FakeHub, end: str) -> None:
    hub.stall_after = STALL
    home = tmp_path / "home"
    with Server(home, ("--no-worker",), hub_environment(hub, tmp_path)) as server:
        server.request("POST", f"/v1/weights/{ID}/fetch", json=LICENCE)
        deadline_s = time.monotonic() + TIMEOUT_S
        while not hub.ranges:
            assert time.monotonic() < deadline_s, server.console()
            time.sleep(0.05)
        fetching = server.workers()
        assert len(fetching) == 1
        getattr(server, end)()
        _, alive = psutil.wait_procs(fetching, timeout=TIMEOUT_S)
        assert not alive
    assert not (home / "weights" / ID).exists()
