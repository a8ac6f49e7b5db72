# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights from the panel's side: the engine with the real application, and the words for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon import models
from blender_addon.documents import Download, Weights
from blender_addon.errors import ServerWords
from blender_addon.jobs.views import ModelsView, ServerView, Snapshot
from blender_addon.runtime import Choices, Runtime
from inference_server.weights import read_manifest
from tests.integration.fake_hub import FakeHub, serve_hub
from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import FigurineServer, managed

ID = "birefnet-lite"
CONTENT = bytes(range(256)) * 16_000
STALL = 2_000_000
MODEL = Weights("one", "One", "does it", "MIT", "maker/one", "absent", 7_249_192_406, True, 0, None)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Where the server's children fetch from."""
    with serve_hub(CONTENT) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield served


@pytest.fixture
def blender(
    server: FigurineServer, home: Path, jobs_folder: Path, in_a_hurry: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Blender]:
    """An engine that somebody looks at."""
    monkeypatch.setattr("blender_addon.jobs.models._CALM_S", 0.05)
    monkeypatch.setattr("blender_addon.jobs.models._BUSY_S", 0.05)
    with Blender(jobs_folder, managed(home)) as blender:
        blender.engine.watch(60.0)
        yield blender
    server.desk.services.downloads.stop()  # type: ignore[attr-defined]


def shown(blender: Blender) -> Weights:
    return next(model for model in blender.engine.snapshot.models.models if model.id == ID)


def test_what_the_server_has_is_shown(blender: Blender) -> None:
    blender.wait(lambda: blender.engine.snapshot.models.is_known)
    view = blender.engine.snapshot.models
    assert [model.id for model in view.models] == list(read_manifest())
    assert models.summary(view).startswith(f"0 of {len(view.models)} are on the server")
    assert view.obstacle == "" and view.error is None


@pytest.mark.full
def test_a_model_is_fetched_cancelled_and_gone_on_with(blender: Blender, hub: FakeHub) -> None:
    blender.wait(lambda: blender.engine.snapshot.models.is_known)
    hub.stall_after = STALL
    blender.engine.fetch_model(ID, "MIT")
    blender.wait(lambda: shown(blender).fetched_bytes > 0)
    assert models.is_underway(shown(blender))
    blender.engine.cancel_model(ID)
    blender.wait(lambda: shown(blender).download is None)
    assert shown(blender).state == "absent" and shown(blender).fetched_bytes > 0
    hub.stall_after = None
    before = blender.engine.snapshot
    blender.engine.fetch_model(ID, "MIT")
    blender.wait(lambda: models.is_underway(shown(blender)))
    before = blender.engine.snapshot
    blender.wait(lambda: shown(blender).state == "present" and shown(blender).download is None)
    assert models.arrivals(before, blender.engine.snapshot) == ["BiRefNet, lite"]
    assert shown(blender).is_size_exact and shown(blender).size_bytes == len(CONTENT)
    assert blender.notices == []
    blender.engine.fetch_model(ID, "MIT")
    assert blender.wait_for_notice("StateError").is_reply


def test_a_licence_that_is_another_is_told(blender: Blender) -> None:
    blender.wait(lambda: blender.engine.snapshot.models.is_known)
    blender.engine.fetch_model(ID, "Proprietary")
    assert "The licence of birefnet-lite is 'MIT'" in blender.wait_for_notice("RequestInvalid").error.message
    assert shown(blender).download is None


def test_a_server_that_cannot_tell_is_still_used(blender: Blender, server: FigurineServer) -> None:
    blender.wait(lambda: blender.engine.snapshot.models.is_known)
    root = server.desk.config.weights_root
    root.mkdir(parents=True, exist_ok=True)
    (root / "manifest.toml").write_text("[[weights]")
    blender.wait(lambda: blender.engine.snapshot.models.error is not None)
    assert blender.server.state == "running"
    (root / "manifest.toml").unlink()
    blender.wait(lambda: blender.engine.snapshot.models.error is None)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 MB"), (1, "1 MB"), (178_000_000, "178 MB"), (999_999_999, "1000 MB"), (7_249_192_406, "7.2 GB")],
)
def test_sizes_are_said_as_people_say_them(size_bytes: int, text: str) -> None:
    assert models.size_text(size_bytes) == text


def test_rough_sizes_are_marked() -> None:
    assert models.model_size(MODEL) == "7.2 GB"
    assert models.model_size(replace(MODEL, is_size_exact=False)) == "≈ 7.2 GB"
    assert models.model_size(replace(MODEL, size_bytes=None)) == "size unknown"


@pytest.mark.parametrize(
    ("download", "text", "share"),
    [
        (None, "", 0.0),
        (Download("queued", 0, None, None), "Waits for its turn", 0.0),
        (Download("downloading", 0, None, None), "Downloading", 0.0),
        (Download("downloading", 1_500_000_000, 6_000_000_000, None), "Downloading · 25 % · 1.5 GB of 6.0 GB", 0.25),
        (Download("checking", 6_000_000_000, 6_000_000_000, None), "Checking · 100 % · 6.0 GB of 6.0 GB", 1.0),
        (Download("converting", 0, None, None), "Converting", 0.0),
        (Download("failed", 0, None, ServerWords("DiskFull", "Full.", "", True)), "", 0.0),
    ],
)
def test_how_far_it_is(download: Download | None, text: str, share: float) -> None:
    model = replace(MODEL, download=download)
    assert (models.model_progress(model), models.model_share(model)) == (text, share)


@pytest.mark.parametrize("repository", ["maker/one/two", "../x", "maker", "maker/one?x", "http://evil.example/x", ""])
def test_only_pages_of_the_hub_are_opened(repository: str) -> None:
    assert models.page_of(MODEL) == "https://huggingface.co/maker/one"
    assert models.page_of(replace(MODEL, repository=repository)) == ""


def test_what_failed_or_was_there_is_no_arrival() -> None:
    def snapshot(model: Weights) -> Snapshot:
        return Snapshot(models=ModelsView((model,), True))

    running = replace(MODEL, download=Download("downloading", 1, 2, None))
    here = replace(MODEL, state="present")
    assert models.arrivals(snapshot(running), snapshot(here)) == ["One"]
    assert models.arrivals(snapshot(MODEL), snapshot(here)) == []
    assert models.arrivals(snapshot(running), snapshot(MODEL)) == []


def test_why_nothing_can_be_downloaded(runtime: Runtime) -> None:
    assert "press Start Server" in models.fetch_obstacle(runtime)
    told = ModelsView((MODEL,), True, obstacle="It has no neural engine.")
    runtime.snapshot = Snapshot(ServerView("running"), (), models=told)
    assert models.fetch_obstacle(runtime).startswith("It has no neural engine. Choose one")
    runtime.snapshot = Snapshot(ServerView("running"), (), models=replace(told, obstacle=""))
    assert "Allow Online Access" in models.fetch_obstacle(runtime)
    online = replace(runtime.choices.connection, online_access=True)
    runtime.apply(Choices(online, "", runtime.choices.install_folder, False))
    assert models.fetch_obstacle(runtime) == ""
