# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of pose and view as jobs: hosted by a real server process through the real SDK and a fake of the service, local
by a tiny pipeline of random weights through the server's stage. The key is in nothing that is left behind.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_server.core.cache import StageCache
from inference_server.core.pipeline import Pipeline
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, JobPaused
from inference_server.core.types import NormalizedImage, SourceImage, StageRecord, UInt8
from inference_server.core.warm import WarmStages
from inference_server.errors import WeightsCorrupt
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.normalize.editors import EditorChoices, set_up_editors
from inference_server.stages.registry import EngineRegistry
from tests.integration.fake_gemini import KEY, MODEL, FakeGemini, data_reply, error_reply, fake_gemini, parts_reply
from tests.integration.figures import drawn, figure
from tests.integration.jobs import figurine
from tests.integration.server_process import Server
from tests.integration.tiny_store import store_of

GREY = (217, 217, 217)
HOSTED: dict[str, Any] = {
    "engine": "draft",
    "kind": "humanoid",
    "texture_px": 1024,
    "editor": "hosted",
    "normalize_steps": {"pose": "on"},
}
SENTENCE = "The picture was sent to the hosted editor"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "doll.png"
    Image.fromarray(figure(8)).save(path)
    return path


@pytest.fixture(scope="module")
def service() -> Iterator[FakeGemini]:
    pytest.importorskip("google.genai", reason="needs the extra hosted (google-genai), which is not installed")
    with fake_gemini() as fake:
        yield fake


@pytest.fixture(scope="module")
def server(service: FakeGemini, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {
        "FIGURINE_HOSTED_EDITOR": "true",
        "FIGURINE_GEMINI_KEY": KEY,
        "FIGURINE_HOSTED_URL": service.url,
        "FIGURINE_HOSTED_MODEL": MODEL,
        "NO_PROXY": "127.0.0.1",
    }
    home = tmp_path_factory.mktemp("served") / "home"
    with Server(home, environment=environment) as running:
        yield running
        left = {str(path) for path in leftovers(running) if KEY.encode() in path.read_bytes()}
    assert not left
    assert not {str(path) for path in leftovers(running) if KEY.encode() in path.read_bytes()}


def leftovers(server: Server) -> list[Path]:
    """Every file of the data folder, logs and the jobs table among them, and what the server printed."""
    files = [path for path in server.home.rglob("*") if path.is_file()]
    assert {"jobs.sqlite", "server.log", "worker.log"} <= {path.name for path in files}
    return [*files, Path(server._console.name)]


def picture_of(server: Server, job: dict[str, Any], name: str) -> UInt8:
    """An artifact: (H, W, 4) uint8."""
    answer = server.request("GET", f"/v1/jobs/{job['id']}/artifacts/{name}")
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as shown:
        return np.asarray(shown.convert("RGBA"))


def width_of(rgba: UInt8) -> float:
    """Of the subject, in its heights."""
    inside = rgba[..., 3] >= 128
    return float(inside.any(axis=0).sum() / inside.any(axis=1).sum())


def sentences(job: dict[str, Any]) -> str:
    return json.dumps(job, ensure_ascii=False)


@pytest.mark.blender
def test_an_edit_reaches_the_figure_and_is_paid_once(server: Server, service: FakeGemini, picture: Path) -> None:
    service.requests.clear()
    service.replies = [data_reply(drawn(figure(85), GREY))]
    job = server.wait(server.submit(picture, **HOSTED))
    assert job["state"] == "done", job
    report = server.request("GET", f"/v1/jobs/{job['id']}/artifacts/report.json").json()
    told = [warning["sentence"] for warning in report["warnings"] if warning["stage"] == "normalize"]
    assert f"{SENTENCE} {MODEL} at {service.url}." in told
    assert report["settings"]["editor"] == "hosted"
    assert report["stages"][0]["weight_digests"] == [], "what computes elsewhere has no weights here"
    assert f"hosted, {MODEL}, put into an A-pose" in json.dumps(report)
    assert picture_of(server, job, "pose.png").shape[:2] == (400, 400)
    assert width_of(picture_of(server, job, "normalized.png")) == pytest.approx(width_of(figure(85)), abs=0.03)
    again = server.wait(server.submit(picture, name="again", **HOSTED))
    assert again["state"] == "done" and again["stages"][0]["reused"]
    assert len(service.requests) == 1
    assert KEY not in sentences(job) + sentences(again) + json.dumps(report)


def test_an_edit_that_does_not_hold_leaves_the_original(server: Server, service: FakeGemini, picture: Path) -> None:
    service.replies = [data_reply(drawn(figure(8), GREY))]
    job = server.wait(server.submit(picture, seed=1, pause_after="normalize", **HOSTED), has_paused)
    assert job["state"] == "waiting", job
    assert "The edited picture was not used, because the arms are not apart" in sentences(job)
    assert SENTENCE in sentences(job), "that it left the machine is said also then"
    assert width_of(picture_of(server, job, "normalized.png")) == pytest.approx(width_of(figure(8)), abs=0.02)


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (error_reply(400, f"API key {KEY} not valid."), "EditorNotSetUp", "did not accept the key"),
        (parts_reply(None, "IMAGE_SAFETY"), "EditorRefused", "IMAGE_SAFETY"),
        (parts_reply([{"text": f"No, {KEY}."}]), "EditorAnswerUnusable", "in words instead of a picture"),
    ],
    ids=["key", "refusal", "words"],
)
def test_a_failed_edit_is_an_error_of_the_job(
    server: Server, service: FakeGemini, picture: Path, reply: Any, code: str, words: str
) -> None:
    service.replies = [reply]
    job = server.wait(server.submit(picture, seed=2, pause_after="normalize", **HOSTED), has_paused)
    assert job["state"] == "failed", job
    assert job["error"]["code"] == code and words in job["error"]["message"]
    assert KEY not in sentences(job)


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "draft", "normalize_steps": {"pose": "auto"}},
        {"engine": "draft", "editor": "hosted", "normalize_steps": {"pose": "off"}},
        {"engine": "draft", "editor": "hosted", "kind": "quadruped"},
    ],
    ids=["auto", "off", "quadruped"],
)
def test_nothing_is_sent_that_was_not_asked_for(
    server: Server, service: FakeGemini, picture: Path, settings: dict[str, Any]
) -> None:
    service.requests.clear()
    job = server.wait(server.submit(picture, seed=3, pause_after="normalize", **settings), has_paused)
    assert job["state"] == "waiting", job
    assert service.requests == [] and SENTENCE not in sentences(job)


