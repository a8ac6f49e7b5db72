# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs after they were accepted: listed, watched, cancelled, continued, retried, run again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference_server.jobs.folder import new_job_id
from inference_server.jobs.model import NewJob
from tests.unit.server.desk import MESH, PICTURE, Desk, code_of

STATES = ("queued", "running", "waiting", "done", "failed", "cancelled")
UNKNOWN = "0" * 32


def test_jobs_are_listed_newest_first_page_by_page(desk: Desk) -> None:
    ids = [desk.queue() for _ in range(5)][::-1]
    first = desk.ask("GET", "/v1/jobs?limit=2").json
    second = desk.ask("GET", f"/v1/jobs?limit=2&before={first['next_before']}").json
    third = desk.ask("GET", f"/v1/jobs?limit=2&before={second['next_before']}").json
    assert [job["id"] for page in (first, second, third) for job in page["jobs"]] == ids
    assert [len(page["jobs"]) for page in (first, second, third)] == [2, 2, 1]
    assert third["next_before"] is None
    assert desk.ask("GET", "/v1/jobs?limit=5").json["next_before"] is None
    assert desk.ask("GET", "/v1/jobs?before=1").json == {"jobs": [], "next_before": None}


def test_twenty_are_listed_where_no_limit_is_given(desk: Desk) -> None:
    for _ in range(21):
        desk.queue()
    assert len(desk.ask("GET", "/v1/jobs").json["jobs"]) == 20


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1.0",
        "limit=",
        "limit=１",
        "before=0",
        "before=" + "9" * 30,
    ],
)
def test_pages_outside_the_bounds_are_refused(desk: Desk, query: str) -> None:
    reply = desk.ask("GET", f"/v1/jobs?{query}")
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")


def test_a_thumbnail_is_the_preview_or_the_cut_out_picture(desk: Desk) -> None:
    made = [
        desk.finish(desk.queue(), normalized__png=b"cut", preview__png=b"seen"),
        desk.finish(desk.queue(), normalized__png=b"cut"),
        desk.finish(desk.queue(), rig__json=b"{}"),
    ]
    shown = {job["id"]: job["thumbnail"] for job in desk.ask("GET", "/v1/jobs").json["jobs"]}
    assert desk.ask("GET", shown[made[0]]).data == b"seen"
    assert desk.ask("GET", shown[made[1]]).data == b"cut"
    assert shown[made[2]] is None


def test_a_line_of_the_list_is_enough_for_a_panel(desk: Desk) -> None:
    learn(desk, TAKEN)
    failed, running = desk.bring_to("failed"), desk.queue(image=PICTURE, settings='{"name": "Reynard"}')
    job = desk.start(running)
    assert job.lease is not None
    desk.record(job, "normalize")
    desk.store.beat(running, job.lease, stage="geometry", engine="draft", fraction=0.5)
    lines = {line["id"]: line for line in desk.ask("GET", "/v1/jobs").json["jobs"]}
    for job_id in (failed, running):
        whole = desk.show(job_id)
        shared = set(lines[job_id]) & set(whole)
        assert shared == set(lines[job_id]) - {"name", "thumbnail"}
        assert {name: lines[job_id][name] for name in shared} == {name: whole[name] for name in shared}
    assert lines[failed]["error"]["message"] == "Nothing stands out."
    assert (lines[running]["name"], lines[running]["engine"]) == ("Reynard", "draft")
    assert lines[running]["eta_s"] == pytest.approx(1.0 + 4.0 + 1.0 + 2.0)


def test_watching_costs_little_while_nothing_changes(desk: Desk) -> None:
    job_id = desk.queue()
    assert desk.ask("GET", f"/v1/jobs/{job_id}?since=0").json["revision"] == 1
    short = {"id": job_id, "revision": 1, "state": "queued", "unchanged": True}
    assert desk.ask("GET", f"/v1/jobs/{job_id}?since=1").json == short
    job = desk.start(job_id)
    changed = desk.ask("GET", f"/v1/jobs/{job_id}?since=1").json
    assert (changed["state"], changed["revision"]) == ("running", 2)
    assert job.lease is not None
    desk.store.beat(job_id, job.lease, stage=None, engine=None, fraction=0.0)
    assert desk.ask("GET", f"/v1/jobs/{job_id}?since=2").json["unchanged"]
    desk.store.beat(job_id, job.lease, stage="rig", engine="draft", fraction=0.5)
    changed = desk.ask("GET", f"/v1/jobs/{job_id}?since=2").json
    assert (changed["stage"], changed["engine"], changed["stage_progress"]) == ("rig", "draft", 0.5)


