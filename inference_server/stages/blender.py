# SPDX-License-Identifier: GPL-3.0-or-later
"""The one-shot bpy worker, seen from outside: an exchange folder in, an exchange folder out.

bpy never runs in this process: it is a global singleton, pins its own numpy, and an operator called off its main
thread ends the process. The worker is judged by its validated result; its exit code is only logged.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from inference_server import errors
from inference_server.core.children import PROJECT_ROOT, module_command, outsider_environment
from inference_server.core.exchange import Exchange, ExchangeInvalid, read_exchange, write_exchange
from inference_server.core.owners import is_owner_gone, owner_mark

_ENTRY = PROJECT_ROOT / "inference_server" / "blender_worker" / "entry.py"
_POLL_INTERVAL_S = 0.05
# A million faces take about a minute; what needs this long hangs.
_TIMEOUT_S = 900.0


def has_bpy_module() -> bool:
    """Whether Blender is installed as a module of this Python."""
    return importlib.util.find_spec("bpy") is not None


class BlenderProcess:
    """Starts the worker under the bpy module of this Python, or under `program`, any Blender from 4.2 on."""

    def __init__(self, program: Path | None, work_root: Path) -> None:
        self._program = program
        self._work_root = work_root

    def identity(self) -> str:
        """Tells this Blender from others and from its own later versions, without starting it."""
        module = importlib.util.find_spec("bpy")
        place = self._program or Path(module.origin if module is not None and module.origin else "")
        if not place.is_file():
            return ""
        found = place.stat()
        return f"{place} {found.st_mtime_ns} {found.st_size}"

    def new_work_folder(self) -> Path:
        """An empty folder of this process; those of this host's processes that are gone are removed. Raises OSError."""
        self._work_root.mkdir(parents=True, exist_ok=True)
        for folder in self._work_root.iterdir():
            if is_owner_gone(folder.name.rpartition("-")[0]):
                shutil.rmtree(folder, ignore_errors=True)
        folder = self._work_root / f"{owner_mark()}-{uuid.uuid4().hex[:12]}"
        folder.mkdir()
        return folder

    @contextmanager
    def call(self, verb: str, request: Exchange, check: Callable[[], None]) -> Iterator[Exchange]:
        """Run one verb; the result's files exist inside the `with` block only. See `run_in`."""
        folder = self.new_work_folder()
        try:
            yield self.run_in(folder, verb, request, check)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run_in(self, folder: Path, verb: str, request: Exchange, check: Callable[[], None]) -> Exchange:
        """Run one verb in a work folder and return its result; `check` is called meanwhile and may raise.

        Raises BlenderMissing, ExportCrashed, DeadlineExceeded, or the error that the worker reports.
        """
        write_exchange(folder / "request", request)
        log = folder / "blender.log"
        exit_code = self._wait(self._command(verb, folder), log, check)
        try:
            result = read_exchange(folder / "result")
        except ExchangeInvalid as error:
            raise errors.ExportCrashed(
                f"Blender ended with exit code {exit_code} before its files were complete{_last_words(log)}.",
                "Run it again: finished stages are kept. If it happens again, try another Blender (FIGURINE_BLENDER).",
            ) from error
        _raise_reported(result.document.get("error"))
        return result

    def _command(self, verb: str, folder: Path) -> list[str]:
        arguments = [verb, str(folder / "request"), str(folder / "result")]
        if self._program is not None:
            if not self._program.is_file():
                raise errors.BlenderMissing(
                    f"The Blender program {self._program} does not exist.",
                    "Set FIGURINE_BLENDER to Blender 4.2 or later.",
                )
            return [str(self._program), "-b", "--factory-startup", "--python", str(_ENTRY), "--", *arguments]
        if not has_bpy_module():
            raise errors.BlenderMissing(
                "Neither the bpy module nor a Blender program was found.",
                "Set FIGURINE_BLENDER to the path of Blender 4.2 or later, or run: pip install 'figurine[blender]'.",
            )
        return module_command("inference_server.blender_worker", *arguments)

    def _wait(self, command: list[str], log: Path, check: Callable[[], None]) -> int:
        """Run the command to its end. It dies with this process: its standard input closes then."""
        environment = outsider_environment() | {
            "BLENDER_USER_RESOURCES": str(log.parent / "blender"),
            "TMPDIR": str(log.parent),  # Blender's session folder: removed with the work folder, even after a SIGKILL
        }
        (log.parent / "blender").mkdir()
        deadline = time.monotonic() + _TIMEOUT_S
        with (
            log.open("wb") as output,
            _start(command, output, environment) as process,
        ):
            try:
                while process.poll() is None:
                    check()
                    if time.monotonic() > deadline:
                        raise errors.DeadlineExceeded(
                            f"Blender did not finish within {_TIMEOUT_S:.0f} seconds.", "Use a mesh with fewer faces."
                        )
                    time.sleep(_POLL_INTERVAL_S)
            except BaseException:
                process.kill()
                process.wait()  # until then it may still be making a file, and its folder could not be removed
                raise
            return process.returncode


def _start(command: list[str], output: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    except OSError as error:
        raise errors.BlenderMissing(
            f"{command[0]} cannot be started: {error.strerror}.", "Set FIGURINE_BLENDER to Blender 4.2 or later."
        ) from error


def _raise_reported(report: dict[str, Any] | None) -> None:
    if report is not None:
        error: type[errors.FigurineError] = getattr(errors, report["code"])
        raise error(report["message"], report["hint"])


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f" ({lines[-1].strip()[:200]})" if lines else ""
