# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's geometry through the server and the command, by a tiny checkpoint in the published layout."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.integration.jobs import ROOT, figurine, kept_result, report_of
from tests.integration.server_process import Server
from tests.integration.tiny_weights import BASE_ID, LABEL_ID, add_geometry_weights, registry_of, store_of

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch
from safetensors.torch import load_file, save_file

from inference_server.core.digest import digest
from inference_server.core.frames import to_view
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import Mesh, NormalizedImage
from inference_server.errors import Cancelled, FigurineError, WeightsCorrupt, WeightsMissing
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.geometry.placement import place_before_picture
from inference_server.stages.registry import EngineRegistry
from models.step1x3d.geometry.checkpoint import WEIGHTS_NAME

QUICK: dict[str, Any] = {
    "engines": {"geometry": "neural"},
    "steps": 4,
    "resolution": 128,
    "faces": 2000,
    "kind": "none",
    "texture_px": 1024,
    "outputs": "rig",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the tiny label model."""
    root = tmp_path_factory.mktemp("neural") / "home"
    add_geometry_weights(root, LABEL_ID)
    return root


@pytest.fixture(scope="module")
def server(home: Path) -> Any:
    with Server(home) as server:
        yield server


def done(server: Server, picture: Path, **settings: Any) -> dict[str, Any]:
    """The report of a job that must succeed."""
    job = server.wait(server.submit(picture, **{**QUICK, **settings}))
    assert job["state"] == "done", job["error"]
    return server.request("GET", f"/v1/jobs/{job['id']}/artifacts/report.json").json()


@pytest.mark.blender
def test_a_picture_becomes_a_figure_by_the_network(server: Server, home: Path, picture: Path) -> None:
    job = server.wait(server.submit(picture, **{**QUICK, "outputs": "all"}))
    assert job["state"] == "done", job["error"]
    assert {"figure.glb", "figure.fbx", "preview.png"} <= {item["name"] for item in job["artifacts"]}
    stages = {stage["stage"]: stage for stage in job["stages"]}
    assert (stages["geometry"]["engine"], stages["texture"]["engine"]) == ("neural", "draft")
    report = server.request("GET", f"/v1/jobs/{job['id']}/artifacts/report.json").json()
    geometry = next(stage for stage in report["stages"] if stage["stage"] == "geometry")
    assert geometry["weight_digests"] == list(store_of(home).digests(LABEL_ID))
    mesh: Mesh = kept_result(home, report, "geometry")
    assert 500 < len(mesh.faces) <= QUICK["faces"]
    assert mesh.vertices[:, 1].min() == 0.0
    # The picture's person is 0.94 - 0.06 of its square, and the square of the cut-out is filled anew.
    assert 0.7 < np.ptp(mesh.vertices[:, 1]) < 1.0


def image_of(picture: Path) -> NormalizedImage:
    return NormalizedImage(np.asarray(Image.open(picture)), (), (), 0.3)


@pytest.fixture(scope="module")
def stage(home: Path) -> Iterator[Any]:
    found = registry_of(home).choose("geometry", "neural").stage
    found.load(Device("cpu"))
    yield found
    found.unload()


def run(stage: Any, picture: Path, seed: int, control: Control | None = None, **settings: Any) -> tuple[Mesh, Any]:
    document = JobSettings(steps=4, resolution=128, faces=2000, **settings).to_document()
    chosen = {name: document[name] for name in stage.setting_names}
    context = RunContext("geometry", "neural", seed, chosen, control or Control())
    return stage.run(image_of(picture), context), context


def test_the_same_seed_gives_the_same_shape_and_another_another(stage: Any, picture: Path) -> None:
    first, again, other = (run(stage, picture, seed)[0] for seed in (5, 5, 6))
    sharp, fewer = run(stage, picture, 5, edges="sharp")[0], run(stage, picture, 5, guidance=2.0)[0]
    assert digest(first) == digest(again)
    fast = run(stage, picture, 5, speed="fast")[0]
    assert len({digest(mesh) for mesh in (first, other, sharp, fewer, fast)}) == 5


def test_every_step_is_told_and_can_be_the_last(stage: Any, picture: Path) -> None:
    told: list[float] = []
    run(stage, picture, 1, Control(lambda progress: told.append(progress.fraction)))
    assert told == sorted(told) and len(told) >= 6
    for stop_at in told[:6]:
        control = Control()
        control.on_progress = lambda progress, stop_at=stop_at, control=control: (
            control.cancel() if progress.fraction >= stop_at else None
        )
        with pytest.raises(Cancelled):
            run(stage, picture, 1, control)
    assert digest(run(stage, picture, 1)[0]) == digest(run(stage, picture, 1)[0])


def test_a_job_is_cancelled_among_the_steps_and_the_next_one_runs(server: Server, picture: Path) -> None:
    job_id = server.submit(picture, **{**QUICK, "steps": 200, "resolution": 256, "seed": 9})
    server.wait(job_id, lambda job: job["stage"] == "geometry")
    assert server.request("DELETE", f"/v1/jobs/{job_id}").status_code == 202
    job = server.wait(job_id)
    assert job["state"] == "cancelled", job
    assert done(server, picture, seed=10)["stages"]


def test_a_job_whose_worker_was_killed_goes_on_after_its_last_stage(server: Server, home: Path, picture: Path) -> None:
    settings = {"steps": 200, "seed": 11}
    job_id = server.submit(picture, **{**QUICK, **settings})
    server.wait(job_id, lambda job: job["stage"] == "geometry")
    assert server.job(job_id)["state"] == "running"
    for worker in server.workers():
        worker.kill()
    job = server.wait(job_id)
    assert job["state"] == "done", job["error"]
    report = server.request("GET", f"/v1/jobs/{job_id}/artifacts/report.json").json()
    assert {stage["stage"]: stage["reused"] for stage in report["stages"]}["normalize"]
    assert kept_result(home, report, "geometry").vertices.shape[1] == 3


def test_one_of_several_shapes_is_chosen(server: Server, home: Path, picture: Path) -> None:
    job_id = server.submit(picture, **{**QUICK, "candidates": 3, "seed": 20})
    job = server.wait(job_id, lambda job: job["state"] not in ("queued", "running"))
    assert job["state"] == "waiting", job
    sheet = server.request("GET", f"/v1/jobs/{job_id}/artifacts/candidates.png")
    with Image.open(io.BytesIO(sheet.content)) as shown:
        half = shown.width // 2
        alpha = np.asarray(shown)[..., 3].reshape(2, half, 2, half).max(axis=(1, 3))
    assert alpha.tolist() == [[255, 255], [255, 0]]  # three shapes in a square of four places
    go_on = {"settings": {"seeds": {"geometry": 21}}}
    assert server.request("POST", f"/v1/jobs/{job_id}/continue", json=go_on).status_code == 202
    assert server.wait(job_id)["state"] == "done"
    report = server.request("GET", f"/v1/jobs/{job_id}/artifacts/report.json").json()
    geometry = next(stage for stage in report["stages"] if stage["stage"] == "geometry")
    assert geometry["reused"] and geometry["seed"] == 21
    assert done(server, picture, seed=21)["digests"]["mesh"] == report["digests"]["mesh"]


def test_labels_without_the_label_model_are_told(tmp_path: Path, picture: Path) -> None:
    add_geometry_weights(tmp_path, BASE_ID)
    stage = registry_of(tmp_path).choose("geometry", "neural").stage
    stage.load(Device("cpu"))
    asked, context = run(stage, picture, 0, symmetry="symmetric")
    plain, plain_context = run(stage, picture, 0)
    stage.unload()
    assert any(LABEL_ID in sentence for sentence in context.notes)
    assert not any(LABEL_ID in sentence for sentence in plain_context.notes)
    assert digest(asked) == digest(plain)


def change_weights(folder: Path, part: str, change: Callable[[dict[str, Any]], None]) -> None:
    weights = load_file(folder / part / WEIGHTS_NAME)
    change(weights)
    save_file(weights, folder / part / WEIGHTS_NAME)


def drop_a_key(folder: Path) -> None:
    change_weights(folder, "transformer", lambda weights: weights.pop("dit_model.proj_in.bias"))


def lose_a_file(folder: Path) -> None:
    (folder / "vae" / WEIGHTS_NAME).unlink()


def cut_a_file(folder: Path) -> None:
    path = folder / "visual_encoder" / WEIGHTS_NAME
    path.write_bytes(path.read_bytes()[:-8])


def overflow(folder: Path) -> None:
    change_weights(folder, "vae", lambda weights: weights["post_kl.bias"].fill_(float("nan")))


def never_inside(folder: Path) -> None:
    change_weights(folder, "vae", lambda weights: weights["decoder.output_proj.bias"].fill_(-100.0))


def another_config(folder: Path) -> None:
    path = folder / "vae" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "qk_norm": True}))


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (drop_a_key, "WeightsCorrupt", "dit_model.proj_in.bias"),
        (another_config, "WeightsCorrupt", "qk_norm is True"),
        (lose_a_file, "WeightsMissing", f"{WEIGHTS_NAME} are not there"),
        (cut_a_file, "WeightsCorrupt", "its header speaks of"),
        (overflow, "EmptySurface", "not a number"),
        (never_inside, "EmptySurface", "no surface"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, picture: Path, spoil: Callable[[Path], None], code: str, words: str
) -> None:
    add_geometry_weights(tmp_path, LABEL_ID, spoil)
    stage = registry_of(tmp_path).choose("geometry", "neural").stage
    with pytest.raises(FigurineError) as caught:
        stage.load(Device("cpu"))
        run(stage, picture, 0)
    stage.unload()
    assert (caught.value.code, "\n" in caught.value.message) == (code, False)
    assert words in caught.value.message and caught.value.hint


def test_a_failed_job_leaves_the_worker_alive(tmp_path: Path, picture: Path) -> None:
    home = tmp_path / "home"
    add_geometry_weights(home, LABEL_ID, never_inside)
    with Server(home) as server:
        job = server.wait(server.submit(picture, **QUICK))
        assert (job["state"], job["error"]["code"]) == ("failed", "EmptySurface"), job
        workers = [process.pid for process in server.workers()]
        after = server.wait(server.submit(picture, engine="draft", outputs="rig", kind="none"))
        assert after["state"] == "done" and [process.pid for process in server.workers()] == workers


def test_an_empty_picture_is_no_subject(server: Server, tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64)).save(tmp_path / "empty.png")
    job = server.wait(server.submit(tmp_path / "empty.png", **QUICK))
    assert (job["state"], job["error"]["code"]) == ("failed", "NoSubject")


def test_auto_takes_the_network_where_it_can_and_says_why_where_not(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_server.stages.registry.has_gpu", lambda: True)
    assert registry_of(home).choose("geometry", "auto").stage.engine == "neural"
    monkeypatch.setattr("inference_server.stages.registry.has_gpu", lambda: False)
    slow = registry_of(home).choose("geometry", "auto")
    assert slow.stage.engine == "draft" and "no GPU here" in slow.fallback_reason
    assert registry_of(home).choose("geometry", "neural").stage.engine == "neural"
    choice = registry_of(tmp_path).choose("geometry", "auto")
    assert choice.stage.engine == "draft" and f"figurine weights fetch {LABEL_ID}" in choice.fallback_reason
    with pytest.raises(WeightsMissing):
        registry_of(tmp_path).choose("geometry", "neural")


def test_cut_and_pointer_files_are_never_a_quiet_draft(tmp_path: Path) -> None:
    folder = add_geometry_weights(tmp_path, LABEL_ID)
    path = folder / "transformer" / WEIGHTS_NAME
    content = path.read_bytes()
    for spoiled in (content[:-1], b"version https://git-lfs.github.com/spec/v1\n"):
        path.write_bytes(spoiled)
        with pytest.raises(WeightsCorrupt):
            registry_of(tmp_path).choose("geometry", "auto")


def test_doctor_and_list_name_the_weights(home: Path) -> None:
    doctor = figurine("doctor", "--json", home=home)
    neural = next(finding for finding in json.loads(doctor.stdout) if finding["name"] == "Neural geometry")
    assert neural["is_ok"] and LABEL_ID in neural["detail"]
    listed = {row["id"]: row["state"] for row in json.loads(figurine("weights", "list", "--json", home=home).stdout)}
    assert (listed[LABEL_ID], listed[BASE_ID]) == ("present", "absent")


def test_a_manifest_of_ones_own_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "manifest.toml").write_text("[[weights]]\nid = 3\n")
    failed = figurine("weights", "list", home=tmp_path)
    assert failed.exit_code == 1 and "manifest.toml cannot be read" in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are the Linux kernel's here")
def test_where_memory_runs_out_a_leaner_mode_does_it_and_the_report_says_so(tmp_path: Path, picture: Path) -> None:
    add_geometry_weights(tmp_path / "home", BASE_ID, vae_width=96)
    child = subprocess.run(
        [sys.executable, "-m", "tests.integration.little_memory", str(picture), str(tmp_path / "report.json")],
        cwd=ROOT,
        env=os.environ | {"FIGURINE_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr
    report = report_of(tmp_path)
    sentences = [item["sentence"] for item in report["warnings"] if item["stage"] == "geometry"]
    assert any("Memory ran out" in sentence for sentence in sentences), sentences


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, where it looks through itself
def test_where_no_compiler_is_the_network_runs_as_it_is_and_says_so(
    home: Path, stage: Any, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.compiler.reset()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    registry = EngineRegistry(BlenderProcess(None, tmp_path), store_of(home), is_compiled=True)
    asked = registry.choose("geometry", "neural").stage
    asked.load(Device("cpu"))
    mesh, context = run(asked, picture, 5)
    asked.unload()
    plain, plain_context = run(stage, picture, 5)
    assert digest(mesh) == digest(plain)
    [sentence] = [sentence for sentence in context.notes if "compile" in sentence]
    assert "could not be compiled" in sentence and "compile_networks" in sentence
    assert not any("compile" in sentence for sentence in plain_context.notes)


def test_the_shape_stands_where_the_picture_shows_it() -> None:
    rgba = np.zeros((100, 100, 4), np.uint8)
    rgba[10:90, 30:50, 3] = 255
    corners = np.array([[-1, -2, 0], [1, 2, 0], [1, -2, 1], [-1, 2, -1]], np.float32) + np.float32(3)
    mesh = place_before_picture(corners, np.array([[0, 1, 2], [0, 1, 3]], np.int32), rgba)
    assert mesh.front_view is not None
    seen = to_view(mesh.vertices, mesh.front_view) - [mesh.front_view.center_x_m, mesh.front_view.center_y_m, 0]
    assert mesh.vertices[:, 1].min() == 0.0
    assert np.allclose(seen[:, 1], [-0.4, 0.4, -0.4, 0.4], atol=1e-6)
    assert np.allclose((seen[:, 0].min() + seen[:, 0].max()) / 2, -0.1, atol=1e-6)
