# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as a process that Blender starts, finds and stops.

One server runs for a data folder. The one that runs is found by its server.json, whoever started it, and used. One that
Blender starts ends with Blender, however Blender ends, unless it is asked to stay.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import requests

from .connection import HANDSHAKE_NAME, Handshake, normalise_address, read_handshake
from .errors import FigurineError, ServerEnded, ServerNotInstalled, ServerStartFailed
from .locks import hold_lock
from .phrases import phrase
from .setup.environments import current_environment, environment_python, is_sound
from .setup.processes import clean_environment, end_hard, end_softly, end_tree, group_options, start_mark

ServerState = Literal["stopped", "starting", "running", "stopping", "failed"]

_TICK_S = 0.1
# How often a server that is not our child is looked for.
_WATCH_S = 1.0
_ASK_TIMEOUT_S = 2.0
# A cold disk and an antivirus program that looks at every library.
_START_TIMEOUT_S = 90.0
# A running stage is told to stop and its job goes back into the queue.
_STOP_TIMEOUT_S = 10.0
_TAIL_BYTES = 16_384
_RECORD_NAME = "server-process.json"
# The file that a running server holds locked.
_SERVER_LOCK = "server.lock"
# How the figurine command begins its errors.
_ERROR_MARK = "figurine: "
_REPAIR = "Click Start Server again; if it stays so, install the server again."
_WINDOWS_PART = re.compile(r'(?:[^\s"]|"[^"]*")+')


def server_command(folder: Path) -> list[str]:
    """What starts the server that is installed in this folder; nothing where none is, or it is damaged."""
    environment = current_environment(folder)
    if environment is None or not is_sound(folder):
        return []
    return [str(environment_python(environment)), "-I", "-m", "inference_server", "serve"]


def split_command(text: str, is_windows: bool) -> list[str]:
    """The program and its arguments, as the system's shell reads them: on Windows a backslash is part of a path, and
    only double quotes keep spaces. Raises ServerStartFailed.
    """
    try:
        if not is_windows:
            return shlex.split(text)
        if text.count('"') % 2:
            raise ValueError("No closing quotation")
        return [part.replace('"', "") for part in _WINDOWS_PART.findall(text)]
    except ValueError as error:
        raise ServerStartFailed(
            phrase("The Server Command in Preferences cannot be read: {why}.", why=str(error).lower()),
            "Correct it there, or clear it to use the installed server.",
        ) from error


