# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits for the artist: what it shows, and what it goes on with: other settings, or another picture."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_server.core.pipeline import Outcome
from inference_server.core.stage import Control, JobPaused
from inference_server.core.types import Diagnosis, NormalizedImage, SourceImage, StageRecord
from inference_server.jobs.worker import Worker
from tests.unit.server.desk import MESH, PICTURE, Desk, code_of

OTHER = PICTURE + b", and another one"
APPROVED = '{"pause_after": "normalize", "kind": "bird", "name": "fox"}'


def waiting(desk: Desk) -> str:
    job_id = desk.queue(image=PICTURE, settings=APPROVED)
    return desk.pause(job_id, source__png=b"before", normalized__png=b"after")


def input_of(desk: Desk, job_id: str) -> bytes:
    (path,) = desk.folders.inputs(job_id)
    return path.read_bytes()


def test_another_picture_starts_the_job_again_and_it_waits_again(desk: Desk) -> None:
    job_id = waiting(desk)
    number = desk.show(job_id)["number"]
    reply = desk.replace_picture(job_id, image=OTHER, settings='{"kind": "auto"}')
    assert reply.status_code == 202, reply.json
    job = reply.json
    assert (job["id"], job["number"], job["state"]) == (job_id, number, "queued")
    assert (job["input"]["name"], job["settings"]["name"]) == ("other.png", "fox")
    assert (job["settings"]["pause_after"], job["settings"]["kind"]) == ("normalize", "auto")
    assert (job["stages"], job["warnings"], job["artifacts"], job["progress"]) == ([], [], [], 0.0)
    assert input_of(desk, job_id) == OTHER
    assert desk.start(job_id).attempts == 1


def test_a_mask_comes_and_goes_with_its_picture(desk: Desk) -> None:
    job_id = desk.pause(desk.queue(image=PICTURE, mask=OTHER, settings=APPROVED))
    assert desk.replace_picture(job_id, image=OTHER, mask=b"text").status_code == 415
    assert desk.folders.input(job_id, "mask").read_bytes() == OTHER
    assert desk.replace_picture(job_id, image=OTHER).status_code == 202
    assert input_of(desk, job_id) == OTHER  # and nothing beside it
    desk.pause(job_id)
    assert desk.replace_picture(job_id, image=PICTURE, mask=OTHER).status_code == 202
    stored = {path.name: path.read_bytes() for path in desk.folders.inputs(job_id)}
    assert stored == {"picture": PICTURE, "mask": OTHER}


def test_another_picture_can_be_one_to_go_straight_on_with(desk: Desk) -> None:
    job_id = waiting(desk)
    reply = desk.replace_picture(job_id, image=OTHER, settings='{"pause_after": null}')
    assert reply.json["settings"]["pause_after"] is None


def test_a_job_that_failed_for_its_picture_takes_another(desk: Desk) -> None:
    job_id = desk.bring_to("failed")
    job = desk.replace_picture(job_id, image=OTHER).json
    assert (job["state"], job["error"], job["ended_s"]) == ("queued", None, None)
    assert input_of(desk, job_id) == OTHER


@pytest.mark.parametrize("state", ["queued", "running", "done", "cancelled"])
def test_no_other_job_takes_another_picture(desk: Desk, state: str) -> None:
    job_id = desk.bring_to(state)
    reply = desk.replace_picture(job_id, image=OTHER)
    assert (reply.status_code, code_of(reply)) == (409, "StateError")
    assert input_of(desk, job_id) == PICTURE
    assert desk.show(job_id)["state"] == state


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"settings": "{}"}, "RequestInvalid"),
        ({"image": OTHER, "mesh": MESH}, "RequestInvalid"),
        ({"image": OTHER, "idempotency_key": "k"}, "RequestInvalid"),
        ({"image": b""}, "ImageUnreadable"),
        ({"image": b"text"}, "UnsupportedMedia"),
        ({"image": OTHER, "settings": '{"kind": "fish"}'}, "SettingInvalid"),
        ({"image": OTHER, "settings": '{"pause_after": "export"}'}, "SettingInvalid"),
        ({"image": OTHER, "settings": "nothing"}, "RequestInvalid"),
    ],
)
def test_what_cannot_be_used_changes_nothing(desk: Desk, parts: dict[str, Any], code: str) -> None:
    job_id = waiting(desk)
    before = desk.show(job_id)
    assert code_of(desk.replace_picture(job_id, **parts)) == code
    assert desk.show(job_id) == before
    assert input_of(desk, job_id) == PICTURE
    assert [path.name for path in desk.folders.input(job_id, "picture").parent.iterdir()] == ["picture"]


