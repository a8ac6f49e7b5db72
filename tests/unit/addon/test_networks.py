# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural engine in the panel: its words, when it can be added, what an update keeps, and what starts again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon import models, networks
from blender_addon.diagnostics import diagnostics
from blender_addon.documents import Weights
from blender_addon.jobs.views import ModelsView, ServerView, Snapshot
from blender_addon.runtime import Runtime
from blender_addon.setup.environments import Installed, Torch
from blender_addon.setup.install import Installation
from blender_addon.setup.torch_builds import DRAFT_ONLY, Equipment

URL = "http://127.0.0.1:47110"
RUNNING = ServerView("running", URL, "0.1.0", ("draft",), True)
MODEL = Weights("one", "One", "does it", "MIT", "maker/one", "absent", 7_249_192_406, True, 0, None)
DRAFT = Installed("e-1", "0.1.0")
CUDA = Installed("e-2", "0.1.0", Equipment(True, "nvidia"), Torch("2.13.0+cu130", "13.0", "cuda"))
CPU = Installed("e-3", "0.1.0", Equipment(True), Torch("2.13.0+cpu", "", "cpu"))


class Recorded:
    """An installer that installs nothing: state is set by the test."""

    asked: Sequence[Installation] = ()

    def __init__(self, installation: Installation) -> None:
        type(self).asked = (*self.asked, installation)
        self.state = "idle"

    def start(self) -> None:
        self.state = "running"

    def close(self, timeout_s: float) -> None:
        self.state = "cancelled"


@pytest.fixture
def online(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """One that has the draft engine installed, and may use the internet."""
    monkeypatch.setattr(Recorded, "asked", ())
    monkeypatch.setattr("blender_addon.runtime.Installer", Recorded)
    connection = replace(runtime.choices.connection, online_access=True)
    runtime.apply(replace(runtime.choices, connection=connection))
    runtime.is_installed, runtime.installed = True, DRAFT
    return runtime


@pytest.mark.parametrize("installed", [DRAFT, CUDA, CPU, None])
def test_an_update_keeps_what_is_installed(online: Runtime, installed: Installed | None) -> None:
    online.installed = installed
    online.install()
    assert [wanted.equipment for wanted in Recorded.asked] == [installed.equipment if installed else DRAFT_ONLY]


def test_what_is_asked_for_replaces_it(online: Runtime) -> None:
    online.installed = CUDA
    online.install(DRAFT_ONLY)
    online.install(Equipment(True, "cpu"))
    assert [wanted.equipment for wanted in Recorded.asked] == [DRAFT_ONLY, Equipment(True, "cpu")]


def ended(runtime: Runtime) -> None:
    """The installation is over, the server is not there, and the pump turns once more."""
    assert runtime.installer is not None
    runtime.installer.state = "failed"  # type: ignore[misc]
    runtime.installer = None
    runtime.snapshot = Snapshot(ServerView("absent"))
    runtime.server = None
    runtime.serve_waiting()


def test_a_server_that_ran_runs_again_however_it_ended(online: Runtime) -> None:
    online.snapshot = Snapshot(RUNNING)
    online.install()
    online.serve_waiting()
    assert online.server is not None and online.server_state != "starting", "while it is installed nothing is started"
    ended(online)
    assert online.server is not None
    online.server = None
    online.serve_waiting()
    assert online.server is None, "once"


def test_one_that_did_not_run_is_started_for_its_models_alone(online: Runtime) -> None:
    online.install()
    ended(online)
    assert online.server is None
    online.install(Equipment(True))
    ended(online)
    assert online.server is not None


def test_stop_holds_during_an_installation(online: Runtime) -> None:
    online.snapshot = Snapshot(RUNNING)
    online.install(Equipment(True))
    online.stop_server()
    ended(online)
    assert online.server is None


def test_a_server_of_the_artists_own_is_left_alone(online: Runtime) -> None:
    online.apply(replace(online.choices, command="figurine serve"))
    online.installed, online.snapshot = DRAFT, Snapshot(RUNNING)
    assert not online.lacks_neural
    assert "Server Command" in networks.install_obstacle(online)
    online.install()
    ended(online)
    assert online.server is None
    connection = replace(online.choices.connection, mode="address")
    online.apply(replace(online.choices, connection=connection, command=""))
    assert "at an address" in networks.install_obstacle(online)


def test_when_it_can_be_added_and_removed(online: Runtime) -> None:
    assert online.lacks_neural
    assert networks.install_obstacle(online) == ""
    assert "not installed" in networks.removal_obstacle(online)
    online.installed = CUDA
    assert not online.lacks_neural
    assert networks.install_obstacle(online) == networks.removal_obstacle(online) == ""
    online.install()
    assert "being installed" in networks.install_obstacle(online)
    online.installer = None
    connection = replace(online.choices.connection, online_access=False)
    online.choices = replace(online.choices, connection=connection)
    assert "Allow Online Access" in networks.install_obstacle(online)
    assert "Allow Online Access" in networks.removal_obstacle(online)


def test_models_say_how_to_come_to_the_engine(online: Runtime) -> None:
    told = ModelsView((MODEL,), True, obstacle="It has no neural engine.")
    online.snapshot = Snapshot(RUNNING, (), models=told)
    assert "press Add the Neural Engine" in models.fetch_obstacle(online)
    online.installed = CUDA
    online.snapshot = Snapshot(RUNNING, (), models=replace(told, obstacle=""))
    assert models.fetch_obstacle(online) == ""


def test_what_it_costs_is_said_for_each_processor() -> None:
    nvidia, cpu = networks.cost_lines("linux", "auto")
    assert networks.cost_lines("linux", "nvidia") == (nvidia,)
    assert networks.cost_lines("linux", "cpu") == (cpu,)
    assert nvidia.startswith("With an NVIDIA GPU: ≈ ") and cpu.startswith("On the CPU: ≈ 503 MB to download, ≈ 2.2 GB")
    (apple,) = networks.cost_lines("darwin", "auto")
    assert apple.startswith("≈ ") and "NVIDIA" not in apple


def test_what_is_installed_is_told(online: Runtime) -> None:
    assert networks.neural_facts(CUDA) == "Neural engine: NVIDIA GPU · PyTorch 2.13.0+cu130"
    assert networks.neural_facts(replace(CUDA, torch=None)) == "Neural engine: installed"
    assert "press Generate" in networks.install_news(DRAFT)[1]
    assert "no GPU" in networks.install_news(CPU)[0]
    assert "no GPU" not in networks.install_news(CUDA)[0]
    assert networks.install_news(CUDA)[1] == networks.install_news(CPU)[1]


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        (None, "Installed server: none"),
        (DRAFT, "Installed server: 0.1.0 · draft"),
        (
            CUDA,
            "Installed server: 0.1.0 · draft + neural · processor nvidia · torch 2.13.0+cu130, CUDA 13.0, on cuda",
        ),
        (CPU, "Installed server: 0.1.0 · draft + neural · processor auto · torch 2.13.0+cpu, CUDA none, on cpu"),
    ],
)
def test_diagnostics_tell_the_choice(runtime: Runtime, installed: Installed | None, words: str, tmp_path: Path) -> None:
    runtime.is_installed, runtime.installed = True, installed
    assert words in diagnostics(runtime, "5.0.1").splitlines()
