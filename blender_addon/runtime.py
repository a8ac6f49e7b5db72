# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on knows while it is on: one `Runtime`, made by register() and closed by unregister().

No bpy here. The main thread alone reads and changes it; threads belong to the parts it holds.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from .clipboard import PictureReader
from .connection import Connection
from .connection_test import ConnectionTest
from .errors import FigurineError
from .job import JobEngine, Request
from .jobs.views import JobView, ResultReady, Snapshot
from .server_process import ServerProcess, server_command, split_command
from .setup.environments import Installed, is_sound, read_installed
from .setup.install import Installation, Installer
from .setup.torch_builds import DRAFT_ONLY, Equipment
from .wording import OPEN_STATES

# More would push the buttons out of sight; the oldest go first.
_MOST_MESSAGES = 4
# Blender waits so long for each part when the add-on is switched off; what is left ends by itself.
_CLOSE_TIMEOUT_S = 5.0
_QUIT_TIMEOUT_S = 1.0
# Of a server's process: nothing of it runs any more.
_IS_OVER = ("stopped", "failed")
_CORRECT_COMMAND = "Correct the Server Command in Preferences, or clear it to use the installed server."


@dataclass(frozen=True)
class Paths:
    """Where the add-on's files are. folder: the extension's own, for the user. wheel: the server inside the add-on.
    blender: this program, "" where Blender is a Python module. python: Blender's own.
    """

    folder: Path
    wheel: Path
    blender: str
    python: Path

    @property
    def jobs(self) -> Path:
        """The journal and the fetched results."""
        return self.folder / "jobs"

    @property
    def pictures(self) -> Path:
        """Pictures that were pasted or saved from Blender."""
        return self.folder / "pictures"

    @property
    def sent(self) -> Path:
        """Meshes and skeletons between Blender and their job, which takes them away."""
        return self.folder / "sent"

    @property
    def log(self) -> Path:
        """What the server that Blender started prints."""
        return self.folder / "server.log"


@dataclass(frozen=True)
class Choices:
    """What Preferences say. command: of the artist's own server, "" for the installed one. install_folder: where the
    installed one is.
    """

    connection: Connection
    command: str
    install_folder: Path
    keep_running: bool

    @property
    def is_managed(self) -> bool:
        """Whether Blender starts and stops the server."""
        return self.connection.mode == "managed"

    @property
    def server(self) -> tuple[object, ...]:
        """What makes a server that Blender starts another one."""
        return self.connection.home, self.command or self.install_folder


@dataclass(frozen=True)
class Message:
    """What the panel shows until it is dismissed. key: the job it is about. offers_import: the job's result waits.
    code: of an error.
    """

    number: int
    level: Literal["error", "info"]
    text: str
    hint: str = ""
    details: str = ""
    key: str | None = None
    offers_import: bool = False
    code: str = ""


@dataclass(frozen=True)
class FileMark:
    """An open .blend file and a scene of it. opened: counts the files that this Blender has opened. path: "" where it
    was never saved.
    """

    opened: int
    path: str
    scene: str = ""

    def is_same(self, other: FileMark) -> bool:
        """Whether it is this file still, or again."""
        return self.opened == other.opened or (self.path != "" and self.path == other.path)


def _sleep_on() -> None:
    """Where no timer runs, there is nobody to wake."""


