# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server tells of itself is so."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from inference_server.core.chains import CHAINS, ENGINES, MESH_SUFFIXES, PICTURE_FORMATS
from inference_server.core.types import STAGE_NAMES
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import WeightStore, read_manifest
from tests.unit.server.desk import MESH, TOKEN, Desk


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


def test_devices_and_what_keeps_a_stage_from_being_neural_are_told_with_the_token(desk: Desk) -> None:
    told = desk.ask("GET", "/v1/health").json["compute"]
    assert told["devices"][0] == {"kind": "cuda", "name": "NVIDIA GeForce RTX 4090", "memory_bytes": 24 << 30}
    (rig,) = told["neural"]
    assert (rig["stage"], rig["state"], rig["weights"]) == ("rig", "no_weights", ["unirig-skin"])
    assert "compute" not in desk.ask("GET", "/v1/health", token=None).json


def test_the_limits_are_the_configured_ones(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_queued=3, max_upload_mib=7, engine="draft")
    told = desk.ask("GET", "/v1/capabilities").json
    assert (told["limits"]["max_queued"], told["limits"]["max_upload_mib"]) == (3, 7)
    assert told["default_policy"] == "draft"
    assert TOKEN not in json.dumps(told)
    assert str(tmp_path) not in json.dumps(told)


class EveryWeight(WeightStore):
    """A store in which nothing is missing."""

    def locate(self, weight_id: str) -> Path:
        return self.folder(weight_id)


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_the_registry_builds_every_engine_that_is_told(desk: Desk, stage: str) -> None:
    weights = EveryWeight(desk.config.weights_root, read_manifest())
    registry = EngineRegistry(BlenderProcess(None, desk.config.work_root), weights)
    told = {entry["stage"]: entry["engines"] for entry in desk.ask("GET", "/v1/capabilities").json["stages"]["image"]}
    for engine in told[stage]:
        built = registry.choose(stage, engine).stage
        assert (built.name, built.engine) == (stage, engine)


def test_what_is_told_is_what_is_read(desk: Desk) -> None:
    told = desk.ask("GET", "/v1/capabilities").json
    assert {kind: [entry["stage"] for entry in chain] for kind, chain in told["stages"].items()} == {
        kind: list(chain) for kind, chain in CHAINS.items()
    }
    assert set(ENGINES) == set(STAGE_NAMES) == set(CHAINS["image"])
    assert told["picture_formats"] == list(PICTURE_FORMATS)
    for suffix in told["mesh_suffixes"]:
        assert desk.send(mesh=(io.BytesIO(MESH), f"fox{suffix}")).status_code == 202
    assert told["mesh_suffixes"] == list(MESH_SUFFIXES)
