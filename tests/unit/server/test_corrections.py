# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrected jobs, as the application accepts and refuses them."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from werkzeug.test import TestResponse

from inference_server.core.correction import read_corrections
from inference_server.core.pipeline import Outcome
from inference_server.core.stage import Control
from inference_server.core.types import StageRecord
from inference_server.jobs.folder import CORRECTIONS
from tests.unit.server.desk import MESH, PICTURE, RIG, Desk, code_of
from tests.unit.server.test_worker import run_next

MOVE = {"edit": "move", "bone": "arm.L", "tail": [0.45, 0.1, 0.6], "mirror": True}


def correct(desk: Desk, job_id: str, *edits: dict[str, Any], key: str | None = None, **body: Any) -> TestResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"correction": {"edits": list(edits)}, **body}
    return desk.ask("POST", f"/v1/jobs/{job_id}/correct", json=body, headers=headers)


def kept(desk: Desk, job_id: str) -> Any:
    return read_corrections(desk.folders.input(job_id, CORRECTIONS))


def test_a_correction_is_a_new_job_from_the_same_input(desk: Desk) -> None:
    first = desk.bring_to("done")
    reply = correct(desk, first, MOVE, settings={"outputs": "rig"})
    assert reply.status_code == 202, reply.json
    new_id = reply.json["id"]
    assert (reply.json["parent"], reply.json["state"]) == (first, "queued")
    assert reply.json["settings"]["outputs"] == "rig"
    assert reply.headers["Location"] == f"/v1/jobs/{new_id}"
    assert desk.folders.input(new_id, "picture").read_bytes() == PICTURE
    (correction,) = kept(desk, new_id)
    assert correction.edits[0].bone == "arm.L"
    assert correction.bounding_box.max == (0.5, 0.5, 1)
    assert desk.show(first)["state"] == "done"


def test_a_correction_of_a_corrected_job_comes_after_the_first(desk: Desk) -> None:
    first = desk.finish(correct(desk, desk.bring_to("done"), MOVE).json["id"], rig__json=RIG)
    second = correct(desk, first, {"edit": "remove", "bone": "arm.R"}).json["id"]
    assert [correction.edits[0].edit for correction in kept(desk, second)] == ["move", "remove"]
    assert [correction.edits[0].edit for correction in kept(desk, first)] == ["move"]
    again = desk.ask("POST", f"/v1/jobs/{second}/rerun", json={"stage": "rig"}).json["id"]
    assert kept(desk, again) == kept(desk, second)


def test_it_outlives_the_job_that_it_came_from(desk: Desk) -> None:
    first = desk.bring_to("done")
    new_id = correct(desk, first, MOVE).json["id"]
    desk.store.remove(first)
    desk.folders.remove(first)
    assert desk.folders.input(new_id, "picture").read_bytes() == PICTURE
    assert len(kept(desk, new_id)) == 1


def test_the_same_key_brings_the_same_job(desk: Desk) -> None:
    first = desk.bring_to("done")
    replies = [correct(desk, first, MOVE, key="k") for _ in range(2)]
    assert [reply.status_code for reply in replies] == [202, 200]
    assert replies[0].json["id"] == replies[1].json["id"]
    other = correct(desk, first, {**MOVE, "mirror": False}, key="k")
    assert (other.status_code, code_of(other)) == (409, "StateError")
    assert len(desk.store.page(10)) == 2


def test_a_whole_skeleton_may_come_instead(desk: Desk) -> None:
    document = json.loads(RIG)
    document["bones"][1]["name"] = "wing.L"
    reply = correct(desk, desk.bring_to("done"), correction={"skeleton": document})
    assert reply.status_code == 202, reply.json
    assert kept(desk, reply.json["id"])[0].skeleton == document


def test_settings_alone_are_a_correction_too(desk: Desk) -> None:
    reply = correct(desk, desk.bring_to("failed"), settings={"kind": "quadruped", "depth": 0.5})
    assert reply.status_code == 202, reply.json
    assert (reply.json["settings"]["kind"], reply.json["settings"]["depth"]) == ("quadruped", 0.5)
    assert kept(desk, reply.json["id"]) == ()


