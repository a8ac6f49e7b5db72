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
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import DiskFull, FigurineError, InstallCancelled, InstallFailed
from ..locks import hold_lock
from ..phrases import phrase
from .environments import (
    Installed,
    Torch,
    environment_python,
    path_excess,
    paths_are_limited,
    remove_leftovers,
    write_installed,
)
from .install_failures import INSTALL_AGAIN, explain_failure
from .probes import CHECK, CHECKED_MODULES, NETWORK_MODULES, PROBE, SETTINGS, TOLD
from .processes import clean_environment, end_tree, group_options
from .steps import CLEAR_UP, ENVIRONMENT, PREPARE, TEST, Fetch, Step, plan_fetches
from .torch_builds import DRAFT_ONLY, DRAFT_SIZE, Equipment, Gpu, TorchBuild, choose_build

InstallState = Literal["idle", "running", "done", "failed", "cancelled"]

_LINES_KEPT = 2000
_TICK_S = 0.1
_READ_TIMEOUT_S = 5.0
# Of programs that say why they failed; others have crashed.
_USUAL_FAILURES = (1, 2)
_OWN_INDEX = re.compile(r"(global|install|:env:)\.index-url")
_PIP_OPTIONS = ("--no-input", "--no-color", "--progress-bar", "off", "--disable-pip-version-check")
_PIP_PATIENCE = ("--retries", "2", "--timeout", "30")


