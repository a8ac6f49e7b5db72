# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's texture through the server, by tiny checkpoints in the published layouts."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.integration.inspector import inspect
from tests.integration.jobs import kept_result
from tests.integration.server_process import Server

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

from safetensors.torch import load_file, save_file

from inference_server.core.cache import StageCache
from inference_server.core.pipeline import Pipeline
from inference_server.core.settings import JobSettings, settings_from_document
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import Mesh, MeshLayout, NormalizedImage, SourceImage, TexturedMesh, TextureInput
from inference_server.core.warm import WarmStages
from inference_server.errors import BakeFailed, Cancelled, OutOfMemory, WeightsCorrupt, WeightsMissing
from models.step1x3d.texture.pipeline import MODES, Sizes
from tests.integration.tiny_weights import TEXTURE_IDS, add_texture_weights, registry_of, store_of

QUICK: dict[str, Any] = {"engines": {"texture": "neural"}, "texture_steps": 2, "texture_px": 1024, "outputs": "rig"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("neural") / "home"
    add_texture_weights(root)
    return root


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with Server(home) as server:
        yield server


def check_painted(report: dict[str, Any], home: Path, cache_home: Path) -> None:
    """The network did it, by these weights, and the mesh is that of the geometry."""
    stage = next(item for item in report["stages"] if item["stage"] == "texture")
    assert stage["engine"] == "neural" and stage["fallback_reason"] == ""
    expected = [digest for item in TEXTURE_IDS for digest in store_of(home).digests(item)]
    assert list(stage["weight_digests"]) == expected
    mesh: Mesh = kept_result(cache_home, report, "geometry")
    textured: TexturedMesh = kept_result(cache_home, report, "texture")
    assert np.array_equal(textured.mesh.vertices, mesh.vertices) and np.array_equal(textured.mesh.faces, mesh.faces)
    assert textured.base_color.shape == (1024, 1024, 3)
    assert np.unique(textured.base_color.reshape(-1, 3), axis=0).shape[0] > 100


@pytest.mark.full
def test_a_served_figure_is_painted_by_the_network_in_its_full_size(server: Server, home: Path, picture: Path) -> None:
    job = server.wait(server.submit(picture, **QUICK))
    assert job["state"] == "done", job["error"]
    check_painted(server.request("GET", f"/v1/jobs/{job['id']}/artifacts/report.json").json(), home, home)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # gpytoolbox imports a name that scipy is to drop
def test_a_figure_is_painted_by_the_network_and_keeps_its_mesh(
    home: Path, picture: Path, tmp_path: Path, small_views: None
) -> None:
    cache = StageCache(tmp_path / "cache", 1 << 30)
    source = SourceImage(np.asarray(Image.open(picture)), "0" * 64)
    settings = settings_from_document(QUICK)
    with WarmStages(1 << 30) as warm:
        pipeline = Pipeline(registry_of(home), cache, warm, product_version="0")
        outcome = pipeline.make_figure(source, settings, Control())
    check_painted({"stages": [asdict(record) for record in outcome.records]}, home, tmp_path)


def test_a_job_is_cancelled_while_views_are_painted_and_keeps_its_shape(server: Server, picture: Path) -> None:
    settings = {**QUICK, "texture_steps": 200, "seed": 3}
    job_id = server.submit(picture, **settings)
    server.wait(job_id, lambda job: job["stage"] == "texture" and job["progress"] > 0)
    server.request("DELETE", f"/v1/jobs/{job_id}")
    job = server.wait(job_id)
    assert job["state"] == "cancelled", job
    assert {item["stage"] for item in job["stages"]} == {"normalize", "geometry"}


def own_mesh(folder: Path) -> tuple[Path, np.ndarray, np.ndarray, np.ndarray]:
    """A ball of triangles off the origin as an artist's OBJ, each in a cell of its own of the texture, with a vertex of
    no face far away: the file, its vertices (V, 3), faces (F, 3) and UVs (F, 3, 2).
    """
    shape = trimesh.creation.icosphere(subdivisions=2)
    vertices = np.round(np.vstack([shape.vertices * 0.4 + [2.0, 1.0, 0.5], [[9.0, 30.0, 9.0]]]), 6)
    faces = np.asarray(shape.faces)
    cells = np.arange(len(faces))
    corner = np.stack([cells % 20, cells // 20], axis=1)[:, None] + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])
    uv = np.round(corner / 20, 6)
    lines = ["o ball", *("v {} {} {}".format(*place) for place in vertices.tolist())]
    lines += ["vt {} {}".format(*place) for place in uv.reshape(-1, 2).tolist()]
    lines += [
        "f " + " ".join(f"{vertex + 1}/{3 * number + index + 1}" for index, vertex in enumerate(face))
        for number, face in enumerate(faces.tolist())
    ]
    path = folder / "ball.obj"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path, vertices, faces, uv


@pytest.mark.full
@pytest.mark.blender
def test_an_artists_own_mesh_is_painted_by_the_network_and_stays_as_it_is(server: Server, tmp_path: Path) -> None:
    path, vertices, faces, uv = own_mesh(tmp_path)
    picture = tmp_path / "disc.png"
    Image.fromarray(disc().rgba).save(picture)
    settings = {"engines": {"texture": "neural"}, "texture_steps": 2, "texture_px": 1024}
    with path.open("rb") as first, picture.open("rb") as second:
        files = {"mesh": (path.name, first), "image": (picture.name, second)}
        made = server.request("POST", "/v1/jobs", files=files, data={"settings": json.dumps(settings)})
    assert made.status_code == 202, made.text
    job = server.wait(made.json()["id"])
    assert job["state"] == "done", job["error"]

    def artifact(name: str) -> bytes:
        return server.request("GET", f"/v1/jobs/{job['id']}/artifacts/{name}").content

    report = json.loads(artifact("report.json"))
    assert [stage["stage"] for stage in report["stages"]] == ["normalize", "texture", "export"]
    (stage,) = (item for item in report["stages"] if item["stage"] == "texture")
    assert stage["engine"] == "neural" and stage["fallback_reason"] == ""
    warnings = [warning["sentence"] for warning in report["warnings"] if warning["stage"] == "texture"]
    assert not any("outline" in sentence or "laid out" in sentence for sentence in warnings), warnings
    with np.load(io.BytesIO(artifact("texture.npz"))) as layout:
        assert np.array_equal(layout["sizes"], np.full(len(faces), 3))
        assert np.array_equal(layout["vertices"].reshape(-1, 3), faces)
        assert np.abs(layout["uv"].reshape(-1, 3, 2) - uv).max() < 1e-6
    texture = np.asarray(Image.open(io.BytesIO(artifact("texture.png"))))
    assert texture.shape == (1024, 1024, 3)
    assert len(np.unique(texture.reshape(-1, 3), axis=0)) > 100
    (tmp_path / "figure.fbx").write_bytes(artifact("figure.fbx"))
    (seen,) = inspect(tmp_path / "figure.fbx")
    (mesh,) = seen["meshes"]
    assert np.array_equal(mesh["polygons"], faces)
    # Blender's axes: the house's (x, y, z) is its (x, -z, y). It drops what is of no face.
    assert np.abs(np.array(mesh["vertices"])[:, [0, 2, 1]] * [1, 1, -1] - vertices[:-1]).max() < 1e-4
    assert np.abs(np.array(mesh["uv"]).reshape(-1, 3, 2) - uv).max() < 1e-5
    assert any(image["size"] == [1024, 1024] and image["deviation"] > 0.01 for image in seen["images"])


@pytest.fixture
def small_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small views and a small bake, in this process."""
    monkeypatch.setattr("models.step1x3d.texture.bake.RENDER_PX", 256)
    monkeypatch.setattr("models.step1x3d.texture.pipeline.Sizes", lambda: Sizes(64, 128))


@pytest.fixture
def stage(home: Path, small_views: None) -> Iterator[Any]:
    found = registry_of(home).choose("texture", "neural").stage
    found.load(Device("cpu"))
    yield found
    found.unload()


def ball() -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=3)
    return Mesh(np.asarray(shape.vertices, np.float32) * np.float32(0.4), np.asarray(shape.faces, np.int32))


def disc() -> NormalizedImage:
    rows, columns = np.mgrid[:96, :96] - 47.5
    rgba = np.full((96, 96, 4), 255, np.uint8)
    rgba[..., :2] = 90
    rgba[..., 3] = np.where(np.hypot(rows, columns) < 40, 255, 0)
    return NormalizedImage(rgba, (), (), 0.8)


def run(
    stage: Any,
    mesh: Mesh,
    image: NormalizedImage,
    seed: int = 1,
    control: Control | None = None,
    layout: MeshLayout | None = None,
) -> Any:
    document = JobSettings(texture_steps=3, texture_px=1024).to_document()
    chosen = {name: document[name] for name in stage.setting_names}
    context = RunContext("texture", "neural", seed, chosen, control or Control())
    return stage.run(TextureInput(mesh, image, layout), context), context


def test_a_seed_decides_the_texture(stage: Any) -> None:
    first, again, other = (run(stage, ball(), disc(), seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first.base_color, again.base_color)
    assert not np.array_equal(first.base_color, other.base_color)
    assert first.uv.shape == (len(ball().faces), 3, 2)


def test_a_picture_of_something_else_is_told(stage: Any) -> None:
    assert not any("outline" in sentence for sentence in run(stage, ball(), disc())[1].notes)
    rgba = disc().rgba.copy()
    rgba[..., 3] = 0
    rgba[40:50, 10:90, 3] = 255
    context = run(stage, ball(), NormalizedImage(rgba, (), (), 0.1))[1]
    assert any("outline is not the mesh's" in sentence for sentence in context.notes)


def test_a_layout_that_is_there_is_kept_and_one_that_tears_is_not(stage: Any) -> None:
    shape = ball()
    cells = np.arange(len(shape.faces))
    corner = np.stack([cells % 36, cells // 36], axis=1)[:, None] + np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])
    corners = np.arange(3 * len(cells), dtype=np.int32).reshape(-1, 3)
    uv = (corner / 36).astype(np.float32)
    kept, context = run(stage, shape, disc(), layout=MeshLayout(corners, cells.astype(np.int32), uv))
    assert np.array_equal(kept.uv, uv) and np.array_equal(kept.mesh.faces, shape.faces)
    assert not any("laid out" in sentence for sentence in context.notes)
    assert np.unique(kept.base_color.reshape(-1, 3), axis=0).shape[0] > 100
    layout = MeshLayout(corners, cells.astype(np.int32), np.zeros_like(uv))
    fresh, context = run(stage, shape, disc(), layout=layout)
    assert not np.array_equal(fresh.uv, layout.uv) and any("laid out" in sentence for sentence in context.notes)


def test_every_step_is_told_and_can_be_the_last(stage: Any) -> None:
    told: list[float] = []
    run(stage, ball(), disc(), 1, Control(lambda progress: told.append(progress.fraction)))
    assert told == sorted(told) and len(set(told)) >= 4
    for stop_at in sorted(set(told)):
        control = Control()
        control.on_progress = lambda progress, stop_at=stop_at, control=control: (
            control.cancel() if progress.fraction >= stop_at else None
        )
        with pytest.raises(Cancelled):
            run(stage, ball(), disc(), 1, control)


def test_meshes_that_cannot_be_painted_are_refused_before_the_networks_are_read(stage: Any) -> None:
    broken = ball()
    vertices = broken.vertices.copy()
    vertices[3] = np.nan
    faces = np.zeros((1_000_001, 3), np.int32)
    with pytest.raises(BakeFailed, match="not finite"):
        run(stage, unchecked_mesh(vertices, broken.faces), disc())
    with pytest.raises(BakeFailed, match="1,000,001 faces"):
        run(stage, unchecked_mesh(broken.vertices, faces), disc())
    assert stage._model.mode is None


def unchecked_mesh(vertices: np.ndarray, faces: np.ndarray) -> Any:
    """What the type itself would refuse, or what is too large to make honestly."""
    mesh = object.__new__(Mesh)
    for name, value in (("vertices", vertices), ("faces", faces), ("front_view", None)):
        object.__setattr__(mesh, name, value)
    return mesh


def test_where_memory_runs_out_leaner_modes_are_tried_and_told(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    paint = stage._model.paint

    def paint_in_the_leanest(*given: Any) -> Any:
        tried.append(stage._model.mode.name)
        if stage._model.mode is not MODES[-1]:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return paint(*given)

    monkeypatch.setattr(stage._model, "paint", paint_in_the_leanest)
    _, context = run(stage, ball(), disc())
    assert tried == [mode.name for mode in MODES]
    assert context.notes[0].startswith("Memory mode resident: it needs about")
    assert sum("Memory ran out" in sentence for sentence in context.notes) == len(MODES) - 1
    monkeypatch.setattr(stage._model, "paint", lambda *given: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemory, match="even in the leanest mode"):
        run(stage, ball(), disc())


def test_weights_that_are_missing_or_spoiled_are_named(home: Path, tmp_path: Path) -> None:
    choice = registry_of(tmp_path).choose("texture", "auto")
    assert choice.stage.engine == "draft" and "figurine weights fetch step1x3d-texture" in choice.fallback_reason
    with pytest.raises(WeightsMissing):
        registry_of(tmp_path).choose("texture", "neural")
    lost: list[str] = []

    def drop_a_key(file: Path) -> None:
        weights = load_file(file)
        lost.append(next(key for key in weights if "to_q_mv" in key))
        save_file({key: tensor for key, tensor in weights.items() if key != lost[0]}, file)

    add_texture_weights(tmp_path, drop_a_key)
    stage = registry_of(tmp_path).choose("texture", "neural").stage
    stage.load(Device("cpu"))
    stage._model._sizes = Sizes(64, 128)
    with pytest.raises(WeightsCorrupt, match=re.escape(lost[0])):
        run(stage, ball(), disc())
