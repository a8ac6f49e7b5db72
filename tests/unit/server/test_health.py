# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server tells of itself is so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference_server.api.health import ENGINES
from inference_server.api.uploads import MESH_SUFFIXES, PICTURE_FORMATS
from inference_server.core.images import FORMATS
from inference_server.core.types import STAGE_NAMES
from inference_server.stages import scene
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from tests.unit.server.desk import TOKEN, Desk


def test_without_the_token_only_the_version_is_told(desk: Desk) -> None:
    reply = desk.ask("GET", "/v1/health", token=None)
    assert (reply.status_code, reply.json) == (200, {"service": "figurine", "status": "ok", "version": "1.2.3"})


def test_with_the_token_the_work_is_told(desk: Desk) -> None:
    desk.bring_to("done")
    running = desk.bring_to("running")
    queued = desk.queue()
    health = desk.ask("GET", "/v1/health").json
    assert running != queued
    assert health["worker"] == {"alive": True, "jobs_running": 1, "jobs_queued": 1}
    assert 0.0 <= health["uptime_s"] < 600.0


def test_the_limits_are_the_configured_ones(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_queued=3, max_upload_mib=7, engine="draft")
    told = desk.ask("GET", "/v1/capabilities").json
    assert (told["limits"]["max_queued"], told["limits"]["max_upload_mib"]) == (3, 7)
    assert told["default_policy"] == "draft"
    assert TOKEN not in json.dumps(told)
    assert str(tmp_path) not in json.dumps(told)


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_the_engines_are_those_of_the_registry(desk: Desk, stage: str) -> None:
    registry = EngineRegistry(BlenderProcess(None, desk.config.work_root))
    assert ENGINES[stage] == registry.engines_of(stage)
    told = {entry["stage"]: entry["engines"] for entry in desk.ask("GET", "/v1/capabilities").json["stages"]["image"]}
    assert tuple(told[stage]) == ENGINES[stage]


def test_the_formats_are_those_that_the_worker_reads() -> None:
    assert set(PICTURE_FORMATS) == set(FORMATS)
    assert MESH_SUFFIXES == scene.MESH_SUFFIXES