@dataclass(frozen=True)
class Installation:
    """What is installed where; all paths are absolute. folder: the extension's own, for the user. wheel: the server,
    inside the add-on. python: Blender's own, sys.executable in Blender. equipment: what it shall be able to do.
    checked_modules: of the draft engine, imported to test the result. needed_bytes: of free disk, asked for before
    anything is done; what the networks' libraries need is asked for beside it.
    """

    folder: Path
    wheel: Path
    python: Path
    equipment: Equipment = DRAFT_ONLY
    checked_modules: tuple[str, ...] = CHECKED_MODULES
    needed_bytes: int = DRAFT_SIZE.needed_bytes


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
        self._step = PREPARE
        self._share = 0.0
        self._fetch: Fetch | None = None
        self._free_bytes = 0
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
        self._step, self._share, self._fetch, self.error = PREPARE, 0.0, None, None
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
        remove_leftovers(folder)
        mark = secrets.token_hex(4)
        environment, downloads = folder / f"e-{mark}", folder / f"t-{mark}"
        try:
            build = self._prepare(folder)
            downloads.mkdir()
            torch = self._make(environment, downloads, build)
            installation = self._installation
            version = _wheel_version(installation.wheel)
            write_installed(folder, Installed(environment.name, version, installation.equipment, torch))
            self._share = 1.0
        finally:
            if self._cancelled.is_set():
                self._begin(CLEAR_UP)
            remove_leftovers(folder)

    def _prepare(self, folder: Path) -> TorchBuild | None:
        """Find out in advance, and say, what would fail later. The build of PyTorch that fits, None for the draft."""
        installation = self._installation
        if not installation.wheel.is_file():
            raise InstallFailed(
                phrase("The add-on is not whole: {name} is missing.", name=installation.wheel.name),
                "Install the add-on again.",
            )
        self._require_space(folder, installation.needed_bytes)
        self._probe(folder)
        if not installation.equipment.has_neural:
            return None
        if paths_are_limited() and path_excess(folder) > 0:
            raise InstallFailed(
                phrase(
                    "The installation's folder is {count} characters too long for PyTorch on this Windows: {folder}",
                    count=path_excess(folder),
                    folder=folder,
                ),
                "Choose a shorter Installation Folder in Preferences, such as C:\\Figurine, and install again.",
            )
        build = self._choose_build(folder)
        self._require_space(folder, build.size.needed_bytes)
        return build

    def _require_space(self, folder: Path, needed_bytes: int) -> None:
        free_bytes = shutil.disk_usage(folder).free
        self._lines.append(f"{free_bytes / 1e9:.1f} GB free in {folder}")
        if free_bytes < needed_bytes:
            raise DiskFull.foreseen(str(folder), needed_bytes, free_bytes, INSTALL_AGAIN)

    def _probe(self, folder: Path) -> None:
        """Whether Blender's Python can make environments."""
        installation = self._installation
        try:
            answer = self._child(PREPARE, [str(installation.python), "-I", "-c", PROBE], folder)
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

    def _choose_build(self, folder: Path) -> TorchBuild:
        """The build of PyTorch for this machine's GPU, which the driver is asked for. Raises InstallFailed."""
        processor = self._installation.equipment.processor
        gpu = None if processor == "cpu" or sys.platform == "darwin" else self._find_gpu(folder)
        build = choose_build(sys.platform, processor, gpu)
        self._lines.append(f"NVIDIA GPU: {gpu.name if gpu else '-'}; PyTorch: {build.kind}")
        return build

    def _find_gpu(self, folder: Path) -> Gpu | None:
        script = str(Path(__file__).with_name("gpu.py"))
        try:
            told = json.loads(self._child(PREPARE, [str(self._installation.python), "-I", script], folder)[-1])
        except InstallFailed as error:
            self._lines.append(error.message)  # a driver that crashes is of no use to PyTorch either
            return None
        return Gpu(told["name"], tuple(told["cuda"]), tuple(told["capability"])) if told else None

    def _make(self, environment: Path, downloads: Path, build: TorchBuild | None) -> Torch | None:
        installation = self._installation
        run_module = ["-I", "-X", "utf8", str(Path(__file__).with_name("guarded.py"))]
        python = str(environment_python(environment))
        base = [str(installation.python), *run_module]
        self._child(ENVIRONMENT, [*base, "venv", "--without-pip", str(environment)], downloads)
        self._child(ENVIRONMENT, [python, *run_module, "ensurepip", "--default-pip"], downloads)
        has_own_index = build is not None and self._has_own_index(python, downloads)
        install = [python, *run_module, "pip", "install", "--only-binary", ":all:", *_PIP_OPTIONS, *_PIP_PATIENCE]
        for fetch in plan_fetches(installation.wheel, build, has_own_index):
            self._fetch = fetch
            self._child(fetch.download, [*install, *fetch.arguments, *self._extra], downloads)
        modules = installation.checked_modules + (() if build is None else NETWORK_MODULES)
        lines = self._child(TEST, [python, "-I", "-X", "utf8", "-c", CHECK, *modules], downloads)
        told = json.loads(next(line for line in lines if line.startswith(TOLD)).removeprefix(TOLD))
        torch = Torch(*told) if told else None
        if build is not None and build.is_for_cuda and torch is not None and not torch.cuda:
            raise InstallFailed(
                "The PyTorch that pip found from here is built without CUDA: the GPU would not be used.",
                "Let this network through to download.pytorch.org, or choose CPU as the processor.",
            )
        return torch

    def _has_own_index(self, python: str, downloads: Path) -> bool:
        """Whether pip is set to an index by its files or variables."""
        isolated = [option for option in self._extra if option == "--isolated"]
        settings = self._child(ENVIRONMENT, [python, "-I", "-X", "utf8", "-c", SETTINGS, *isolated], downloads)
        return any(map(_OWN_INDEX.fullmatch, settings))

    def _child(self, step: Step, command: list[str], downloads: Path) -> tuple[str, ...]:
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
            if process.returncode not in _USUAL_FAILURES:
                lines.append(f"The program ended with code {process.returncode}.")
            raise explain_failure(self.step, tuple(lines), self._installation.folder, self._system)
        return tuple(lines)

    def _begin(self, step: Step) -> None:
        if step != self._step:
            self._step, self._share = step, 0.0

    def _read(self, process: subprocess.Popen[bytes], lines: list[str]) -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            lines.append(line)
            self._lines.append(line)
            fetch = self._fetch
            if fetch and self._step is fetch.download and line.startswith("Installing collected packages:"):
                self._free_bytes = shutil.disk_usage(self._installation.folder).free
                self._begin(fetch.unpack)

    def _measure(self, downloads: Path) -> None:
        """Progress within a step. pip keeps what has arrived in a temporary folder until all is there; what it unpacks
        then is seen by the disk's free space.
        """
        fetch = self._fetch
        if fetch is None:
            return
        if self._step is fetch.download:
            arrived = sum(_size(path) for path in downloads.glob("pip-unpack-*/*"))
            self._share = max(self._share, min(1.0, arrived / fetch.size.download_bytes))
        elif self._step is fetch.unpack:
            unpacked = self._free_bytes - shutil.disk_usage(self._installation.folder).free
            self._share = max(self._share, min(1.0, unpacked / fetch.size.disk_bytes))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # pip has just moved it


def _wheel_version(wheel: Path) -> str:
    return wheel.name.split("-")[1]