def test_with_another_kind_the_bones_are_known_only_later(desk: Desk) -> None:
    edit = {"edit": "remove", "bone": "left_hind_leg"}
    first = desk.bring_to("done")
    assert correct(desk, first, edit).status_code == 400
    assert correct(desk, first, edit, settings={"name": "Rex", "texture_px": 1024}).status_code == 400
    assert correct(desk, first, edit, settings={"kind": "quadruped"}).status_code == 202


@pytest.mark.parametrize("state", ["queued", "running", "waiting", "failed", "cancelled"])
def test_a_job_without_a_rig_cannot_be_corrected(desk: Desk, state: str) -> None:
    reply = correct(desk, desk.bring_to(state), MOVE)
    assert (reply.status_code, code_of(reply)) == (409, "StateError")
    assert state in reply.json["error"]["message"]
    assert len(desk.store.page(10)) == 1


def test_a_job_that_is_still_exporting_can(desk: Desk) -> None:
    job = desk.start(desk.queue())
    assert job.lease is not None
    desk.store.add_artifacts(job.id, job.lease, [desk.publish(job.id, "rig.json", RIG)])
    assert correct(desk, job.id, MOVE).status_code == 202


@pytest.mark.parametrize("how", ["forgotten", "gone"])
def test_deleted_results_are_said_to_be(desk: Desk, how: str) -> None:
    first = desk.bring_to("done")
    if how == "forgotten":
        assert desk.ask("DELETE", f"/v1/jobs/{first}/artifacts").status_code == 200
    else:
        desk.place_of(first, "rig.json").unlink()
    reply = correct(desk, first, MOVE)
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")
    assert "deleted" in reply.json["error"]["message"] or "gone" in reply.json["error"]["message"]
    assert "again" in reply.json["error"]["hint"]


