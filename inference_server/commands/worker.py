# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine worker: one worker process on the jobs table of this data folder."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading

from inference_server.config import Config, load_config, make_home
from inference_server.core.children import child_environment, module_command
from inference_server.core.lifeline import end_with_parent
from inference_server.errors import typed_system_errors
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.queue import TableQueue
from inference_server.jobs.slots import hold_slot
from inference_server.jobs.store import JobStore
from inference_server.jobs.worker import Worker
from inference_server.logs import configure_logging

EXIT_ORPHANED = 0


def run_worker(options: argparse.Namespace) -> int:
    """Run until told to stop; a job that is running then goes back into the queue."""
    config = load_config().config
    with contextlib.ExitStack() as held:
        with typed_system_errors(str(config.home)):
            make_home(config)
            number = held.enter_context(hold_slot(config.workers_root))
        configure_logging(config, "worker", number)
        _work(config, end_with_stdin=options.end_with_stdin)
    return 0


def _work(config: Config, *, end_with_stdin: bool) -> None:
    store = JobStore(config.database)
    folders, queue = JobFolders(config.jobs_root), TableQueue(store)
    if end_with_stdin:
        worker = Worker(config, store, folders, queue)
    else:
        worker = Worker(config, store, folders, queue, _start_anew)

    def end_at_once() -> None:
        worker.release_current()
        os._exit(EXIT_ORPHANED)

    if end_with_stdin:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
        end_with_parent(end_at_once)
    with contextlib.suppress(KeyboardInterrupt):  # being told to stop is no failure; the job is back in the queue
        worker.run_until(threading.Event())


def _start_anew() -> None:
    """Become a fresh worker: nobody else would start one."""
    os.execve(sys.executable, module_command("inference_server", "worker"), child_environment())
