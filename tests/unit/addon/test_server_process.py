# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, finding and stopping: real servers, each on a data folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from blender_addon import server_process
from blender_addon.connection import Handshake, read_handshake
from blender_addon.errors import ServerEnded, ServerNotInstalled, ServerStartFailed
from blender_addon.server_process import ServerProcess, server_command, split_command

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "inference_server", "serve", "--no-worker"]
TIMEOUT_S = 60.0
MakeServer = Callable[..., ServerProcess]


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Makes servers of one data folder; they are stopped at the end."""
    made: list[ServerProcess] = []

    def make(
        command: list[str] = COMMAND, *, keep_running: bool = False, log: str = "server.log", **variables: str
    ) -> ServerProcess:
        environment = {"FIGURINE_PORT": "0", **variables}
        server = ServerProcess(command, tmp_path / "home ü", tmp_path / log, environment, keep_running)
        made.append(server)
        return server

    yield make
    for server in made:
        if server.state != "failed":
            server.stop()
            assert server.wait(TIMEOUT_S)


def handshake(home: Path) -> Handshake:
    """What the running server wrote."""
    found = read_handshake(home)
    assert found is not None
    return found


def started(server: ServerProcess) -> ServerProcess:
    server.start()
    assert server.wait(TIMEOUT_S)
    assert server.state == "running", server.error
    return server


def stopped(server: ServerProcess) -> ServerProcess:
    server.stop()
    assert server.wait(TIMEOUT_S)
    assert (server.state, server.error) == ("stopped", None)
    return server


def failed(server: ServerProcess) -> ServerStartFailed:
    server.start()
    assert server.wait(TIMEOUT_S)
    assert server.state == "failed"
    assert isinstance(server.error, ServerStartFailed)
    assert server.error.hint
    return server.error


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_starts_answers_and_stops(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    assert server.state == "stopped"
    server.start()
    assert server.state == "starting"
    server.start()
    assert server.wait(TIMEOUT_S)
    assert server.state == "running", server.error
    assert server.is_ours
    found = handshake(tmp_path / "home ü")
    assert found.url.startswith("http://127.0.0.1:")
    pid = found.pid
    assert psutil.pid_exists(pid)
    stopped(server)
    assert not psutil.pid_exists(pid)
    assert not server.is_ours
    assert not (tmp_path / "home ü/server.json").exists()
    assert "serves on" in (tmp_path / "server.log").read_text(encoding="utf-8")


def test_the_log_before_is_kept_once(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("earlier", encoding="utf-8")
    (tmp_path / "server.log.old").write_text("much earlier", encoding="utf-8")
    started(make_server())
    assert (tmp_path / "server.log.old").read_text(encoding="utf-8") == "earlier"
    assert sorted(path.name for path in tmp_path.glob("server.log*")) == ["server.log", "server.log.old"]


def test_one_that_runs_is_found_and_not_started_twice(make_server: MakeServer, tmp_path: Path) -> None:
    first = started(make_server())
    found = handshake(tmp_path / "home ü")
    second = started(make_server(log="second.log"))
    assert handshake(tmp_path / "home ü") == found
    assert not (tmp_path / "second.log").exists()
    assert first.is_ours
    assert not second.is_ours
    second.close()
    assert first.state == "running"
    third = stopped(make_server(log="third.log"))
    assert not third.is_ours
    wait_until(lambda: first.state == "stopped")
    assert first.error is None


def test_two_that_start_at_once_share_one(make_server: MakeServer) -> None:
    servers = [make_server(log=f"{number}.log") for number in range(3)]
    for server in servers:
        server.start()
    for server in servers:
        assert server.wait(TIMEOUT_S)
    assert [server.state for server in servers] == ["running"] * 3, [server.error for server in servers]
    assert [server.is_ours for server in servers].count(True) == 1


def test_nothing_to_stop_is_no_failure(make_server: MakeServer) -> None:
    stopped(make_server())


def test_what_is_not_installed_is_said(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(server_command(tmp_path))
    server.start()
    assert server.wait(TIMEOUT_S)
    assert (server.state, server.error) == ("failed", ServerNotInstalled())


def test_a_server_that_ends_at_once_is_quoted(make_server: MakeServer) -> None:
    assert "port = 'nonsense'" in failed(make_server(FIGURINE_PORT="nonsense")).message
    assert "a last word" in failed(make_server([sys.executable, "-c", "print('a last word')"])).message
    assert "it said nothing" in failed(make_server([sys.executable, "-c", "pass"])).message
    assert "cannot be started" in failed(make_server([str(ROOT / "no-such-program")])).message


def test_after_a_failure_it_can_be_started(make_server: MakeServer, tmp_path: Path) -> None:
    config = tmp_path / "home ü/config.toml"
    config.parent.mkdir()
    config.write_text("prot = 1", encoding="utf-8")
    server = make_server()
    assert "prot" in failed(server).message
    config.unlink()
    started(server)
    assert server.error is None


def test_one_that_never_answers_is_given_up(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "_START_TIMEOUT_S", 0.5)
    server = make_server([sys.executable, "-c", "import sys; print('hm', flush=True); sys.stdin.read()"])
    message = failed(server).message
    assert "does not answer" in message
    assert "hm" in message


def test_a_start_can_be_stopped(make_server: MakeServer) -> None:
    server = make_server([sys.executable, "-c", "import sys; sys.stdin.read()"])
    server.start()
    time.sleep(0.2)
    assert server.state == "starting"
    stopped(server)


@pytest.mark.parametrize(
    ("text", "is_windows", "parts"),
    [
        (r"C:\Tools\figurine.exe serve", True, [r"C:\Tools\figurine.exe", "serve"]),
        (
            r'"C:\Program Files\figurine.exe" serve --x="a b"',
            True,
            [r"C:\Program Files\figurine.exe", "serve", "--x=a b"],
        ),
        (r"C:\O'Brien\figurine.exe serve", True, [r"C:\O'Brien\figurine.exe", "serve"]),
        ("'/opt/my server/figurine' serve", False, ["/opt/my server/figurine", "serve"]),
    ],
)
def test_a_command_is_read_as_the_system_reads_it(text: str, is_windows: bool, parts: list[str]) -> None:
    assert split_command(text, is_windows) == parts


@pytest.mark.parametrize("is_windows", [True, False])
def test_a_quotation_without_an_end_is_said(is_windows: bool) -> None:
    with pytest.raises(ServerStartFailed, match="Preferences cannot be read: no closing quotation"):
        split_command('"figurine serve', is_windows)


def test_a_start_that_blender_leaves_at_once_leaves_no_process(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server([sys.executable, "-c", "import sys; sys.stdin.read()", str(tmp_path)])
    server.start()
    server.close(TIMEOUT_S)
    assert server.state == "stopped"
    assert not [child for child in psutil.Process().children() if str(tmp_path) in child.cmdline()]


@contextmanager
def other_program() -> Iterator[int]:
    """Something else that listens and answers every request with a page; its port."""
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(page)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_another_program_on_the_port_is_no_hindrance(make_server: MakeServer, tmp_path: Path) -> None:
    with other_program() as port:
        started(make_server(FIGURINE_PORT=str(port)))
        assert not handshake(tmp_path / "home ü").url.endswith(f":{port}")


def test_an_address_left_by_a_dead_server_is_not_believed(make_server: MakeServer, tmp_path: Path) -> None:
    with other_program() as port:
        left = {"url": f"http://127.0.0.1:{port}", "token": "t", "pid": os.getpid(), "version": "0.1.0"}
        (tmp_path / "home ü").mkdir()
        (tmp_path / "home ü/server.json").write_text(json.dumps(left), encoding="utf-8")
        stopped(make_server())  # and does not end the process of that pid, which is this one
        server = started(make_server())
        assert server.is_ours
        assert handshake(tmp_path / "home ü").pid != os.getpid()


def test_a_server_that_dies_is_noticed(make_server: MakeServer, tmp_path: Path) -> None:
    server = started(make_server())
    os.kill(handshake(tmp_path / "home ü").pid, signal.SIGKILL)
    wait_until(lambda: server.state != "running")
    assert server.state == "failed"
    assert server.error is not None
    assert isinstance(server.error, ServerEnded)
    assert "killed it" in server.error.message
    started(server)


_BLENDER = """
import sys, time
from pathlib import Path
from blender_addon.connection import read_handshake
from blender_addon.server_process import ServerProcess
command, home, keep = [sys.executable, "-m", "inference_server", "serve"], Path(sys.argv[1]), sys.argv[2] == "keep"
server = ServerProcess(command, home, home.with_name("blender.log"), {"FIGURINE_PORT": "0"}, keep)
server.start()
server.wait(60)
print(read_handshake(home).pid, flush=True)
time.sleep(600)
"""


def killed_blender(home: Path, keep: str) -> list[psutil.Process]:
    """A process that starts a server as Blender does and is killed then; the server and its worker."""
    command = [sys.executable, "-c", _BLENDER, str(home), keep]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as blender:
        assert blender.stdout is not None
        server = psutil.Process(int(blender.stdout.readline()))
        wait_until(lambda: len(server.children()) == 1)
        family = [server, *server.children()]
        blender.kill()
    return family


def test_a_killed_blender_leaves_no_orphan(tmp_path: Path) -> None:
    _, alive = psutil.wait_procs(killed_blender(tmp_path / "home", "end"), timeout=20)
    assert not alive


def test_a_server_that_is_to_stay_stays_and_can_be_stopped_later(tmp_path: Path) -> None:
    family = killed_blender(tmp_path / "home", "keep")
    _, alive = psutil.wait_procs(family, timeout=1)
    assert len(alive) == 2
    later = started(ServerProcess(COMMAND, tmp_path / "home", tmp_path / "later.log"))
    assert handshake(tmp_path / "home").pid == family[0].pid
    assert not later.is_ours
    stopped(later)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGSTOP to make a server hang")
def test_a_hung_server_of_an_earlier_blender_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_process, "_STOP_TIMEOUT_S", 0.5)
    monkeypatch.setattr(server_process, "_ASK_TIMEOUT_S", 0.5)
    family = killed_blender(tmp_path / "home", "keep")
    family[0].suspend()
    stopped(ServerProcess(COMMAND, tmp_path / "home", tmp_path / "later.log"))
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert not (tmp_path / "home/server.json").exists()


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # it is meant to
def test_close_ends_what_it_started_unless_it_is_to_stay(make_server: MakeServer, tmp_path: Path) -> None:
    staying = started(make_server(keep_running=True))
    pid = handshake(tmp_path / "home ü").pid
    staying.close()
    assert staying.state == "stopped"
    assert psutil.pid_exists(pid)
    later = started(make_server(log="later.log"))
    assert handshake(tmp_path / "home ü").pid == pid
    stopped(later)
    going = started(make_server())
    pid = handshake(tmp_path / "home ü").pid
    going.close(TIMEOUT_S)
    assert not psutil.pid_exists(pid)
