# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines in a hurry, the server, and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blender_addon.connection import Connection
from blender_addon.job import JobEngine
from blender_addon.runtime import Choices, Paths, Runtime
from tests.unit.addon.servers import FigurineServer
from tests.unit.server.desk import PICTURE

_PACE_S = {
    "jobs.duties._POLL_S": 0.02,
    "jobs.duties._LATER_POLL_S": 0.05,
    "jobs.minder._TICK_S": 0.02,
    "jobs.listing._LIST_S": 0.05,
    "jobs.link._FIRST_RETRY_S": 0.02,
    "jobs.link._LONGEST_RETRY_S": 0.05,
    "jobs.link._HEALTH_S": 0.1,
}


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's pauses, shortened."""
    for name, seconds in _PACE_S.items():
        monkeypatch.setattr(f"blender_addon.{name}", seconds)
    monkeypatch.setattr("blender_addon.jobs.listing._PAGE", 3)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The server's data folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def server(home: Path) -> Iterator[FigurineServer]:
    """A server that writes its handshake into `home`."""
    with FigurineServer(home) as server:
        yield server


@pytest.fixture
def jobs_folder(tmp_path: Path) -> Path:
    """The add-on's folder for jobs."""
    return tmp_path / "jobs"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that the server takes for a picture."""
    path = tmp_path / "fox.png"
    path.write_bytes(PICTURE)
    return path


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A runtime whose engine was never started, with nothing installed."""
    connection = Connection(
        mode="managed", address="", token="", home=tmp_path / "home", online_access=False, our_version="0.1.0"
    )
    paths = Paths(tmp_path, tmp_path / "figurine.whl", "", tmp_path / "python")
    made = Runtime(paths, "0.1.0", Choices(connection, "", tmp_path / "server", False), JobEngine(tmp_path / "jobs"))
    made.apply(made.choices)
    yield made
    made.close()
