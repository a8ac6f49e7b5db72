# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says about the server, why Generate is grey, and what the runtime does with requests and messages."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.errors import BadToken, DiskFull, ServerGone, ServerNotRunning, WrongVersion
from blender_addon.job import Request
from blender_addon.jobs.views import JobView, ServerView, Snapshot, ViewState
from blender_addon.runtime import FileMark, Runtime
from blender_addon.setup.environments import Installed
from blender_addon.status import obstacle, server_status

URL = "http://127.0.0.1:47110"
RUNNING = ServerView("running", URL, "0.1.0", ("draft",), True)
FILE = FileMark(1, "")


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


def test_what_is_sent_to_a_service_needs_online_access(runtime: Runtime) -> None:
    runtime.snapshot = Snapshot(RUNNING)
    for is_allowed in (False, True):
        connection = replace(runtime.choices.connection, online_access=is_allowed)
        runtime.apply(replace(runtime.choices, connection=connection))
        reason = obstacle(runtime, True, leaves_the_computer=True)
        assert ("Allow Online Access" in reason) == (not is_allowed)
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
    generate(runtime)
    runtime.serve_waiting()
    assert runtime.server is None


def until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def generate(runtime: Runtime) -> str:
    """Press Generate, and have the panel see it."""
    runtime.generate(Request(Path("fox.png"), "fox"), FILE)
    runtime.snapshot = replace(runtime.engine.snapshot, server=runtime.snapshot.server)
    assert runtime.focus is not None
    return runtime.focus


def test_a_request_is_a_job_at_once_and_the_server_is_started_once_for_it(runtime: Runtime) -> None:
    with_command(runtime, "figurine-no-such-program")
    key = generate(runtime)
    assert runtime.files == {key: FILE}
    assert [job.key for job in runtime.open_jobs] == [key]
    runtime.serve_waiting()
    first = runtime.server
    assert first is not None
    assert first.wait(10)
    assert server_status(runtime).kind == "failed"
    runtime.serve_waiting()
    assert runtime.server is first, "a start that failed is not repeated by itself"
    generate(runtime)
    runtime.serve_waiting()
    assert runtime.server is not first
    assert len(runtime.open_jobs) == 2


def test_stop_holds_until_something_else_is_asked(runtime: Runtime) -> None:
    with_command(runtime, "figurine-no-such-program")
    generate(runtime)
    runtime.stop_server()
    stopped = runtime.server
    assert stopped is not None
    assert stopped.wait(10)
    runtime.serve_waiting()
    assert runtime.server is stopped
    assert len(runtime.open_jobs) == 1
    generate(runtime)
    runtime.serve_waiting()
    assert runtime.server is not stopped


@pytest.mark.parametrize("state", ["sending", "queued", "fetching"])
def test_the_server_is_started_for_whatever_waits(runtime: Runtime, state: ViewState) -> None:
    with_command(runtime, "figurine-no-such-program")
    asked = JobView("a", state, "a", waits_for_server=True)
    runtime.snapshot = Snapshot(ServerView("absent"), (replace(asked, waits_for_server=False),))
    runtime.serve_waiting()
    assert runtime.server is None, "a job of an earlier session starts nothing"
    runtime.snapshot = Snapshot(RUNNING, (asked,))
    runtime.serve_waiting()
    assert runtime.server is None
    runtime.snapshot = Snapshot(ServerView("absent"), (asked,))
    runtime.serve_waiting()
    assert runtime.server is not None


def test_nothing_is_started_that_cannot_be_used(runtime: Runtime) -> None:
    runtime.snapshot = Snapshot(ServerView("absent"), (JobView("a", "sending", "a", waits_for_server=True),))
    runtime.serve_waiting()
    assert runtime.server is None
    runtime.is_installed, runtime.installed = True, Installed("e-1", "0.0.9")
    assert runtime.is_outdated
    runtime.serve_waiting()
    assert runtime.server is None


def test_another_data_folder_lets_the_server_of_the_first_go(runtime: Runtime, tmp_path: Path) -> None:
    waits = shlex.join([sys.executable, "-c", "import sys; sys.stdin.read()"])
    with_command(runtime, waits).start_server()
    assert server_status(runtime).kind == "starting"
    connection = replace(runtime.choices.connection, home=tmp_path / "elsewhere")
    runtime.apply(replace(runtime.choices, connection=connection))
    assert runtime.server is None
    assert server_status(runtime).kind == "stopping", "one log is written by one server"
    runtime.start_server()
    assert runtime.server is None
    until(lambda: server_status(runtime).kind == "stopped")
    runtime.start_server()
    assert server_status(runtime).kind == "starting"


def test_another_command_replaces_the_failure_of_the_first(runtime: Runtime) -> None:
    with_command(runtime, "figurine-no-such-program").start_server()
    assert runtime.server is not None
    assert runtime.server.wait(10)
    error = server_status(runtime).error
    assert error is not None
    assert "Correct the Server Command" in error.hint
    with_command(runtime, "another-program")
    assert server_status(runtime).kind == "stopped"


def test_a_command_that_cannot_be_read_is_said(runtime: Runtime) -> None:
    with_command(runtime, 'figurine "serve').start_server()
    assert [message.text for message in runtime.messages] == [
        "The Server Command in Preferences cannot be read: no closing quotation."
    ]
    assert runtime.server_state == "stopped"
    runtime.stop_server()


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