def test_a_lost_input_is_said_to_be(desk: Desk) -> None:
    first = desk.bring_to("done")
    desk.folders.input(first, "picture").unlink()
    reply = correct(desk, first, MOVE)
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")
    assert len(list(desk.config.jobs_root.iterdir())) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "RequestInvalid"),
        ({"correction": {}}, "RequestInvalid"),
        ({"correction": {"edits": []}, "settings": {}}, "RequestInvalid"),
        ({"correction": []}, "RequestInvalid"),
        ({"edits": [MOVE]}, "RequestInvalid"),
        ({"correction": {"edits": [{**MOVE, "bone": "tail"}]}}, "CorrectionInvalid"),
        ({"correction": {"edits": [{**MOVE, "tail": [0, 0, 99]}]}}, "CorrectionInvalid"),
        ({"correction": {"edits": [{**MOVE, "tail": [0.1, 0, 0.7]}]}}, "CorrectionInvalid"),
        ({"correction": {"edits": [{"edit": "remove", "bone": "hips"}]}}, "CorrectionInvalid"),
        ({"correction": {"edits": [{"edit": "rename", "bone": "hips", "name": "arm.R"}]}}, "CorrectionInvalid"),
        ({"correction": {"skeleton": {"bones": []}}}, "SkeletonInvalid"),
        ({"correction": {"edits": [MOVE]}, "settings": {"depth": 99}}, "SettingInvalid"),
        ({"correction": {"edits": [MOVE]}, "settings": {"outputs": "fbx"}}, "SettingInvalid"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(desk: Desk, body: Any, code: str) -> None:
    first = desk.bring_to("done")
    reply = desk.ask("POST", f"/v1/jobs/{first}/correct", json=body)
    assert (reply.status_code, code_of(reply)) == (400, code)
    assert reply.json["error"]["hint"]
    assert len(desk.store.page(10)) == 1
    assert [path.name for path in desk.config.jobs_root.iterdir()] == [first]


def test_numbers_that_json_does_not_have_are_refused(desk: Desk) -> None:
    text = json.dumps({"correction": {"edits": [{**MOVE, "tail": [float("nan"), 0, 0]}]}})
    headers = {"Content-Type": "application/json"}
    reply = desk.ask("POST", f"/v1/jobs/{desk.bring_to('done')}/correct", data=text, headers=headers)
    assert (reply.status_code, code_of(reply)) == (400, "CorrectionInvalid")


def test_a_skeleton_of_many_bones_is_taken_and_a_flood_is_not(desk: Desk) -> None:
    document = json.loads(RIG)
    hairs = [{"name": f"hair{n}", "parent": "hips", "head": [0, 0, 0.8], "tail": [0, 0, 0.9]} for n in range(2000)]
    document["bones"] += hairs
    assert correct(desk, desk.bring_to("done"), correction={"skeleton": document}).status_code == 202
    document["name"] = "n" * (1 << 20)
    reply = correct(desk, desk.bring_to("done"), correction={"skeleton": document})
    assert (reply.status_code, code_of(reply)) == (413, "UploadTooLarge")


def test_a_full_queue_takes_no_correction(desk: Desk) -> None:
    first = desk.bring_to("done")
    for _ in range(desk.config.max_queued):
        desk.queue()
    reply = correct(desk, first, MOVE)
    assert (reply.status_code, code_of(reply)) == (429, "QueueFull")


def test_a_mesh_job_keeps_its_mesh_and_its_skeleton(desk: Desk) -> None:
    first = desk.finish(desk.queue(mesh=MESH, skeleton=RIG), rig__json=RIG)
    new_id = correct(desk, first, MOVE).json["id"]
    assert desk.folders.input(new_id, "mesh.obj").read_bytes() == MESH
    assert desk.folders.input(new_id, "rig.json").read_bytes() == RIG


def test_the_worker_hands_the_corrections_on_and_shows_the_rig_early(
    desk: Desk, picture: bytes, tiny_outcome: Outcome
) -> None:
    first = desk.finish(desk.queue(image=picture), rig__json=RIG)
    new_id = correct(desk, first, MOVE).json["id"]
    early = []

    def make(control: Control) -> Outcome:
        control.on_rigged(tiny_outcome.asset)
        early.extend(file["name"] for file in desk.show(new_id)["artifacts"])
        return tiny_outcome

    run_next(desk, make)
    assert early == ["rig.json", "weights.npz"]
    shown = desk.show(new_id)
    assert shown["state"] == "done"
    url = next(file["url"] for file in shown["artifacts"] if file["name"] == "weights.npz")
    with np.load(io.BytesIO(desk.ask("GET", url).data), allow_pickle=False) as stored:
        assert stored["bones"].tolist() == list(tiny_outcome.asset.rig.skeleton.names)
        assert stored["weights"].shape == stored["indices"].shape == (len(stored["vertices"]), 4)
        assert np.allclose(stored["weights"].sum(axis=1), 1)


def test_how_long_a_correction_takes_is_learnt_apart_from_whole_runs(
    desk: Desk, picture: bytes, tiny_outcome: Outcome
) -> None:
    def make(control: Control) -> Outcome:
        for stage, seconds in (("geometry", 3.0), ("rig", 0.25)):
            control.on_result(StageRecord(stage, "draft", 1, 0, "", seconds, 1, False), None)
        return tiny_outcome

    first = desk.finish(desk.queue(image=picture), rig__json=RIG)  # a second for each stage
    corrected = correct(desk, first, MOVE, settings={"outputs": "rig"}).json["id"]
    assert desk.show(corrected)["eta_s"] == pytest.approx(4.0)
    run_next(desk, make)
    assert desk.store.expected_seconds("rig", "draft", "image") == 1.0
    again = correct(desk, first, {**MOVE, "mirror": False}, settings={"outputs": "rig"}).json["id"]
    assert desk.show(again)["eta_s"] == pytest.approx(1.0 + 3.0 + 1.0 + 0.25)
    whole = desk.queue(image=picture, settings='{"outputs": "rig"}')
    assert desk.show(whole)["eta_s"] == pytest.approx(1.0 + 3.0 + 1.0 + 1.0)