def test_a_job_that_asks_for_the_hosted_editor_gets_it_where_the_diagnoses_ask(
    server: Server, service: FakeGemini, picture: Path
) -> None:
    service.requests.clear()
    service.replies = [data_reply(drawn(figure(85), GREY))]
    settings = {"engine": "draft", "editor": "hosted", "kind": "humanoid"}
    job = server.wait(server.submit(picture, seed=3, pause_after="normalize", **settings), has_paused)
    assert job["state"] == "waiting", job
    assert len(service.requests) == 1 and SENTENCE in sentences(job)


def test_where_the_server_does_not_allow_it_nothing_is_sent(service: FakeGemini, picture: Path, tmp_path: Path) -> None:
    service.requests.clear()
    environment = {"FIGURINE_GEMINI_KEY": KEY, "FIGURINE_HOSTED_URL": service.url}
    words = ("--editor", "hosted", "--normalize", "pose=on", "--out", tmp_path / "out")
    done = figurine("run", picture, *words, home=tmp_path / "home", environment=environment)
    assert done.exit_code == 1
    assert "The hosted editor is off" in done.stderr and KEY not in done.stderr
    assert service.requests == []


def has_paused(job: dict[str, Any]) -> bool:
    """Or ended."""
    return job["state"] in ("waiting", "done", "failed", "cancelled")


@pytest.mark.usefixtures("small_edits")
class TestLocal:
    """A tiny FLUX.2 klein in the place of the published one, through registry, pipeline, cache and stage."""

    def run(self, store: Any, home: Path, seed: int = 0) -> tuple[NormalizedImage, StageRecord]:
        found: list[tuple[NormalizedImage, StageRecord]] = []
        registry = EngineRegistry(
            BlenderProcess(None, home / "work"), store, partial(set_up_editors, store, EditorChoices("flux2-klein-4b"))
        )
        settings = JobSettings(
            engine="draft",
            kind="humanoid",
            seed=seed,
            pause_after="normalize",
            editor="local",
            normalize_steps={"pose": "on"},
        )
        control = Control(on_result=lambda record, result: found.append((result, record)))
        with WarmStages(1 << 30) as warm:
            pipeline = Pipeline(registry, StageCache(home / "cache", 1 << 30), warm, product_version="0")
            with pytest.raises(JobPaused):
                pipeline.make_figure(SourceImage(figure(8), "0" * 64), settings, control)
        return found[0]

    def test_it_is_run_judged_and_shown(self, published: Path, tmp_path: Path) -> None:
        store = store_of(published)
        image, record = self.run(store, tmp_path)
        step = next(step for step in image.steps if step.startswith("pose"))
        assert step == "pose: kept: the edit by local, FLUX.2 [klein] 4B did not hold", "random weights draw no doll"
        assert any("The edited picture was not used" in note for note in record.notes)
        assert width_of(image.rgba) == pytest.approx(width_of(figure(8)), abs=0.02)
        edit = next(shown.rgba for shown in image.pictures if shown.step == "pose")
        assert edit.shape == (128, 96, 4) and edit[..., :3].std() > 1
        assert set(store.digests("flux2-klein-4b")) <= set(record.weight_digests)
        assert not record.reused
        again, kept = self.run(store, tmp_path)
        assert kept.reused and (again.rgba == image.rgba).all()
        other, fresh = self.run(store, tmp_path, seed=1)
        assert not fresh.reused
        assert (next(shown.rgba for shown in other.pictures if shown.step == "pose") != edit).any()

    def test_damaged_weights_fail_the_job(self, published: Path, tmp_path: Path) -> None:
        import shutil

        shutil.copytree(published, tmp_path / "weights")
        store = store_of(tmp_path / "weights")
        (tmp_path / "weights/flux2-klein-4b/transformer/diffusion_pytorch_model.safetensors").write_bytes(b"less")
        with pytest.raises(WeightsCorrupt, match="4 bytes instead of"):
            self.run(store, tmp_path)