@pytest.mark.parametrize("since", ["-1", "x", "", "1e3", str(2**53)])
def test_a_revision_that_is_none_is_refused(desk: Desk, since: str) -> None:
    reply = desk.ask("GET", f"/v1/jobs/{desk.queue()}?since={since}")
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")


def test_the_journal_and_its_sentences_are_shown(desk: Desk) -> None:
    job_id = desk.queue()
    job = desk.start(job_id)
    desk.record(job, "normalize", notes=("The arms were cut.",), fallback_reason="No network.")
    shown = desk.show(job_id)
    assert shown["stages"] == [
        {
            "stage": "normalize",
            "engine": "draft",
            "seconds": 1.0,
            "peak_bytes": 1 << 20,
            "reused": False,
            "fallback_reason": "No network.",
        }
    ]
    assert shown["warnings"] == [{"stage": "normalize", "sentence": "The arms were cut."}]


def test_an_error_is_shown_word_for_word(desk: Desk) -> None:
    shown = desk.show(desk.bring_to("failed"))
    assert shown["error"] == {
        "code": "NoSubject",
        "message": "Nothing stands out.",
        "hint": "Crop it.",
        "retryable": False,
    }
    assert shown["ended_s"] >= shown["started_s"] >= shown["created_s"]


def test_nothing_of_the_worker_is_shown(desk: Desk) -> None:
    job_id = desk.queue(image=PICTURE, idempotency_key="the-key")
    job = desk.start(job_id)
    text = json.dumps(desk.show(job_id))
    assert job.lease is not None
    for secret in (job.lease, '"worker"', '"heartbeat"', '"digest"', "the-key", str(desk.config.home)):
        assert secret not in text


# --- progress and the estimate ---


def learn(desk: Desk, seconds: dict[str, float]) -> None:
    """Run a job whose stages took so long."""
    job = desk.start(desk.queue())
    for stage, taken in seconds.items():
        desk.record(job, stage, seconds=taken)
    assert job.lease is not None
    desk.store.finish(job.id, job.lease, [])


TAKEN = {"normalize": 1.0, "geometry": 2.0, "texture": 4.0, "rig": 1.0, "export": 2.0}


def test_before_anything_is_learnt_stages_count_alike(desk: Desk) -> None:
    job_id = desk.queue()
    assert (desk.show(job_id)["progress"], desk.show(job_id)["eta_s"]) == (0.0, None)
    job = desk.start(job_id)
    assert job.lease is not None
    desk.store.beat(job_id, job.lease, stage="normalize", engine="draft", fraction=0.5)
    assert desk.show(job_id)["progress"] == pytest.approx(0.1)
    assert desk.show(job_id)["eta_s"] is None


def test_stages_weigh_what_they_take_here(desk: Desk) -> None:
    learn(desk, TAKEN)
    job_id = desk.queue()
    assert desk.show(job_id)["eta_s"] == pytest.approx(10.0)
    job = desk.start(job_id)
    desk.record(job, "normalize", "geometry")
    assert job.lease is not None
    desk.store.beat(job_id, job.lease, stage="texture", engine="draft", fraction=0.25)
    shown = desk.show(job_id)
    assert shown["progress"] == pytest.approx((1 + 2 + 0.25 * 4) / 10)
    assert shown["eta_s"] == pytest.approx(0.75 * 4 + 1 + 2)
    desk.store.finish(job_id, job.lease, [])
    shown = desk.show(job_id)
    assert (shown["progress"], shown["eta_s"]) == (1.0, None)


def test_the_estimate_ends_where_the_job_pauses(desk: Desk) -> None:
    learn(desk, TAKEN)
    job = desk.show(desk.queue(image=PICTURE, settings='{"pause_after": "geometry"}'))
    assert job["eta_s"] == pytest.approx(3.0)


def test_the_rig_alone_has_no_export_to_wait_for(desk: Desk) -> None:
    learn(desk, TAKEN)
    job_id = desk.queue(image=PICTURE, settings='{"outputs": "rig"}')
    assert desk.show(job_id)["eta_s"] == pytest.approx(8.0)
    desk.record(desk.start(job_id), "normalize", "geometry", "texture")
    assert desk.show(job_id)["progress"] == pytest.approx(7 / 8)