class ServerProcess:
    """Starts and stops the server of a data folder. command: of `figurine serve`; empty where none is installed.
    home: the server's data folder. log: takes what the server prints; the log before is kept as NAME.old.
    environment: variables for the server. keep_running: it stays when Blender goes.

    Everything happens on threads of its own; the properties may be read at any time. remedy: what helps where the
    command cannot be run.
    """

    def __init__(
        self,
        command: Sequence[str],
        home: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        keep_running: bool = False,
    ) -> None:
        self._command = list(command)
        self._home = home
        self._log = log
        self._environment = dict(environment or {})
        self._keep_running = keep_running
        self._child: subprocess.Popen[bytes] | None = None
        self._to_stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._to_leave = False
        self._lock = threading.Lock()
        self._state: ServerState = "stopped"
        self.error: FigurineError | None = None
        self.remedy = _REPAIR

    @property
    def state(self) -> ServerState:
        """Where it stands. "running": it answers, and still lives."""
        return self._state

    @property
    def is_ours(self) -> bool:
        """Whether this Blender started it."""
        return self._child is not None

    def start(self) -> None:
        """Start the server, or find the one that runs. Returns at once."""
        with self._lock:
            if self._state in ("stopped", "failed"):
                self._begin("starting", self._run)

    def stop(self) -> None:
        """Stop the server of this data folder, also one that an earlier Blender started. Returns at once."""
        with self._lock:
            if self._state in ("starting", "running"):
                self._state = "stopping"
                self._to_stop.set()
            elif self._state != "stopping":
                self._begin("stopping", self._stop_found)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it neither starts nor stops; whether that came."""
        deadline = time.monotonic() + timeout_s
        while self._state in ("starting", "stopping"):
            if time.monotonic() > deadline:
                return False
            time.sleep(_TICK_S / 4)
        return True

    def close(self, timeout_s: float = 2.0) -> None:
        """Blender goes: end the server that it started, unless that is to stay, and wait so long at most."""
        if self._child is not None and not self._keep_running:
            self.stop()
            self.wait(timeout_s)
            return
        self._to_leave = True
        self._to_stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _begin(self, state: ServerState, task: Callable[[], None]) -> None:
        self._state, self.error = state, None
        self._to_stop, self._to_leave = threading.Event(), False
        self._thread = threading.Thread(target=self._guard, args=(task, self._thread), name="figurine-server")
        self._thread.daemon = True
        self._thread.start()

    def _guard(self, task: Callable[[], None], previous: threading.Thread | None) -> None:
        """Run the task to its end, after the one before; whatever it raises is the state."""
        if previous is not None:
            previous.join()
        error: FigurineError | None = None
        try:
            task()
        except FigurineError as caught:
            error = caught
        except OSError as caught:
            error = ServerStartFailed(
                phrase("The server cannot be started or stopped: {why}.", why=caught), self.remedy
            )
        with self._lock:
            if self._child is not None and self._child.poll() is not None:
                self._close_pipe(self._child)
            self._child = None
            self.error = error
            self._state = "failed" if error else "stopped"

    def _run(self) -> None:
        """From the start to the end of the server."""
        found = self._answering() or self._start_child()
        with self._lock:
            if not self._to_stop.is_set():
                self._state = "running"
        while not self._to_stop.wait(_TICK_S if self._child else _WATCH_S):
            if self._child is not None and self._child.poll() is not None:
                self._require_farewell(self._child.returncode)
                return
            if self._child is None and found is not None and start_mark(found.pid) is None:
                return
        if self._to_leave and (self._child is None or self._keep_running):
            return
        if self._child is not None:
            self._stop_child(self._child, found)
        elif found is not None:
            _end_other(self._home, found.pid)

    def _start_child(self) -> Handshake | None:
        """Start the server and wait for its answer; None when it is to stop first. Raises ServerStartFailed."""
        if not self._command:
            raise ServerNotInstalled
        self._child = child = self._spawn()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._to_stop.wait(_TICK_S):
            found, is_over = self._answering(), time.monotonic() > deadline
            if found is not None and child.poll() is not None:  # another Blender was quicker
                self._close_pipe(child)
                self._child = None
                return found
            # The pid does not tell whether it is our child: on Windows that is only the environment's launcher.
            if found is not None and (f"serves on {found.url} " in self._said() or is_over):
                _write_record(self._home, found.pid)
                return found
            if child.poll() is not None and not self._is_other_starting():
                raise ServerStartFailed(
                    phrase("The server ended when it was started: {last_words}", last_words=self._last_words()),
                    self.remedy,
                )
            if is_over:
                self._stop_child(child, None)
                why = phrase(
                    "The server does not answer after {seconds:.0f} seconds: {last_words}",
                    seconds=_START_TIMEOUT_S,
                    last_words=self._last_words(),
                )
                raise ServerStartFailed(why, self.remedy)
        return None

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists():
            self._log.replace(self._log.with_name(f"{self._log.name}.old"))
        lifeline = [] if self._keep_running else ["--end-with-stdin"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*self._command, *lifeline],
                stdin=subprocess.DEVNULL if self._keep_running else subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._log.parent,
                env=clean_environment({**self._environment, "FIGURINE_HOME": str(self._home)}),
                **group_options(),
            )

    def _stop_child(self, child: subprocess.Popen[bytes], found: Handshake | None) -> None:
        """Ask it to end, by the end of its standard input where it has that, then end it."""
        if child.stdin is None:
            end_softly(child.pid)
        self._close_pipe(child)
        try:
            child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            end_tree(child)
        if found is not None:
            _forget(self._home, found.pid)

    def _close_pipe(self, child: subprocess.Popen[bytes]) -> None:
        if child.stdin is not None:
            child.stdin.close()

    def _stop_found(self) -> None:
        """Stop a server that is not our child: it answers with its token, or it is the one that was started once."""
        found = self._answering()
        if found is not None:
            _end_other(self._home, found.pid)
            return
        record = _read_record(self._home)
        if record is not None and start_mark(record[0]) == record[1]:
            _end_other(self._home, record[0])

    def _answering(self) -> Handshake | None:
        """The server of this data folder, if it answers and takes its token."""
        found = read_handshake(self._home)
        if found is None:
            return None
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.get(
                    f"{normalise_address(found.url)}/v1/health",
                    headers={"Authorization": f"Bearer {found.token}"},
                    timeout=_ASK_TIMEOUT_S,
                    allow_redirects=False,
                ).json()
            except (requests.RequestException, ValueError):
                return None
        is_its_own = isinstance(answer, dict) and answer.get("service") == "figurine" and "worker" in answer
        return found if is_its_own else None

    def _is_other_starting(self) -> bool:
        """Whether another server holds the data folder and has only not come to answer."""
        lock = self._home / _SERVER_LOCK
        if not lock.exists():
            return False
        with hold_lock(lock, timeout_s=0.0) as is_free:
            return not is_free

    def _require_farewell(self, exit_code: int) -> None:
        if exit_code != 0:
            named = self._named_errors()
            killed = "the system or somebody killed it; a machine that is out of memory does that"
            raise ServerEnded(
                named[-1]
                if named
                else killed
                if exit_code < 0
                else phrase("its exit code is {exit_code}", exit_code=exit_code)
            )

    def _said(self) -> str:
        """The end of what the server printed."""
        with self._log.open("rb") as stream:
            stream.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")

    def _last_words(self) -> str:
        """What the server said last: an error where it named one."""
        said = [line for line in self._said().splitlines() if line.strip()]
        return (self._named_errors() or said or ["it said nothing"])[-1].strip(" .") + "."

    def _named_errors(self) -> list[str]:
        """What the server gave as its reason to end, without the full stop."""
        said = self._said().splitlines()
        return [line.removeprefix(_ERROR_MARK).strip(" .") for line in said if line.startswith(_ERROR_MARK)]


def _end_other(home: Path, pid: int) -> None:
    """End a server that is not our child."""
    mark = start_mark(pid)
    if mark is None:
        return
    end_softly(pid)
    deadline = time.monotonic() + _STOP_TIMEOUT_S
    while start_mark(pid) == mark:
        if time.monotonic() > deadline:
            end_hard(pid)
            break
        time.sleep(_TICK_S)
    _forget(home, pid)


def _forget(home: Path, pid: int) -> None:
    """Remove what an ended server left of its address, where it had no time to do so."""
    found = read_handshake(home)
    if found is not None and found.pid == pid:
        (home / HANDSHAKE_NAME).unlink(missing_ok=True)
    (home / _RECORD_NAME).unlink(missing_ok=True)


def _write_record(home: Path, pid: int) -> None:
    """Remember whom we started: a hung server of an earlier Blender can then be told from a stranger with its pid."""
    (home / _RECORD_NAME).write_text(json.dumps({"pid": pid, "started": start_mark(pid)}), encoding="utf-8")


def _read_record(home: Path) -> tuple[int, str] | None:
    try:
        record = json.loads((home / _RECORD_NAME).read_text(encoding="utf-8"))
        return int(record["pid"]), str(record["started"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
