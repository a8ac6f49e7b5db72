# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the server's environment in the extension's user folder, with Blender's Python and never inside it.

    folder/
      current.json     which environment is used; replaced in one step when a new one has passed its test
      e-1a2b3c4d/      an environment; the names are short, because Windows allows paths of 260 characters
      t-1a2b3c4d/      downloads on their way
      install.lock     held while an installation runs

An environment that is named in current.json is never touched again. Whatever stops an installation, the one before it
works on, and the next installation removes what was left.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import DiskFull, FigurineError, InstallCancelled, InstallFailed
from ..locks import hold_lock
from ..phrases import phrase
from .install_failures import INSTALL_AGAIN, explain_failure
from .processes import clean_environment, end_tree, group_options

InstallState = Literal["idle", "running", "done", "failed", "cancelled"]

_CURRENT = "current.json"
_LIBRARIES = "Lib" if sys.platform == "win32" else "lib/python3.*"
_LINES_KEPT = 2000
_TICK_S = 0.1
_READ_TIMEOUT_S = 5.0
# Windows lets go of the files of an ended process a moment later.
_REMOVALS = 5
_REMOVAL_PAUSE_S = 0.3
# The environment (720 MB) and its downloads, measured on Linux, with a margin.
_NEEDED_BYTES = 1_200_000_000
# What is downloaded, measured on Linux; other systems differ by a third.
_DOWNLOAD_BYTES = 160_000_000
# Imported in a test before an environment is used: a library that this system cannot load is found now, not in a job.
_CHECKED_MODULES = (
    "inference_server.cli",
    "inference_server.app",
    "numpy",
    "scipy.spatial",
    "skimage.measure",
    "cv2",
    "PIL.Image",
    "trimesh",
    "igl",
)
_PROBE = (
    "import importlib.util as u, json, platform as p, sys; "
    "print(json.dumps([sys.version.split()[0], f'{p.system()} {p.machine()}', "
    "[m for m in ('venv', 'ensurepip') if u.find_spec(m) is None]]))"
)
_CHECK = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"


@dataclass(frozen=True)
class Installation:
    """What is installed where; all paths are absolute. folder: the extension's own, for the user. wheel: the server,
    inside the add-on. python: Blender's own, sys.executable in Blender. checked_modules: imported to test the result.
    needed_bytes: of free disk, asked for before anything is done.
    """

    folder: Path
    wheel: Path
    python: Path
    checked_modules: tuple[str, ...] = _CHECKED_MODULES
    needed_bytes: int = _NEEDED_BYTES


@dataclass(frozen=True)
class _Step:
    """label: for the panel. start, end: its part of the whole, by the time it takes on a usual connection."""

    label: str
    start: float
    end: float


_PREPARE = _Step(phrase("Checking This Machine"), 0.0, 0.02)
_ENVIRONMENT = _Step(phrase("Making the Environment"), 0.02, 0.12)
_DOWNLOAD = _Step(phrase("Downloading"), 0.12, 0.65)
_UNPACK = _Step(phrase("Installing"), 0.65, 0.93)
_TEST = _Step(phrase("Testing"), 0.93, 1.0)
_CLEAR_UP = _Step(phrase("Cancelling"), 0.0, 0.0)


def installed_version(folder: Path) -> str | None:
    """The version of the installed server; None where there is none."""
    current = _read_current(folder)
    return current["version"] if current else None


def is_sound(folder: Path) -> bool:
    """Whether the installed server can be started, as far as a few looks at the disk tell. Its Python is Blender's,
    which may have been moved or removed.
    """
    environment = current_environment(folder)
    if environment is None:
        return False
    try:
        settings = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    homes = [value.strip() for name, _, value in (line.partition("=") for line in settings) if name.strip() == "home"]
    return (
        all(Path(home).is_dir() for home in homes)
        and environment_python(environment).is_file()
        and any(environment.glob(f"{_LIBRARIES}/site-packages/inference_server/__main__.py"))
    )


def current_environment(folder: Path) -> Path | None:
    """The environment in use; None where there is none."""
    current = _read_current(folder)
    return folder / current["environment"] if current else None


