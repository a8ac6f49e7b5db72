# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says of the server's devices, and why no whole figure can be neural there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.documents import Compute, Device, Health, NeuralStage, parse
from blender_addon.jobs import link
from blender_addon.jobs.views import ServerView, Snapshot
from blender_addon.neural import device_text, neural_obstacle
from blender_addon.runtime import Runtime
from blender_addon.status import server_status
from inference_server.api.documents import ComputeDocument
from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import FigurineServer, managed

CPU = Device("cpu", "x86_64", 64 << 30)
CARD = Device("cuda", "NVIDIA GeForce RTX 4090", (24 << 30) - (500 << 20))
STAGES = ("normalize", "geometry", "texture", "rig")


def compute(*devices: Device, **states: str) -> Compute:
    """With stages that are ready unless told otherwise."""
    neural = [NeuralStage(stage, states.get(stage, "ready"), f"About {stage}.", ()) for stage in STAGES]
    return Compute((*devices, CPU), tuple(neural))


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (compute(CARD), "NVIDIA GeForce RTX 4090, 24 GB"),
        (compute(CARD, geometry="no_weights"), "NVIDIA GeForce RTX 4090, 24 GB"),
        (compute(), "No GPU: networks run on the processor"),
        (compute(geometry="no_gpu", texture="no_gpu"), "No GPU: shapes and textures are drafts"),
        (
            compute(normalize="no_weights", geometry="no_gpu", texture="no_gpu", rig="no_weights"),
            "No GPU: drafts only",
        ),
        (compute(**dict.fromkeys(STAGES, "no_library")), "Without the neural engine: drafts only"),
        (Compute((), ()), ""),
    ],
)
def test_the_device_is_named_in_a_few_words(told: Compute, text: str) -> None:
    assert device_text(told) == text


def test_the_state_of_the_server_shows_it(runtime: Runtime) -> None:
    view = ServerView("running", "http://127.0.0.1:47110", "0.1.0", ("draft", "neural"), True)
    for told, detail in (
        (None, "0.1.0 · draft + neural"),
        (Compute((), ()), "0.1.0 · draft + neural"),
        (compute(CARD), "0.1.0 · NVIDIA GeForce RTX 4090, 24 GB"),
    ):
        runtime.snapshot = Snapshot(replace(view, compute=told))
        assert server_status(runtime).detail == detail


def test_the_obstacle_that_is_hardest_to_mend_is_said() -> None:
    assert neural_obstacle(compute(CARD)) == "" == neural_obstacle(Compute((), ()))
    assert "no GPU" in neural_obstacle(compute(normalize="no_weights", texture="no_gpu"))
    assert "without the neural engine" in neural_obstacle(compute(normalize="no_library", texture="no_gpu"))
    lacking = Compute((CARD, CPU), tuple(NeuralStage(name, "no_weights", "", (name, "both")) for name in STAGES[:2]))
    assert neural_obstacle(lacking) == (
        "The server lacks weights for it (normalize, both, geometry): download them under Models."
    )


def test_the_servers_words_are_shown_where_there_are_none_of_ours() -> None:
    assert neural_obstacle(compute(CARD, rig="no_tea")) == "About rig.", "a later server's state"
    assert neural_obstacle(compute(CARD, rig="no_weights")) == "About rig.", "nothing to fetch mends it"


def test_a_server_of_before_tells_nothing_and_one_of_later_may_tell_more() -> None:
    greeting = {"service": "figurine", "version": "0.1.0"}
    assert parse(Health, greeting).compute is None
    device = {"kind": "npu", "name": "Later", "memory_bytes": 1, "cores": 3}
    told = parse(Health, greeting | {"compute": {"devices": [device], "neural": [], "fans": 2}}).compute
    assert told is not None and told.devices == (Device("npu", "Later", 1),)


def test_a_server_that_still_looks_is_asked_again_soon(
    server: FigurineServer, home: Path, jobs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_EARLY_HEALTH_S", 0.05)
    found, server.desk.compute.told = server.desk.compute.told, ComputeDocument((), ())
    with Blender(jobs_folder, managed(home)) as blender:
        blender.engine.watch(60)
        blender.wait(lambda: blender.server.compute == Compute((), ()))
        server.desk.compute.told = found
        blender.wait(lambda: blender.server.compute is not None and len(blender.server.compute.devices) == 2)
        assert blender.server.compute is not None
        assert device_text(blender.server.compute) == "NVIDIA GeForce RTX 4090, 24 GB"
