# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural way of the rig stage: tiny networks in the official layout, by the server and by the command line."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from tests.integration.inspector import inspect
from tests.integration.jobs import figurine
from tests.integration.server_process import Server

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

from safetensors.torch import load_file, save_file

from inference_server.errors import WeightsMissing
from tests.integration.tiny_unirig import JOINTS, PARENTS, SKELETON_ID, SKIN_ID, save_tiny_unirig
from tests.integration.tiny_weights import registry_of, store_of

HEIGHT_M = 1.8
NEURAL = {"engines": {"rig": "neural"}}


def figure() -> trimesh.Trimesh:
    """A doll of tubes around the bones, arms down and out, in glTF's frame: as thin as it is, it is quick to fill."""
    joints = JOINTS[:, [0, 2, 1]] * np.array([1, 1, -1]) * (HEIGHT_M / 2)
    tubes = [
        trimesh.creation.capsule(
            height=float(np.linalg.norm(joints[child] - joints[parent])), radius=0.05, count=(8, 8)
        )
        .apply_transform(trimesh.geometry.align_vectors([0, 0, 1], joints[child] - joints[parent]))
        .apply_translation(joints[parent])
        for child, parent in enumerate(PARENTS)
        if parent >= 0
    ]
    ends = [trimesh.creation.box((0.1, 0.02, 0.1)).apply_translation((0, y, 0)) for y in (-HEIGHT_M / 2, HEIGHT_M / 2)]
    return trimesh.util.concatenate([*tubes, *ends])


