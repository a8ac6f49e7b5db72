# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: read the request, do the verb, write the result, end."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import traceback
import uuid
from pathlib import Path
from typing import NoReturn

from inference_server.blender_worker.failures import WorkerFailure, describe
from inference_server.core.exchange import (
    PARTIAL_PREFIX,
    Exchange,
    ExchangeInvalid,
    read_exchange,
    write_exchange,
)
from inference_server.core.lifeline import end_with_parent

VERBS = ("export", "read", "bind", "paint", "voxelize")

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNWRITABLE = 3
EXIT_ORPHANED = 4


def main(arguments: list[str]) -> NoReturn:
    """Run one verb and end the process.

    The process ends without Blender's own clean-up, which has crashed after finished work; what it would have
    removed lies in the scratch folder.
    """
    if len(arguments) != 3 or arguments[0] not in VERBS:
        sys.stderr.write(f"usage: {'|'.join(VERBS)} REQUEST_FOLDER RESULT_FOLDER\n")
        _end(EXIT_USAGE)
    verb, request, result = arguments[0], Path(arguments[1]).resolve(), Path(arguments[2]).resolve()
    scratch = result.parent / f"{PARTIAL_PREFIX}{result.name}-scratch-{uuid.uuid4().hex}"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which decides
    end_with_parent(lambda: _end(EXIT_ORPHANED, scratch))
    _end(_run(verb, request, result, scratch), scratch)


def _run(verb: str, request: Path, result: Path, scratch: Path) -> int:
    try:
        scratch.mkdir(parents=True)
        # Blender's session folder goes there too, so that a killed worker leaves nothing anywhere else.
        os.environ["TMPDIR"] = os.environ["TEMP"] = tempfile.tempdir = str(scratch)
        write_exchange(result, _perform(verb, request, scratch))
        return EXIT_DONE
    except Exception as error:
        traceback.print_exc()
        failure = describe(error, result.parent)
    shutil.rmtree(scratch, ignore_errors=True)  # on a full disk this makes room for the answer
    try:
        write_exchange(result, Exchange(document=failure.to_document()))
    except OSError:
        traceback.print_exc()
        return EXIT_UNWRITABLE
    return EXIT_FAILED


def _perform(verb: str, request: Path, scratch: Path) -> Exchange:
    try:
        exchange = read_exchange(request)
    except ExchangeInvalid as error:
        raise WorkerFailure(
            "ExportCrashed", f"The request cannot be read: {error}.", "Run it again; the work folder was disturbed."
        ) from error
    from inference_server.blender_worker import verbs  # loads Blender: only once the temporary folder is set

    return getattr(verbs, verb)(exchange, scratch)


def _end(code: int, scratch: Path | None = None) -> NoReturn:
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
        bpy = sys.modules.get("bpy")
        if bpy is not None:
            shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