@dataclass
class Runtime:
    """revision grows with every change that the panel can show. files: in which file each job was asked for. focus: the
    job that the panel shows at large. results: what is to be imported. postponed: why that has to wait. pasted_for: the
    job that the clipboard is read for, "" for the request. wake: has the pump look at once.
    """

    paths: Paths
    version: str
    choices: Choices
    engine: JobEngine
    snapshot: Snapshot = field(default_factory=Snapshot)
    installer: Installer | None = None
    failed_installer: Installer | None = None
    server: ServerProcess | None = None
    messages: list[Message] = field(default_factory=list)
    files: dict[str, FileMark] = field(default_factory=dict)
    focus: str | None = None
    results: list[ResultReady] = field(default_factory=list)
    postponed: str = ""
    clipboard: PictureReader | None = None
    pasted_for: str = ""
    connection_test: ConnectionTest | None = None
    installed: Installed | None = None
    is_installed: bool = False
    opened: int = 0
    revision: int = 0
    last_error: Message | None = None
    wake: Callable[[], None] = _sleep_on
    is_started: bool = False
    _served: set[str] = field(default_factory=set)
    _starts_again: bool = False
    _leaving: list[ServerProcess] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def start(self, adopts: bool = True) -> None:
        """Begin to look after jobs. adopts: those of Blenders that are gone included."""
        if not self.is_started:
            self.is_started = True
            self.engine.start(adopts)

    def touch(self) -> None:
        """Something changed that the panel can show, or that the pump should see now."""
        self.revision += 1
        self.wake()

    def apply(self, choices: Choices) -> None:
        """Use these from now on. A server of another data folder or command is let go."""
        if self.server is not None and choices.server != self.choices.server:
            self.server.close(0.0)
            self._leaving = [item for item in (*self._leaving, self.server) if item.state not in _IS_OVER]
            self.server = None
        self.choices = choices
        self.look_for_installation()
        self._configure()

    def look_for_installation(self) -> None:
        """See whether the server is installed: one small file is read."""
        folder = self.choices.install_folder
        found = (is_sound(folder), read_installed(folder))
        if found != (self.is_installed, self.installed):
            self.is_installed, self.installed = found
            self._configure()

    def _configure(self) -> None:
        self.engine.configure(replace(self.choices.connection, is_installed=self.can_start))
        self.touch()

    @property
    def can_start(self) -> bool:
        """Whether there is something that Start can run."""
        return bool(self.choices.command) or self.is_installed

    @property
    def is_outdated(self) -> bool:
        """Whether the installed server belongs to another version of the add-on."""
        is_ours = self.installed is not None and self.installed.version == self.version
        return not self.choices.command and self.is_installed and not is_ours

    @property
    def uses_installed(self) -> bool:
        """Whether the server that Blender starts is the installed one."""
        return self.choices.is_managed and not self.choices.command

    @property
    def equipment(self) -> Equipment:
        """What the installed server was installed with."""
        return DRAFT_ONLY if self.installed is None else self.installed.equipment

    @property
    def lacks_neural(self) -> bool:
        """Whether the server is the installed one, and that one has the draft engine alone."""
        return self.uses_installed and self.is_installed and not self.equipment.has_neural

    @property
    def is_installing(self) -> bool:
        """Whether the server is being installed."""
        return self.installer is not None and self.installer.state == "running"

    @property
    def server_state(self) -> str:
        """Of the process that Blender started: stopped, starting, running, stopping or failed. One that has to go
        before another can start is stopping too.
        """
        if any(item.state not in _IS_OVER for item in self._leaving):
            return "stopping"
        return "stopped" if self.server is None else self.server.state

    def test_connection(self) -> None:
        """Ask the server that Preferences name who it is, in the background. Another test is given up."""
        self.end_connection_test(0.0)
        self.connection_test = ConnectionTest(self.choices.connection)
        self.connection_test.start()
        self.touch()

    def end_connection_test(self, timeout_s: float) -> None:
        """Give up what is being tested."""
        if self.connection_test is not None:
            self.connection_test.close(timeout_s)
            self.connection_test = None

    def install(self, equipment: Equipment | None = None) -> None:
        """Install, update or repair the server, on threads and processes of its own. equipment: what with, None for
        what it has now. A running one is stopped, and started again at the end, however that is; one that was given
        the neural engine is started too, so that its models can be downloaded.
        """
        is_needed = self.snapshot.server.state == "running" or (equipment is not None and equipment.has_neural)
        self.stop_server()
        self._starts_again = is_needed and self.uses_installed
        paths = self.paths
        wanted = Installation(
            self.choices.install_folder, paths.wheel, paths.python, self.equipment if equipment is None else equipment
        )
        self.installer = Installer(wanted)
        self.installer.start()
        self.touch()

    def start_server(self) -> None:
        """Start the server, or find the one that runs for this data folder."""
        if self.server_state not in _IS_OVER:
            return
        choices = self.choices
        try:
            is_windows = sys.platform == "win32"
            own = split_command(choices.command, is_windows) if choices.command else []
        except FigurineError as error:
            self.complain(error)
            return
        self.server = self._new_server(own or server_command(choices.install_folder))
        self.server.start()
        self.touch()

    def stop_server(self) -> None:
        """Stop the server of this data folder, whoever started it. What waits for it does so until the next start."""
        if self.server is None:
            self.server = self._new_server([])
        self.server.stop()
        self._served = self._waiting()
        self._starts_again = False
        self.touch()

    def _new_server(self, command: list[str]) -> ServerProcess:
        choices = self.choices
        environment = {"FIGURINE_BLENDER": self.paths.blender} if self.paths.blender else {}
        server = ServerProcess(command, choices.connection.home, self.paths.log, environment, choices.keep_running)
        if choices.command:
            server.remedy = _CORRECT_COMMAND
        return server

    def serve_waiting(self) -> None:
        """Start the server, where Blender manages it and it does not run, for what was asked of it since, and after an
        installation that it was stopped for. Once for each thing that is asked: a start that failed is not repeated,
        and Stop holds.
        """
        waiting = self._waiting()
        self._served &= waiting
        is_away = self.snapshot.server.state != "running" and self.server_state in _IS_OVER
        is_usable = self.can_start and not (self.is_outdated or self.is_installing)
        is_asked = bool(waiting - self._served) or self._starts_again
        if is_away and is_usable and self.choices.is_managed and is_asked:
            self._served, self._starts_again = waiting, False
            self.start_server()

    def _waiting(self) -> set[str]:
        return {job.key for job in self.snapshot.jobs if job.waits_for_server}

    def generate(self, request: Request, file: FileMark) -> None:
        """Hand the request to the engine and show its job. It is remembered from then on, whether the server runs or
        not. What was said before has been read by then; what waits to be imported stays.
        """
        self.messages = [message for message in self.messages if message.offers_import]
        self.focus = self.engine.generate(request)
        self.files[self.focus] = file
        self.touch()

    def say(self, text: str, hint: str = "", *, key: str | None = None, offers_import: bool = False) -> None:
        """Show a sentence that is no error."""
        self._show(Message(next(self._numbers), "info", text, hint, "", key, offers_import))

    def complain(self, error: FigurineError, key: str | None = None) -> None:
        """Show an error in its own words, once."""
        number = next(self._numbers)
        message = Message(number, "error", error.message, error.hint, error.details, key, code=error.code)
        self.last_error = message
        self._show(message)

    def _show(self, message: Message) -> None:
        same = (message.text, message.key)
        self.messages = [item for item in self.messages if (item.text, item.key) != same]
        self.messages = [*self.messages, message][-_MOST_MESSAGES:]
        self.touch()

    def dismiss(self, number: int) -> Message | None:
        """Take a message away."""
        found = next((item for item in self.messages if item.number == number), None)
        self.messages = [item for item in self.messages if item.number != number]
        self.touch()
        return found

    def forget_messages(self, key: str) -> None:
        """Take away what was said about a job."""
        self.messages = [item for item in self.messages if item.key != key]
        self.touch()

    def job(self, key: str) -> JobView | None:
        """The job of this key, as last seen."""
        return next((job for job in self.snapshot.jobs if job.key == key), None)

    @property
    def open_jobs(self) -> list[JobView]:
        """Ours that still go on, oldest first."""
        return [job for job in reversed(self.snapshot.jobs) if job.is_ours and job.state in OPEN_STATES]

    def close(self, *, is_quitting: bool = False) -> None:
        """End everything that runs. A server stays where Preferences say so. is_quitting: hardly wait for it."""
        timeout_s = _QUIT_TIMEOUT_S if is_quitting else _CLOSE_TIMEOUT_S
        if self.is_started:
            self.engine.close(timeout_s)
        if self.installer is not None:
            self.installer.close(timeout_s)
        for server in filter(None, (self.server, *self._leaving)):
            server.close(timeout_s)
        self.end_connection_test(timeout_s)
        if self.clipboard is not None and not is_quitting:
            self.clipboard.join()


_current: Runtime | None = None


def current() -> Runtime:
    """The one that register() made."""
    assert _current is not None, "Figurine is not registered."
    return _current


def install(runtime: Runtime | None) -> None:
    """Make this the current one; None when the add-on goes."""
    global _current
    _current = runtime
