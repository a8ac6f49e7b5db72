# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections of real figures: by a real server, whatever happens to it, and by the command."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.inspector import inspect
from tests.integration.jobs import figurine, report_of, share_stages
from tests.integration.server_process import EXAMPLE, Server, has_ended

pytestmark = pytest.mark.blender

TAIL = {
    "edit": "add",
    "parent": "hips",
    "names": ["tail1", "tail2"],
    "joints": [[0, 0.1, 0.5], [0, 0.2, 0.45], [0, 0.3, 0.4]],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(share_stages(tmp_path_factory.mktemp("corrections") / "home")) as running:
        yield running


@pytest.fixture(scope="module")
def first(server: Server) -> dict[str, Any]:
    """A figure as it was found."""
    job = server.wait(server.submit())
    assert job["state"] == "done", job
    return job


def correct(server: Server, job_id: str, *edits: dict[str, Any], **settings: Any) -> str:
    """The id of the corrected job."""
    body = {"correction": {"edits": list(edits)}, "settings": settings}
    answer = server.request("POST", f"/v1/jobs/{job_id}/correct", json=body)
    assert answer.status_code == 202, answer.text
    new_id: str = answer.json()["id"]
    return new_id


def rig_of(server: Server, job_id: str) -> dict[str, dict[str, Any]]:
    """The bones of the job's rig.json by name."""
    document = server.request("GET", f"/v1/jobs/{job_id}/artifacts/rig.json").json()
    return {bone["name"]: bone for bone in document["bones"]}


def weights_of(server: Server, job_id: str) -> dict[str, np.ndarray]:
    """The arrays of the job's weights.npz."""
    content = server.request("GET", f"/v1/jobs/{job_id}/artifacts/weights.npz").content
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def lowered_elbow(server: Server, job_id: str) -> dict[str, Any]:
    """An edit that moves both elbows down and out by a few centimetres."""
    x, y, z = rig_of(server, job_id)["lower_arm.L"]["head"]
    return {"edit": "move", "bone": "lower_arm.L", "head": [x + 0.03, y, z - 0.04], "mirror": True}


def assert_only_the_rig_differs(server: Server, one: str, other: str) -> None:
    before, after = server.digests(one), server.digests(other)
    assert {name for name in before if before[name] != after[name]} == {"skeleton", "weights"}


def test_moved_elbows_change_the_weights_and_not_the_mesh(server: Server, first: dict[str, Any]) -> None:
    edit = lowered_elbow(server, first["id"])
    done = server.wait(correct(server, first["id"], edit, outputs="rig"))
    assert (done["state"], done["parent"]) == ("done", first["id"]), done["error"]
    assert [(stage["stage"], stage["reused"]) for stage in done["stages"]] == [
        ("normalize", True),
        ("geometry", True),
        ("texture", True),
        ("rig", False),
    ]
    assert {file["name"] for file in done["artifacts"]} == {
        "normalized.png",
        "normalize.json",
        "rig.json",
        "weights.npz",
        "report.json",
    }
    assert_only_the_rig_differs(server, first["id"], done["id"])
    bones = rig_of(server, done["id"])
    assert bones["lower_arm.L"]["head"] == bones["upper_arm.L"]["tail"] == pytest.approx(edit["head"], abs=1e-6)
    before, after = weights_of(server, first["id"]), weights_of(server, done["id"])
    assert np.array_equal(before["vertices"], after["vertices"])
    assert before["bones"].tolist() == after["bones"].tolist() == list(bones)
    moved = (before["weights"] != after["weights"]).any(axis=1) | (before["indices"] != after["indices"]).any(axis=1)
    assert moved.any()
    assert np.allclose(after["weights"].sum(axis=1), 1, atol=1e-5)


def test_a_removed_and_an_added_limb_reach_blender(server: Server, first: dict[str, Any], tmp_path: Path) -> None:
    done = server.wait(correct(server, first["id"], TAIL, {"edit": "remove", "bone": "hand.R"}))
    assert done["state"] == "done", done["error"]
    assert_only_the_rig_differs(server, first["id"], done["id"])
    (tmp_path / "figure.fbx").write_bytes(server.request("GET", f"/v1/jobs/{done['id']}/artifacts/figure.fbx").content)
    (seen,) = inspect(tmp_path / "figure.fbx")
    (armature,), (mesh,) = seen["armatures"], seen["meshes"]
    found = {bone["name"]: bone["parent"] for bone in armature["bones"]}
    assert found["tail1"] == "hips" and found["tail2"] == "tail1" and "hand.R" not in found
    weights = weights_of(server, done["id"])
    assert np.abs(np.array(mesh["vertices"]) - weights["vertices"]).max() < 1e-5  # row by row the same
    again = server.wait(correct(server, done["id"], {"edit": "rename", "bone": "tail2", "name": "tip"}, outputs="rig"))
    assert again["state"] == "done", again["error"]
    assert {"tail1", "tip"} <= set(rig_of(server, again["id"])) and "hand.R" not in rig_of(server, again["id"])


def test_another_depth_keeps_the_corrections(server: Server, first: dict[str, Any]) -> None:
    corrected = server.wait(correct(server, first["id"], TAIL, outputs="rig"))
    flat = server.wait(correct(server, corrected["id"], outputs="rig", depth=0.5))
    assert flat["state"] == "done", flat["error"]
    assert "tail2" in rig_of(server, flat["id"])
    assert any("fitted" in warning["sentence"] for warning in flat["warnings"])
    assert server.digests(flat["id"])["mesh"] != server.digests(first["id"])["mesh"]
    deep, shallow = (rig_of(server, job["id"])["tail2"]["tail"][1] for job in (corrected, flat))
    assert shallow < deep


def test_another_kind_without_the_bone_is_the_jobs_error(server: Server, first: dict[str, Any]) -> None:
    failed = server.wait(correct(server, first["id"], lowered_elbow(server, first["id"]), kind="none"))
    assert (failed["state"], failed["error"]["code"]) == ("failed", "CorrectionInvalid")
    assert "no bone 'lower_arm.L'" in failed["error"]["message"]


@pytest.mark.full  # worker's deaths in general are test_server_kill.py's
def test_a_killed_worker_changes_nothing(server: Server, first: dict[str, Any]) -> None:
    undisturbed = server.wait(correct(server, first["id"], TAIL, outputs="rig"))
    job_id = correct(server, first["id"], TAIL, name="Struck")
    server.wait(job_id, lambda job: job["stage"] == "export" or has_ended(job))
    early = {file["name"] for file in server.job(job_id)["artifacts"]}
    assert {"rig.json", "weights.npz"} <= early and "figure.fbx" not in early
    for worker in server.workers():
        worker.kill()
    done = server.wait(job_id)
    assert done["state"] == "done", done["error"]
    assert done["attempts"] > 1 or done["stages"][3]["reused"]
    assert server.digests(job_id) == server.digests(undisturbed["id"])


@pytest.mark.full
def test_a_restart_an_empty_cache_and_a_deleted_parent_change_nothing(
    server: Server, first: dict[str, Any], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with Server(home) as own:
        parent = own.wait(own.submit(outputs="rig"))["id"]
    shutil.rmtree(home / "cache")
    with Server(home) as own:
        job_id = correct(own, parent, TAIL, outputs="rig")
        assert own.request("DELETE", f"/v1/jobs/{parent}/artifacts").status_code == 200
        done = own.wait(job_id)
        assert done["state"] == "done", done["error"]
        assert not any(stage["reused"] for stage in done["stages"])
        same = server.wait(correct(server, first["id"], TAIL, outputs="rig"))
        assert own.digests(job_id) == server.digests(same["id"])
        refused = own.request("POST", f"/v1/jobs/{parent}/correct", json={"correction": {"edits": [TAIL]}})
        assert refused.status_code == 404
        assert "deleted" in refused.json()["error"]["message"]


# --- the command ---


def test_the_command_corrects_as_the_server_does(server: Server, first: dict[str, Any], tmp_path: Path) -> None:
    home, edits = share_stages(tmp_path / "home"), tmp_path / "edits.json"
    edits.write_text(json.dumps({"edits": [TAIL]}), encoding="utf-8")
    done = figurine("run", EXAMPLE, "--out", tmp_path / "out", "--correction", edits, home=home)
    assert done.exit_code == 0, done.stderr
    report = report_of(tmp_path / "out")
    assert [stage["reused"] for stage in report["stages"][:3]] == [True] * 3
    assert report["corrections"][0]["edits"][0]["names"] == ["tail1", "tail2"]
    same = server.wait(correct(server, first["id"], TAIL, outputs="rig"))
    assert report["digests"] == server.digests(same["id"])
    again = figurine("run", EXAMPLE, "--out", tmp_path / "two", "--skeleton", tmp_path / "out/rig.json", home=home)
    assert again.exit_code == 0, again.stderr
    assert report_of(tmp_path / "two")["digests"] == report["digests"]


def test_the_command_says_in_one_sentence_what_does_not_fit(
    server: Server, first: dict[str, Any], tmp_path: Path
) -> None:
    home, edits = share_stages(tmp_path / "home"), tmp_path / "edits.json"
    for text, words in (
        ('{"edits": [{"edit": "remove", "bone": "wing.L"}]}', "no bone 'wing.L'"),
        ('{"edits": [{"edit": "remove"}]}', "lacks bone"),
        ("{", "is not JSON"),
    ):
        edits.write_text(text, encoding="utf-8")
        done = figurine("run", EXAMPLE, "--out", tmp_path / "out", "--correction", edits, "--quiet", home=home)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert words in done.stderr
        assert not (tmp_path / "out").exists()
