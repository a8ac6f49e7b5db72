# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's engine with a real server: from a picture to fetched files, while the server is killed in between."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from blender_addon.connection import Connection
from inference_server import __version__
from tests.integration.jobs import ROOT
from tests.integration.server_process import Server
from tests.unit.addon.engine_bench import Blender

pytestmark = [pytest.mark.blender, pytest.mark.timeout(600)]

PICTURE = ROOT / "examples/fox_kid.png"
PATIENCE_S = 240.0


def connection_to(home: Path) -> Connection:
    return Connection("managed", "", "", home, False, __version__)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.addon.engine_bench._PATIENCE_S", PATIENCE_S)


def test_a_picture_becomes_files_although_server_and_blender_go(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "jobs"
    server = Server(home)
    server.start()
    try:
        with Blender(folder, connection_to(home)) as blender:
            key = blender.generate(PICTURE, engine="draft", height_m=1.2, texture_px=1024)
            blender.wait(lambda: len(blender.job(key).stages) >= 1)
            workers, first_url = server.workers(), server.handshake.url
            server.kill()
            psutil.wait_procs(workers, timeout=15)
            assert "Start Server" in blender.wait_for_notice("ServerGone").error.hint
            assert blender.job(key).is_busy
            server.start()
            assert server.handshake.url != first_url
            blender.wait(lambda: blender.server.url == server.handshake.url)
            blender.wait(lambda: blender.job(key).stage in ("texture", "rig", "export"))
        with Blender(folder, connection_to(home)) as blender:
            result = blender.wait_for_result(key)
            assert blender.notices == []
        view, files = result.view, {path.name for path in result.folder.iterdir()}
    finally:
        server.stop()
    assert files == {"figure.fbx", "figure.glb", "rig.json", "report.json", "preview.png", "normalized.png"}
    report = json.loads((result.folder / "report.json").read_text(encoding="utf-8"))
    assert [stage["stage"] for stage in report["stages"]] == [stage.stage for stage in view.stages]
    assert (view.name, view.settings["height_m"]) == ("fox kid", 1.2)
    assert (result.folder / "figure.fbx").read_bytes()[:18] == b"Kaydara FBX Binary"
