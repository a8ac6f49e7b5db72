# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits for the artist between the picture and the models: seen, approved, changed, given another picture,
cancelled, and still there after the server was killed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.integration.jobs import ROOT, share_stages
from tests.integration.server_process import EXAMPLE, Server, has_ended

pytestmark = [pytest.mark.blender, pytest.mark.timeout(600)]

PUP = ROOT / "examples/pup.png"
OF_THE_PICTURE = ["source.png", "normalized.png", "normalize.json"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(share_stages(tmp_path_factory.mktemp("approval") / "home")) as running:
        yield running


def wait_for_approval(server: Server, job_id: str, after: int = 0) -> dict[str, Any]:
    """The job as it waits; after: a revision that it has to be past."""
    job = server.wait(job_id, lambda job: (job["state"] == "waiting" and job["revision"] > after) or has_ended(job))
    assert job["state"] == "waiting", job["error"]
    return job


def small_picture(folder: Path) -> Path:
    """The fox, too small for any model, on white."""
    fox = Image.open(ROOT / "examples/fox_kid.png").convert("RGBA").resize((200, 200))
    white = Image.new("RGBA", fox.size, "white")
    white.alpha_composite(fox)
    path = folder / "small fox.png"
    white.convert("RGB").save(path)
    return path


def file_of(server: Server, job: dict[str, Any], name: str) -> bytes:
    address = next(file["url"] for file in job["artifacts"] if file["name"] == name)
    answer = server.request("GET", address)
    assert answer.status_code == 200, answer.text
    return answer.content


def go_on(server: Server, job_id: str, **settings: Any) -> dict[str, Any]:
    answer = server.request("POST", f"/v1/jobs/{job_id}/continue", json={"settings": settings})
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_before_and_after_are_seen_and_what_was_approved_is_used(server: Server, tmp_path: Path) -> None:
    job = wait_for_approval(server, server.submit(small_picture(tmp_path), pause_after="normalize"))
    assert set(OF_THE_PICTURE) <= {file["name"] for file in job["artifacts"]}
    assert [stage["stage"] for stage in job["stages"]] == ["normalize"]
    before, after = (
        np.asarray(Image.open(io.BytesIO(file_of(server, job, name))).convert("RGBA")) for name in OF_THE_PICTURE[:2]
    )
    assert before.shape == (200, 200, 4) and (before[0, 0] == 255).all(), "as it was sent"
    assert after.shape[0] == after.shape[1] and after[0, 0, 3] == 0 and after[after.shape[0] // 2].max() > 0
    findings = server.request("GET", f"/v1/jobs/{job['id']}/artifacts/normalize.json").json()
    assert findings["steps"][0].startswith("background:")
    (size,) = (finding for finding in findings["diagnoses"] if finding["code"] == "low_resolution")
    assert size["severity"] >= 0.5 and "pixels" in size["sentence"]
    assert size["sentence"] in [warning["sentence"] for warning in job["warnings"]]
    go_on(server, job["id"], kind="none")
    done = server.wait(job["id"])
    assert done["state"] == "done" and done["settings"]["kind"] == "none"
    assert file_of(server, done, "normalized.png") == file_of(server, job, "normalized.png")


def test_a_changed_setting_is_looked_at_again_where_that_is_asked_and_else_runs_on(server: Server) -> None:
    job = wait_for_approval(server, server.submit(PUP, pause_after="normalize"))
    go_on(server, job["id"], engines={"normalize": "draft"}, height_m=0.5, pause_after="normalize")
    again = wait_for_approval(server, job["id"], job["revision"])
    assert (again["settings"]["height_m"], again["attempts"]) == (0.5, 1)
    assert set(OF_THE_PICTURE) <= {file["name"] for file in again["artifacts"]}
    assert [(stage["stage"], stage["fallback_reason"]) for stage in again["stages"]] == [("normalize", "")]
    go_on(server, job["id"], kind="none")
    done = server.wait(job["id"])
    assert (done["state"], done["settings"]["height_m"], done["settings"]["kind"]) == ("done", 0.5, "none")


def test_another_picture_is_normalized_and_waits_like_the_first(server: Server) -> None:
    job = wait_for_approval(server, server.submit(PUP, pause_after="normalize", kind="none"))
    with EXAMPLE.open("rb") as stream:
        answer = server.request("POST", f"/v1/jobs/{job['id']}/picture", files={"image": ("other.png", stream)})
    assert answer.status_code == 202, answer.text
    again = wait_for_approval(server, job["id"], job["revision"])
    assert again["input"]["name"] == "other.png"
    digests = [{file["name"]: file["sha256"] for file in seen["artifacts"]} for seen in (job, again)]
    assert all(digests[0][name] != digests[1][name] for name in OF_THE_PICTURE)
    go_on(server, job["id"])
    done = server.wait(job["id"])
    assert done["state"] == "done", done["error"]
    report = server.request("GET", f"/v1/jobs/{job['id']}/artifacts/report.json").json()
    undisturbed = server.wait(server.submit(EXAMPLE, kind="none"))
    assert report["digests"] == server.digests(undisturbed["id"])
    assert report["input"]["name"] == "other.png"


def test_another_picture_without_a_subject_says_so_and_can_be_replaced_in_turn(server: Server) -> None:
    job = wait_for_approval(server, server.submit(PUP, pause_after="normalize"))
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(stream, "PNG")
    answer = server.request("POST", f"/v1/jobs/{job['id']}/picture", files={"image": ("white.png", stream.getvalue())})
    assert answer.status_code == 202, answer.text
    failed = server.wait(job["id"])
    assert (failed["state"], failed["error"]["code"]) == ("failed", "NoSubject")
    assert [file["name"] for file in failed["artifacts"]] == ["source.png"], "what was sent is still there to see"
    with PUP.open("rb") as picture:
        answer = server.request("POST", f"/v1/jobs/{job['id']}/picture", files={"image": ("pup.png", picture)})
    assert answer.status_code == 202, answer.text
    assert wait_for_approval(server, job["id"], failed["revision"])["error"] is None


def test_cancelling_a_job_that_waits_ends_it_at_once(server: Server) -> None:
    job = wait_for_approval(server, server.submit(PUP, pause_after="normalize"))
    answer = server.request("DELETE", f"/v1/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    refused = server.request("POST", f"/v1/jobs/{job['id']}/continue", json={})
    assert refused.status_code == 409
    assert file_of(server, answer.json(), "normalized.png")


def test_a_job_waits_on_after_the_server_was_killed(tmp_path: Path) -> None:
    server = Server(share_stages(tmp_path / "home"))
    server.start()
    try:
        job = wait_for_approval(server, server.submit(PUP, pause_after="normalize", kind="none"))
        seen = [file_of(server, job, name) for name in OF_THE_PICTURE]
        workers = server.workers()
        server.kill()
        psutil.wait_procs(workers, timeout=15)
        server.start()
        still = server.job(job["id"])
        assert (still["state"], still["revision"]) == ("waiting", job["revision"])
        assert [file_of(server, still, name) for name in OF_THE_PICTURE] == seen
        go_on(server, job["id"])
        done = server.wait(job["id"])
        assert done["state"] == "done" and done["stages"][0]["reused"]
    finally:
        server.stop()


def test_a_mask_says_what_the_subject_is_and_one_of_another_size_fails_the_job(server: Server) -> None:
    with Image.open(PUP) as pup:
        half = np.asarray(pup.convert("RGBA")).copy()
    half[: half.shape[0] // 2] = 0

    def send(path: str, mask: Image.Image, **data: str) -> dict[str, Any]:
        with PUP.open("rb") as picture:
            files = {"image": ("pup.png", picture), "mask": ("mask.png", as_png(mask))}
            answer = server.request("POST", path, data=data, files=files)
        assert answer.status_code == 202, answer.text
        document: dict[str, Any] = answer.json()
        return document

    alpha = Image.fromarray(half[..., 3])
    job = wait_for_approval(server, send("/v1/jobs", alpha, settings='{"pause_after": "normalize"}')["id"])
    report = json.loads(file_of(server, job, "normalize.json"))
    assert "background: mask, given with the picture" in report["steps"]
    after = np.asarray(Image.open(io.BytesIO(file_of(server, job, "normalized.png"))))
    wider = half[..., 3].any(axis=0).sum() > half[..., 3].any(axis=1).sum()
    box = [(after[..., 3] >= 128).any(axis=axis).sum() for axis in (0, 1)]
    assert (box[0] > box[1]) == wider
    again = send(f"/v1/jobs/{job['id']}/picture", alpha.resize((50, 50)))
    failed = server.wait(again["id"])
    assert (failed["state"], failed["error"]["code"]) == ("failed", "MaskInvalid")
    assert "50 × 50 pixels, and the picture is" in failed["error"]["message"]


def as_png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