def test_an_engine_that_never_ran_here_has_no_estimate(desk: Desk) -> None:
    learn(desk, TAKEN)
    assert desk.show(desk.queue(image=PICTURE, settings='{"engine": "neural"}'))["eta_s"] is None
    assert desk.show(desk.queue(image=PICTURE, settings='{"engine": "draft"}'))["eta_s"] == pytest.approx(10.0)
    assert desk.show(desk.queue(mesh=MESH))["eta_s"] is None


def test_stages_that_took_no_time_do_not_break_the_estimate(desk: Desk) -> None:
    learn(desk, dict.fromkeys(TAKEN, 0.0))
    shown = desk.show(desk.queue())
    assert shown["progress"] == 0.0
    assert 0.0 <= shown["eta_s"] < 1.0


# --- what is done to jobs ---


@pytest.mark.parametrize("state", STATES)
def test_cancelling(desk: Desk, state: str) -> None:
    job_id = desk.bring_to(state)
    reply = desk.ask("DELETE", f"/v1/jobs/{job_id}")
    if state in ("done", "failed", "cancelled"):
        assert (reply.status_code, code_of(reply)) == (409, "JobFinished")
        assert desk.show(job_id)["state"] == state
    else:
        assert reply.status_code == 202
        after = "running" if state == "running" else "cancelled"
        assert (reply.json["state"], reply.json["cancel_requested"]) == (after, True)


@pytest.mark.parametrize("state", STATES)
def test_continuing(desk: Desk, state: str) -> None:
    job_id = desk.bring_to(state)
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/continue")
    if state == "waiting":
        assert (reply.status_code, reply.json["state"]) == (202, "queued")
    else:
        assert (reply.status_code, code_of(reply)) == (409, "StateError")


@pytest.mark.parametrize("state", STATES)
def test_retrying(desk: Desk, state: str) -> None:
    job_id = desk.bring_to(state)
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/retry", json={})
    if state in ("failed", "cancelled"):
        assert (reply.status_code, reply.json["state"], reply.json["error"]) == (202, "queued", None)
    else:
        assert (reply.status_code, code_of(reply)) == (409, "StateError")


@pytest.mark.parametrize("state", STATES)
def test_running_again(desk: Desk, state: str) -> None:
    job_id = desk.bring_to(state)
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json={"stage": "rig"})
    assert reply.status_code == 202
    assert (reply.json["parent"], reply.json["state"]) == (job_id, "queued")
    assert reply.headers["Location"] == f"/v1/jobs/{reply.json['id']}"
    assert reply.json["id"] != job_id
    assert desk.show(job_id)["state"] == state
    assert desk.folders.input(reply.json["id"], "picture").read_bytes() == PICTURE


@pytest.mark.parametrize(("state", "verb"), [("waiting", "continue"), ("failed", "retry"), ("cancelled", "retry")])
def test_a_full_queue_takes_no_job_back(desk: Desk, state: str, verb: str) -> None:
    job_id = desk.bring_to(state)
    for _ in range(desk.config.max_queued):
        desk.store.add(NewJob(new_job_id(), "image", "fox.png", {}, "d"), desk.config.max_queued)
    before = desk.store.get(job_id)
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/{verb}")
    assert (reply.status_code, code_of(reply), reply.json["error"]["retryable"]) == (429, "QueueFull", True)
    assert int(reply.headers["Retry-After"]) > 0
    assert desk.store.get(job_id) == before
    assert desk.store.claim("worker") is not None
    assert desk.ask("POST", f"/v1/jobs/{job_id}/{verb}").status_code == 202


def test_continuing_merges_settings_and_pauses_only_if_asked(desk: Desk) -> None:
    for wanted, pause in (({"seed": 5}, None), ({"seed": 5, "pause_after": "rig"}, "rig")):
        job_id = desk.queue(image=PICTURE, settings='{"depth": 2, "pause_after": "normalize"}')
        job = desk.start(job_id)
        assert job.lease is not None
        desk.store.pause(job_id, job.lease)
        settings = desk.ask("POST", f"/v1/jobs/{job_id}/continue", json={"settings": wanted}).json["settings"]
        assert (settings["seed"], settings["depth"], settings["pause_after"]) == (5, 2.0, pause)