def test_a_full_queue_takes_no_other_picture(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_queued=1)
    job_id = waiting(desk)
    desk.queue()
    assert code_of(desk.replace_picture(job_id, image=OTHER)) == "QueueFull"
    assert (input_of(desk, job_id), desk.show(job_id)["state"]) == (PICTURE, "waiting")
    desk.store.close()


def test_a_mesh_has_no_picture_to_replace(desk: Desk) -> None:
    job_id = desk.pause(desk.queue(mesh=MESH, settings='{"pause_after": "rig"}'))
    reply = desk.replace_picture(job_id, image=OTHER)
    assert code_of(reply) == "StateError" and "starts from a mesh" in reply.json["error"]["message"]
    assert input_of(desk, job_id) == MESH


def test_a_job_that_shares_the_picture_keeps_it(desk: Desk) -> None:
    job_id = waiting(desk)
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json={"stage": "geometry"})
    assert desk.replace_picture(job_id, image=OTHER).status_code == 202
    assert input_of(desk, reply.json["id"]) == PICTURE


def test_the_first_request_sent_again_still_finds_its_job(desk: Desk) -> None:
    parts = {"image": PICTURE, "settings": APPROVED, "idempotency_key": "fox"}
    job_id = desk.pause(desk.queue(**parts))
    desk.replace_picture(job_id, image=OTHER)
    again = desk.send(**parts)
    assert (again.status_code, again.json["id"]) == (200, job_id)


def test_going_on_unchanged_keeps_what_is_done_and_a_change_takes_it_back(desk: Desk) -> None:
    kept, changed = waiting(desk), waiting(desk)
    going_on = desk.ask("POST", f"/v1/jobs/{kept}/continue", json={}).json
    assert [stage["stage"] for stage in going_on["stages"]] == ["normalize"]
    assert going_on["settings"]["pause_after"] is None
    asked = {"settings": {"engines": {"normalize": "draft"}, "pause_after": "normalize"}}
    again = desk.ask("POST", f"/v1/jobs/{changed}/continue", json=asked).json
    assert (again["stages"], again["warnings"]) == ([], [])
    assert again["settings"]["pause_after"] == "normalize"
    assert {file["name"] for file in again["artifacts"]} == {"source.png", "normalized.png"}


def test_before_after_and_findings_lie_beside_a_job_that_waits(desk: Desk) -> None:
    large = Image.new("RGBA", (3000, 1500), (200, 30, 30, 255))
    stream = io.BytesIO()
    large.save(stream, "PNG")
    job_id = desk.queue(image=stream.getvalue(), settings=APPROVED)
    run_until_normalized(desk)
    shown = desk.show(job_id)
    assert (shown["state"], [file["name"] for file in shown["artifacts"]]) == (
        "waiting",
        ["source.png", "normalized.png", "normalize.json"],
    )
    source, normalized, findings = (desk.ask("GET", file["url"]) for file in shown["artifacts"])
    assert Image.open(io.BytesIO(source.data)).size == (1024, 512)
    assert Image.open(io.BytesIO(source.data)).getpixel((9, 9)) == (200, 30, 30, 255)
    assert Image.open(io.BytesIO(normalized.data)).size == (8, 8)
    assert findings.json == {
        "format": "figurine-normalization",
        "version": 1,
        "engine": "draft",
        "steps": ["background: by hand"],
        "diagnoses": [{"code": "blur", "measure": 0.1, "severity": 0.8, "sentence": "It is blurred."}],
        "subject_fraction": 0.25,
    }
    listed = desk.ask("GET", "/v1/jobs").json["jobs"][0]
    assert desk.ask("GET", listed["thumbnail"]).data == normalized.data


def run_until_normalized(desk: Desk) -> None:
    """The worker, with a pipeline that ends at the pause."""
    worker = Worker(desk.config, desk.store, desk.folders, desk.services.queue, lambda: None)

    def make(source: SourceImage, settings: object, control: Control, corrections: object) -> Outcome:
        diagnoses = (Diagnosis("blur", 0.1, 0.8, "It is blurred."),)
        image = NormalizedImage(np.zeros((8, 8, 4), np.uint8), ("background: by hand",), diagnoses, 0.25)
        control.on_result(StageRecord("normalize", "draft", 1, 0, "key", 1.0, 1, False), image)
        raise JobPaused("normalize")

    worker._pipeline.make_figure = make  # type: ignore[method-assign,assignment]
    job = desk.store.claim(worker.name)
    assert job is not None
    worker.run(job)