@pytest.fixture(scope="module")
def doll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mesh") / "doll.glb"
    path.write_bytes(trimesh.exchange.gltf.export_glb(trimesh.Scene(figure())))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the tiny networks in the place of the published ones."""
    root = tmp_path_factory.mktemp("neural") / "home"
    save_tiny_unirig(root)
    done = figurine("weights", "verify", home=root)
    assert done.exit_code == 0, done.stdout
    return root


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with Server(home) as running:
        yield running


def submit(server: Server, mesh: Path, **settings: Any) -> str:
    files = {"mesh": (mesh.name, mesh.read_bytes())}
    answer = server.request("POST", "/v1/jobs", data={"settings": json.dumps(NEURAL | settings)}, files=files)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def artifact(server: Server, job_id: str, name: str) -> bytes:
    answer = server.request("GET", f"/v1/jobs/{job_id}/artifacts/{name}")
    assert answer.status_code == 200, answer.text
    return answer.content


def bones_of(server: Server, job_id: str) -> list[dict[str, Any]]:
    bones: list[dict[str, Any]] = json.loads(artifact(server, job_id, "rig.json"))["bones"]
    return bones


def weights_of(server: Server, job_id: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(artifact(server, job_id, "weights.npz")), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


@pytest.fixture(scope="module")
def first(server: Server, doll: Path) -> dict[str, Any]:
    """The doll with the skeleton that the network was made to write."""
    job = server.wait(submit(server, doll))
    assert job["state"] == "done", job["error"]
    return job


@pytest.mark.blender
def test_the_skeleton_of_the_network_reaches_blender(
    server: Server, first: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    (rig,) = (stage for stage in first["stages"] if stage["stage"] == "rig")
    assert rig["engine"] == "neural" and rig["fallback_reason"] == ""
    report = json.loads(artifact(server, first["id"], "report.json"))
    (stage,) = (stage for stage in report["stages"] if stage["stage"] == "rig")
    store = store_of(home)
    assert stage["weight_digests"][:2] == [*store.digests(SKELETON_ID), *store.digests(SKIN_ID)]
    bones = bones_of(server, first["id"])
    heads = np.array([bone["head"] for bone in bones])
    assert len(heads) == len(JOINTS)
    low, high = np.array(figure().bounds)[:, [0, 2, 1]] * np.array([1, -1, 1])
    half_m = float(np.abs(high - low).max()) / 2
    assert np.abs(heads - (JOINTS * half_m + (low + high) / 2)).max() <= half_m / 256 + 1e-5  # half a bin to each side
    (tmp_path / "doll.fbx").write_bytes(artifact(server, first["id"], "figure.fbx"))
    (seen,) = inspect(tmp_path / "doll.fbx", is_posed=True)
    (armature,) = seen["armatures"]
    assert {bone["name"]: bone["parent"] for bone in armature["bones"]} == {b["name"]: b["parent"] for b in bones}
    assert seen["stiff_bones"] == []
    weights = weights_of(server, first["id"])
    assert np.allclose(weights["weights"].sum(axis=1), 1, atol=1e-5)
    assert not [warning for warning in first["warnings"] if warning["sentence"].startswith("Bones move")]


@pytest.mark.blender
def test_an_edited_skeleton_is_weighed_by_the_network_and_not_found_again(
    server: Server, first: dict[str, Any]
) -> None:
    bone = bones_of(server, first["id"])[-1]
    x, y, z = bone["head"]
    edit = {"edit": "move", "bone": bone["name"], "head": [x - 0.06, y, z + 0.1]}
    body = {"correction": {"edits": [edit]}, "settings": {"outputs": "rig"}}
    answer = server.request("POST", f"/v1/jobs/{first['id']}/correct", json=body)
    assert answer.status_code == 202, answer.text
    done = server.wait(answer.json()["id"])
    assert done["state"] == "done", done["error"]
    assert done["stages"][-1]["engine"] == "neural"
    assert bones_of(server, done["id"])[-1]["head"] == pytest.approx(edit["head"], abs=1e-5)
    before, after = weights_of(server, first["id"]), weights_of(server, done["id"])
    assert np.array_equal(before["vertices"], after["vertices"])
    assert not np.array_equal(before["weights"], after["weights"])


@pytest.mark.blender
def test_a_skeleton_alone_has_draft_weights_until_it_is_right(
    server: Server, first: dict[str, Any], doll: Path
) -> None:
    quick = server.wait(submit(server, doll, skin="draft", beams=1, outputs="rig"))
    assert quick["state"] == "done", quick["error"]
    assert any("weights are a draft" in warning["sentence"] for warning in quick["warnings"])
    assert bones_of(server, quick["id"]) == bones_of(server, first["id"])
    assert not np.array_equal(weights_of(server, quick["id"])["weights"], weights_of(server, first["id"])["weights"])


def during_rig(job: dict[str, Any]) -> bool:
    """Whether the rig is being made and has told how far it is."""
    assert job["state"] in ("queued", "running"), job
    return job["state"] == "running" and job["stage"] == "rig" and job["stage_progress"] > 0.1


@pytest.mark.blender
def test_a_cancelled_rig_stops_and_goes_on_when_it_is_asked_to(
    server: Server, first: dict[str, Any], doll: Path
) -> None:
    job_id = submit(server, doll, seed=5, outputs="rig")
    server.wait(job_id, during_rig)
    assert server.request("DELETE", f"/v1/jobs/{job_id}").status_code in (200, 202)
    started = time.monotonic()
    assert server.wait(job_id)["state"] == "cancelled"
    assert time.monotonic() - started < 60
    assert server.request("POST", f"/v1/jobs/{job_id}/retry").status_code == 202
    done = server.wait(job_id)
    assert done["state"] == "done", done["error"]
    assert bones_of(server, job_id) == bones_of(server, first["id"])


@pytest.mark.blender
def test_a_worker_that_is_killed_during_the_rig_is_replaced(server: Server, first: dict[str, Any], doll: Path) -> None:
    job_id = submit(server, doll, seed=6, outputs="rig")
    server.wait(job_id, during_rig)
    killed = server.workers()
    for worker in killed:
        worker.kill()
    done = server.wait(job_id)
    assert done["state"] == "done", done["error"]
    assert not {worker.pid for worker in killed} & {worker.pid for worker in server.workers()}
    assert bones_of(server, job_id) == bones_of(server, first["id"])


def test_doctor_tells_which_stages_have_their_weights(home: Path) -> None:
    lines = {line["name"]: line for line in json.loads(figurine("doctor", "--json", home=home).stdout)}
    assert lines["Neural rig"]["is_ok"] and SKIN_ID in lines["Neural rig"]["detail"]
    assert not lines["Neural normalize"]["is_ok"] and "figurine weights fetch" in lines["Neural normalize"]["mend"]
    assert not lines["Neural normalize"]["needed"]


def test_without_weights_auto_drafts_and_says_why_and_neural_refuses(tmp_path: Path) -> None:
    registry = registry_of(tmp_path)
    choice = registry.choose("rig", "auto")
    assert choice.stage.engine == "draft"
    assert f"figurine weights fetch {SKELETON_ID}" in choice.fallback_reason
    with pytest.raises(WeightsMissing):
        registry.choose("rig", "neural")
    save_tiny_unirig(tmp_path)
    assert figurine("weights", "verify", SKELETON_ID, home=tmp_path).exit_code == 0
    assert f"figurine weights verify {SKIN_ID}" in registry_of(tmp_path).choose("rig", "auto").fallback_reason


@pytest.mark.blender
def test_weights_of_another_tokenizer_fail_the_job_in_one_sentence(doll: Path, tmp_path: Path) -> None:
    save_tiny_unirig(tmp_path / "home")
    path = tmp_path / "home" / "weights" / SKELETON_ID / "model.safetensors"
    weights = load_file(path)
    for key in ("model.transformer.lm_head.weight", "model.transformer.model.decoder.embed_tokens.weight"):
        weights[key] = weights[key][:266].clone()
    save_file(weights, path)
    assert figurine("weights", "verify", home=tmp_path / "home").exit_code == 0
    with Server(tmp_path / "home") as server:
        job = server.wait(submit(server, doll, beams=1, outputs="rig"))
    assert job["state"] == "failed" and job["error"]["code"] == "WeightsCorrupt"
    assert "another tokenizer: it knows 266 tokens" in job["error"]["message"]
    assert job["error"]["hint"] == f"Run: figurine weights verify {SKELETON_ID}"