def test_a_new_seed_counts_from_the_stage_on(desk: Desk) -> None:
    job_id = desk.queue(image=PICTURE, settings='{"seed": 1, "seeds": {"geometry": 2, "rig": 3}, "pause_after": "rig"}')
    body = {"stage": "texture", "seed": 9, "settings": {"texture_px": 1024}}
    settings = desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json=body).json["settings"]
    assert (settings["seed"], settings["texture_px"], settings["pause_after"]) == (1, 1024, None)
    assert settings["seeds"] == {"geometry": 2, "texture": 9, "rig": 9, "export": 9}


def test_running_again_survives_the_first_job(desk: Desk) -> None:
    job_id = desk.bring_to("done")
    new_id = desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json={"stage": "rig"}).json["id"]
    desk.store.remove(job_id)
    desk.folders.remove(job_id)
    assert desk.folders.input(new_id, "picture").read_bytes() == PICTURE


def test_running_again_needs_the_input(desk: Desk) -> None:
    job_id = desk.queue()
    desk.folders.remove(job_id)
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json={"stage": "rig"})
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")
    assert list(desk.config.jobs_root.iterdir()) == []


def test_running_again_twice_with_one_key_is_once(desk: Desk) -> None:
    path, headers = f"/v1/jobs/{desk.queue()}/rerun", {"Idempotency-Key": "k"}
    first = desk.ask("POST", path, json={"stage": "rig", "seed": 1}, headers=headers)
    again = desk.ask("POST", path, json={"stage": "rig", "seed": 1}, headers=headers)
    other = desk.ask("POST", path, json={"stage": "rig", "seed": 2}, headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 409)
    assert first.json["id"] == again.json["id"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "RequestInvalid"),
        ({"stage": "paint"}, "RequestInvalid"),
        ({"stage": "geometry"}, "RequestInvalid"),
        ({"stage": "rig", "seed": "1"}, "RequestInvalid"),
        ({"stage": "rig", "seed": True}, "RequestInvalid"),
        ({"stage": "rig", "colour": "red"}, "RequestInvalid"),
        ({"stage": "rig", "settings": []}, "RequestInvalid"),
        ([], "RequestInvalid"),
        ({"stage": "rig", "seed": -1}, "SettingInvalid"),
        ({"stage": "rig", "seed": 2**32}, "SettingInvalid"),
        ({"stage": "rig", "settings": {"depth": 99}}, "SettingInvalid"),
        ({"stage": "rig", "settings": {"colour": "red"}}, "SettingInvalid"),
        ({"stage": "rig", "settings": {"pause_after": "normalize"}}, "SettingInvalid"),
    ],
)
def test_a_body_that_is_not_understood(desk: Desk, body: Any, code: str) -> None:
    reply = desk.ask("POST", f"/v1/jobs/{desk.queue(mesh=MESH)}/rerun", json=body)
    assert (reply.status_code, code_of(reply)) == (400, code)
    assert len(desk.store.page(10)) == 1


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 60_000, b"nul"])
def test_a_body_that_is_no_json(desk: Desk, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    reply = desk.ask("POST", f"/v1/jobs/{desk.queue()}/continue", data=content, headers=headers)
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")


def test_a_json_body_has_its_own_limit(desk: Desk) -> None:
    path = f"/v1/jobs/{desk.queue()}/continue"
    reply = desk.ask("POST", path, json={"settings": {"name": "n" * 70_000}})
    assert (reply.status_code, code_of(reply)) == (413, "UploadTooLarge")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "?since=0", None),
        ("DELETE", "", None),
        ("POST", "/continue", {}),
        ("POST", "/retry", {}),
        ("POST", "/rerun", {"stage": "rig"}),
        ("POST", "/correct", {"settings": {"seed": 1}}),
        ("GET", "/artifacts/preview.png", None),
        ("DELETE", "/artifacts", None),
    ],
)
def test_a_job_that_is_not_there(desk: Desk, method: str, path: str, body: Any) -> None:
    reply = desk.ask(method, f"/v1/jobs/{UNKNOWN}{path}", json=body)
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


def test_a_settings_document_of_an_earlier_version_is_shown(desk: Desk) -> None:
    desk.store.add(NewJob("a" * 32, "image", "old.png", {"name": "old"}, "d"), 10)
    assert desk.show("a" * 32)["settings"] == {"name": "old"}
