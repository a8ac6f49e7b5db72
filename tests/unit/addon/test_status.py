# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says about the server, why Generate is grey, and what the runtime does with requests and messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.connection import Connection
from blender_addon.errors import BadToken, DiskFull, ServerGone, ServerNotRunning, WrongVersion
from blender_addon.job import JobEngine, Request
from blender_addon.jobs.views import JobView, ServerView, Snapshot
from blender_addon.runtime import Choices, FileMark, Paths, Runtime
from blender_addon.status import obstacle, server_status

URL = "http://127.0.0.1:47110"
RUNNING = ServerView("running", URL, "0.1.0", ("draft",), True)
FILE = FileMark(1, "")


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """A runtime whose engine was never started, with nothing installed."""
    connection = Connection(
        mode="managed", address="", token="", home=tmp_path / "home", online_access=False, our_version="0.1.0"
    )
    paths = Paths(tmp_path, tmp_path / "figurine.whl", "", tmp_path / "python")
    made = Runtime(paths, "0.1.0", Choices(connection, "", tmp_path / "server", False), JobEngine(tmp_path / "jobs"))
    made.apply(made.choices)
    return made


def with_command(runtime: Runtime, command: str = "figurine serve") -> Runtime:
    runtime.apply(replace(runtime.choices, command=command))
    return runtime


def test_the_first_thing_is_to_install(runtime: Runtime) -> None:
    assert server_status(runtime).kind == "not_installed"
    assert obstacle(runtime, True).startswith("Install the server first")
    assert not runtime.can_start


def test_a_stopped_server_does_not_keep_from_generating(runtime: Runtime) -> None:
    with_command(runtime).snapshot = Snapshot(ServerView("absent", error=ServerNotRunning()))
    assert server_status(runtime).kind == "stopped"
    assert obstacle(runtime, True) == ""
    assert obstacle(runtime, False).startswith("Choose a picture")


def test_a_running_server_needs_no_installation(runtime: Runtime) -> None:
    runtime.snapshot = Snapshot(RUNNING)
    assert server_status(runtime).kind == "running"
    assert server_status(runtime).detail == "0.1.0 · draft"
    assert obstacle(runtime, True) == ""


@pytest.mark.parametrize(
    ("view", "is_obstacle"),
    [
        (ServerView("wrong_version", URL, error=WrongVersion("9.0.0", "0.1.0")), True),
        (ServerView("bad_token", URL, error=BadToken(URL)), True),
        (ServerView("unreachable", URL, error=ServerGone(URL)), False),
    ],
)
def test_a_server_that_cannot_be_used_says_why(runtime: Runtime, view: ServerView, is_obstacle: bool) -> None:
    with_command(runtime).snapshot = Snapshot(view)
    status = server_status(runtime)
    assert (status.kind, status.error) == ("failed", view.error)
    assert bool(obstacle(runtime, True)) == is_obstacle


def test_a_server_at_an_address_is_not_started_from_here(runtime: Runtime) -> None:
    connection = replace(runtime.choices.connection, mode="address", address=URL)
    runtime.apply(replace(runtime.choices, connection=connection))
    assert server_status(runtime).kind == "checking"
    runtime.snapshot = Snapshot(ServerView("absent", error=ServerNotRunning(URL)))
    assert server_status(runtime).title == "Server Not Running"
    runtime.generate(Request(Path("fox.png"), "fox"), FILE)
    assert runtime.server is None
    assert runtime.focus is not None


def test_a_request_waits_for_the_server_and_is_gone_at_stop(runtime: Runtime) -> None:
    with_command(runtime, "figurine-no-such-program")
    runtime.generate(Request(Path("fox.png"), "fox"), FILE)
    assert len(runtime.waiting_requests) == 1
    assert runtime.focus is None
    assert runtime.server is not None
    assert runtime.server.wait(10)
    assert server_status(runtime).kind == "failed"
    runtime.stop_server()
    assert runtime.waiting_requests == []
    runtime.server.wait(10)


def test_a_request_goes_straight_to_a_running_server(runtime: Runtime) -> None:
    with_command(runtime).snapshot = Snapshot(RUNNING)
    runtime.generate(Request(Path("fox.png"), "fox"), FILE)
    assert runtime.waiting_requests == []
    assert runtime.files == {runtime.focus: FILE}


def test_a_message_is_said_once_and_the_oldest_go(runtime: Runtime) -> None:
    for folder in ("/a", "/b", "/b", "/c", "/d", "/e"):
        runtime.complain(DiskFull(folder))
    assert [message.text[-3:-1] for message in runtime.messages] == ["/b", "/c", "/d", "/e"]
    runtime.dismiss(runtime.messages[0].number)
    assert len(runtime.messages) == 3
    assert runtime.last_error is not None


def test_every_change_can_be_seen(runtime: Runtime) -> None:
    before = runtime.revision
    runtime.say("Done.")
    assert runtime.revision > before


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (FileMark(1, ""), FileMark(1, ""), True),
        (FileMark(1, ""), FileMark(1, "/saved.blend"), True),
        (FileMark(1, ""), FileMark(2, ""), False),
        (FileMark(1, "/a.blend"), FileMark(2, "/a.blend"), True),
        (FileMark(1, "/a.blend"), FileMark(2, "/b.blend"), False),
        (FileMark(1, "", "Scene"), FileMark(1, "", "Another"), True),
    ],
)
def test_whether_it_is_the_file_that_asked(one: FileMark, other: FileMark, is_same: bool) -> None:
    assert one.is_same(other) == is_same


def test_open_jobs_are_ours_and_oldest_first(runtime: Runtime) -> None:
    jobs = (
        JobView("c", "running", "c"),
        JobView("b", "queued", "b", is_ours=False),
        JobView("a", "queued", "a"),
        JobView("z", "done", "z"),
    )
    runtime.snapshot = Snapshot(RUNNING, jobs)
    assert [job.key for job in runtime.open_jobs] == ["a", "c"]


def test_what_was_said_goes_with_the_next_request(runtime: Runtime, tmp_path: Path) -> None:
    with_command(runtime).snapshot = Snapshot(RUNNING)
    runtime.say("The server is installed.")
    runtime.complain(DiskFull("the folder"))
    runtime.say("It waits for you.", key="another job", offers_import=True)
    runtime.generate(Request(tmp_path / "fox.png", "fox", {}), FILE)
    assert [message.text for message in runtime.messages] == ["It waits for you."]