def environment_python(environment: Path) -> Path:
    """The Python of an environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


class Installer:
    """Installs, updates and repairs, which are one: a fresh environment is made beside the old one, tested, and taken
    into use. A running server is to be stopped before, since its environment is removed then.

    Everything happens on a thread of its own and in child processes; the properties may be read at any time.
    """

    def __init__(self, installation: Installation, extra_pip_arguments: Sequence[str] = ()) -> None:
        self._installation = installation
        self._extra = tuple(extra_pip_arguments)
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._state: InstallState = "idle"
        self._step = _PREPARE
        self._share = 0.0
        self._packages = 1
        self._system = ""
        self.error: FigurineError | None = None

    @property
    def state(self) -> InstallState:
        """Where it stands."""
        return self._state

    @property
    def step(self) -> str:
        """What it does, as a label."""
        return self._step.label

    @property
    def progress(self) -> float | None:
        """The share that is done, 0 to 1; None before the start."""
        if self._state == "idle":
            return None
        return self._step.start + self._share * (self._step.end - self._step.start)

    def tail(self, count: int) -> tuple[str, ...]:
        """The last lines of the log."""
        return tuple(self._lines.copy())[-count:]

    def start(self) -> None:
        """Begin, unless it runs. Returns at once."""
        if self._state == "running":
            return
        self._cancelled = threading.Event()
        self._lines.clear()
        self._step, self._share, self.error = _PREPARE, 0.0, None
        self._state = "running"
        self._thread = threading.Thread(target=self._run, name="figurine-install", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop it; its processes are gone within a second. Returns at once."""
        self._cancelled.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end, until nothing is left to be removed; whether it came."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def close(self, timeout_s: float = 2.0) -> None:
        """Cancel, and wait so long at most."""
        self.cancel()
        self.wait(timeout_s)

    def _run(self) -> None:
        """To the end, which is told when all is cleared up and another may begin."""
        folder = self._installation.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with hold_lock(folder / "install.lock", timeout_s=0.0) as is_ours:
                if not is_ours:
                    raise InstallFailed(
                        "Another Blender is installing the server right now.", "Wait until it is done there."
                    )
                self._install(folder)
        except FigurineError as error:
            self.error = error
        except OSError as error:
            self.error = explain_failure(self.step, (*self.tail(_LINES_KEPT), repr(error), str(error)), folder, "")
        self._lines.append("The server is installed." if self.error is None else self.error.message)
        if self.error is None:
            self._state = "done"
        else:
            self._state = "cancelled" if isinstance(self.error, InstallCancelled) else "failed"

    def _install(self, folder: Path) -> None:
        _remove_leftovers(folder)
        mark = secrets.token_hex(4)
        environment, downloads = folder / f"e-{mark}", folder / f"t-{mark}"
        try:
            self._prepare(folder)
            downloads.mkdir()
            self._make(environment, downloads)
            _write_current(folder, environment.name, _wheel_version(self._installation.wheel))
            self._share = 1.0
        finally:
            if self._cancelled.is_set():
                self._begin(_CLEAR_UP)
            _remove_leftovers(folder)

    def _prepare(self, folder: Path) -> None:
        """Find out in advance, and say, what would fail later."""
        installation = self._installation
        if not installation.wheel.is_file():
            raise InstallFailed(
                phrase("The add-on is not whole: {name} is missing.", name=installation.wheel.name),
                "Install the add-on again.",
            )
        free_bytes = shutil.disk_usage(folder).free
        self._lines.append(f"{free_bytes / 1e9:.1f} GB free in {folder}")
        if free_bytes < installation.needed_bytes:
            raise DiskFull.foreseen(str(folder), installation.needed_bytes, free_bytes, INSTALL_AGAIN)
        try:
            answer = self._child(_PREPARE, [str(installation.python), "-I", "-c", _PROBE], folder)
        except OSError as error:
            raise InstallFailed(
                phrase("Blender's Python cannot be started: {why}.", why=error),
                "Install Blender again, or another Blender.",
            ) from error
        version, self._system, missing = json.loads(answer[-1])
        self._system = f"{self._system} and Python {version}"
        if missing:
            series = ".".join(version.split(".")[:2])
            raise InstallFailed(
                phrase(
                    "This Blender uses the system's Python {version}, which lacks the modules {modules}.",
                    version=version,
                    modules=" and ".join(missing),
                ),
                phrase(
                    "On Debian or Ubuntu: sudo apt install python{series}-venv. Or use Blender from blender.org.",
                    series=series,
                ),
            )

    def _make(self, environment: Path, downloads: Path) -> None:
        installation = self._installation
        guarded = str(Path(__file__).with_name("guarded.py"))
        run_module = ["-I", "-X", "utf8", guarded]
        python = str(environment_python(environment))
        base = [str(installation.python), *run_module]
        self._child(_ENVIRONMENT, [*base, "venv", "--without-pip", str(environment)], downloads)
        self._child(_ENVIRONMENT, [python, *run_module, "ensurepip", "--default-pip"], downloads)
        quiet = ["--no-input", "--no-color", "--progress-bar", "off", "--disable-pip-version-check"]
        patience = ["--retries", "2", "--timeout", "30"]
        install = ["pip", "install", "--only-binary", ":all:", *quiet, *patience, *self._extra, str(installation.wheel)]
        self._child(_DOWNLOAD, [python, *run_module, *install], downloads)
        self._child(_TEST, [python, "-I", "-X", "utf8", "-c", _CHECK, *installation.checked_modules], downloads)

    def _child(self, step: _Step, command: list[str], downloads: Path) -> tuple[str, ...]:
        """Run a step's program to its end; its lines. Raises InstallCancelled, InstallFailed, DiskFull, OSError."""
        self._begin(step)
        temporary = str(downloads)
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._installation.folder,
            env=clean_environment({"TMPDIR": temporary, "TEMP": temporary, "TMP": temporary}),
            **group_options(),
        )
        lines: list[str] = []
        reader = threading.Thread(target=self._read, args=(process, lines), name="figurine-install-log", daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                if self._cancelled.wait(_TICK_S):
                    raise InstallCancelled
                self._measure(downloads)
        finally:
            if process.returncode is None:
                end_tree(process)
            reader.join(_READ_TIMEOUT_S)
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()
        if self._cancelled.is_set():
            raise InstallCancelled
        if process.returncode:
            raise explain_failure(self.step, tuple(lines), self._installation.folder, self._system)
        return tuple(lines)

    def _begin(self, step: _Step) -> None:
        if step != self._step:
            self._step, self._share = step, 0.0

    def _read(self, process: subprocess.Popen[bytes], lines: list[str]) -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            lines.append(line)
            self._lines.append(line)
            if self._step is _DOWNLOAD and line.startswith("Installing collected packages:"):
                self._packages = line.count(",") + 1
                self._begin(_UNPACK)

    def _measure(self, downloads: Path) -> None:
        """Progress within a step. pip keeps what has arrived in a temporary folder until all is there, and writes the
        description of each package as it installs it.
        """
        if self._step is _DOWNLOAD:
            arrived = sum(_size(path) for path in downloads.glob("pip-unpack-*/*"))
            self._share = max(self._share, min(1.0, arrived / _DOWNLOAD_BYTES))
        elif self._step is _UNPACK:
            environment = downloads.with_name(f"e-{downloads.name.removeprefix('t-')}")
            installed = sum(1 for _ in environment.glob(f"{_LIBRARIES}/site-packages/*.dist-info"))
            self._share = min(1.0, installed / self._packages)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # pip has just moved it


def _wheel_version(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def _read_current(folder: Path) -> dict[str, str] | None:
    try:
        current = json.loads((folder / _CURRENT).read_text(encoding="utf-8"))
        return {"environment": Path(current["environment"]).name, "version": str(current["version"])}
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_current(folder: Path, environment: str, version: str) -> None:
    """Take the environment into use, in one step that is whole on the disk."""
    partial = folder / f"{_CURRENT}.part"
    with partial.open("w", encoding="utf-8") as stream:
        json.dump({"environment": environment, "version": version}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / _CURRENT)


def _remove_leftovers(folder: Path) -> None:
    """Remove every environment that is not in use, and every download. What cannot be removed stays for next time."""
    current = current_environment(folder)
    for _ in range(_REMOVALS):
        left = [path for path in (*folder.glob("e-*"), *folder.glob("t-*")) if path != current]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        if not any(path.exists() for path in left):
            return
        time.sleep(_REMOVAL_PAUSE_S)
