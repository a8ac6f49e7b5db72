# SPDX-License-Identifier: GPL-3.0-or-later
"""blender --command figurine IMAGE -o OUT.blend: a posed character without a window.

Nothing ticks by itself there, so the pump is called in a loop. Exit codes: 0 done; 2 the command or the picture cannot
be used; 1 anything else. Progress and errors go to standard error.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import bpy

from . import pump, runtime
from .errors import FigurineError, JournalDamaged, OutputUnwritable, PictureUnreadable
from .job import Request
from .job_settings import Wishes, settings_document
from .jobs.views import JobView
from .operators.common import file_mark
from .runtime import Runtime
from .status import obstacle, server_status
from .wording import STATE_LABELS, duration, percent, stage_label

_NAME = "figurine"
DONE, FAILED, UNUSABLE = 0, 1, 2
# What the caller has to change, whoever found it.
_UNUSABLE_CODES = {
    "ImageUnreadable",
    "ImageTooLarge",
    "MaskInvalid",
    "NoSubject",
    "OutputUnwritable",
    "PictureUnreadable",
    "SettingInvalid",
    "UnsupportedMedia",
    "UploadTooLarge",
}
# The list of earlier jobs: this one does not need it.
_HARMLESS_CODES = {JournalDamaged.__name__}
_PAUSE_S = 0.1
_FIND_TIMEOUT_S = 5.0
# A cancelled job ends within two seconds.
_CANCEL_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 15.0
# A server that went away may be started again by its owner; nobody waits longer for it.
_SILENCE_S = 30.0
_handle: object = None


def add_command() -> None:
    """Make `--command figurine` known."""
    global _handle
    _handle = bpy.utils.register_cli_command(_NAME, main)


def remove_command() -> None:
    """Take it away."""
    global _handle
    bpy.utils.unregister_cli_command(_handle)
    _handle = None


def main(arguments: list[str]) -> int:
    """The command; its exit code."""
    try:
        wanted = _parser().parse_args(arguments)
        return _make(wanted)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except FigurineError as error:
        _print(f"{error.message} {error.hint}".strip())
        return UNUSABLE if error.code in _UNUSABLE_CODES else FAILED
    except KeyboardInterrupt:
        _print("Stopped.")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"blender --command {_NAME}", description="One picture of a character in, a posable character out."
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a PNG, JPEG, WebP, AVIF or GIF picture")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="a picture of its size whose subject is white")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.blend", help="the file to write")
    parser.add_argument("--engine", choices=("auto", "neural", "draft"), default="auto")
    parser.add_argument("--kind", choices=("auto", "humanoid", "quadruped", "bird", "generic", "none"), default="auto")
    parser.add_argument("--height", type=float, default=0.0, metavar="M", help="metres; automatic where not given")
    parser.add_argument("--depth", type=float, default=1.0, metavar="X", help="thickness of a draft, 1 as estimated")
    parser.add_argument("--texture", type=int, default=2048, metavar="PX", help="1024, 2048 or 4096")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--name", default="", help="of the objects; the picture's name where not given")
    return parser


def _make(wanted: argparse.Namespace) -> int:
    picture, output = wanted.image.absolute(), wanted.output.absolute()
    mask = wanted.mask.absolute() if wanted.mask is not None else None
    for file in (picture, mask):
        if file is not None and not file.is_file():
            raise PictureUnreadable(file.name, f"there is no such file in {file.parent}")
    if output.suffix != ".blend" or not output.parent.is_dir():
        _print(f"{output} cannot be written: it must end in .blend and lie in a folder that exists.")
        return UNUSABLE
    _require_writable(output)
    wishes = Wishes(
        name=wanted.name,
        engine=wanted.engine,
        kind=wanted.kind,
        height_m=wanted.height,
        seed=wanted.seed,
        depth=wanted.depth,
        texture_px=wanted.texture,
    )
    settings = settings_document(wishes, picture)
    bpy.ops.wm.read_homefile(use_empty=True)
    now = runtime.current()
    now.start(adopts=False)
    now.focus, now.messages = None, []
    try:
        _find_server(now)
        now.generate(Request(picture, settings["name"], settings, True, mask=mask), file_mark(now))
        _follow(now)
    finally:
        _stop_server(now)
    _save(output)
    return DONE


def _require_writable(output: Path) -> None:
    """Find out before the work is done. Raises OutputUnwritable."""
    if output.is_dir():
        raise OutputUnwritable(output, "there is a folder of that name")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise OutputUnwritable(output, error.strerror or str(error)) from error


def _save(output: Path) -> None:
    """Write the file. Raises OutputUnwritable."""
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(output))
    except RuntimeError as error:
        raise OutputUnwritable(output, str(error).strip()) from error
    _print(f"Saved {output}")


def _find_server(now: Runtime) -> None:
    """Wait until it is known whether a server runs. Raises FigurineError where none runs and none can be started."""
    deadline = time.monotonic() + _FIND_TIMEOUT_S
    now.engine.watch(_FIND_TIMEOUT_S)
    _turn()
    while now.snapshot.server.state == "unknown" and time.monotonic() < deadline:
        _turn()
    reason = obstacle(now, True)
    if reason:
        error = server_status(now).error or now.snapshot.server.error
        raise error or FigurineError(reason)


def _follow(now: Runtime) -> None:
    """Until the character is in the file. Raises what went wrong."""
    line = ""
    last_seen_s = time.monotonic()
    while True:
        _turn()
        if now.snapshot.server.state == "running" or now.server_state == "starting":
            last_seen_s = time.monotonic()
        elif time.monotonic() > last_seen_s + _SILENCE_S and now.snapshot.server.error is not None:
            raise now.snapshot.server.error
        job = now.job(now.focus) if now.focus is not None else None
        if job is not None and _progress(job) != line:
            line = _progress(job)
            _print(line)
        if job is not None and job.is_imported:
            for warning in job.warnings:
                _print(warning)
            return
        _raise_problem(now, job)


def _raise_problem(now: Runtime, job: JobView | None) -> None:
    if job is not None and job.state in ("failed", "cancelled", "lost"):
        raise job.error or FigurineError(f"The job was {STATE_LABELS[job.state].lower()}.")
    process = now.server
    is_unsent = job is None or job.state == "sending"
    if is_unsent and process is not None and process.state == "failed" and process.error is not None:
        raise process.error
    ours = [message for message in now.messages if message.level == "error" and message.key in (None, now.focus)]
    problem = next((message for message in ours if message.code not in _HARMLESS_CODES), None)
    if problem is not None:
        raise FigurineError(problem.text, problem.hint, problem.details)


def _progress(job: JobView) -> str:
    if job.state != "running" or job.stage is None:
        return f"{job.name}: {STATE_LABELS[job.state].lower()}"
    left = "" if job.eta_s is None else f", {duration(job.eta_s)} left"
    return f"{job.name}: {stage_label(job.stage)} ({job.engine}), {percent(job.progress)}{left}"


def _stop_server(now: Runtime) -> None:
    """Cancel what still runs, and stop the server where this command started it."""
    deadline = time.monotonic() + _CANCEL_TIMEOUT_S
    job = now.job(now.focus) if now.focus is not None else None
    if job is not None and job.is_busy:
        now.engine.cancel(job.key)
        while job is not None and job.is_busy and time.monotonic() < deadline:
            _turn()
            job = now.job(job.key)
    if now.server is not None and now.server.is_ours and not now.choices.keep_running:
        now.server.stop()
        now.server.wait(_STOP_TIMEOUT_S)


def _turn() -> None:
    pump.tick()
    time.sleep(_PAUSE_S)


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
