# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads of weights that the server was asked for: one after another, each a `figurine weights fetch` child, which
ends with the server. What a child has fetched stays and is gone on from when the set is asked for again.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any

from inference_server.core.children import module_command, outsider_environment
from inference_server.errors import InternalError
from inference_server.weights import Download, WeightStore, read_manifest

# A child that is told to end may be converting; nothing of it is kept.
_FAREWELL_S = 10.0
_NEEDS = "huggingface_hub"

log = logging.getLogger("figurine.weights")


class Downloads:
    """The queue of downloads into `root`, the weights folder of the data folder `home`. Any thread may call."""

    def __init__(self, home: Path, root: Path) -> None:
        self._home = home
        self._root = root
        self._lock = threading.Lock()
        self._waiting: deque[str] = deque()
        self._known: dict[str, Download] = {}
        self._current: str | None = None
        self._child: subprocess.Popen[str] | None = None
        self._killer: threading.Timer | None = None
        self._is_cancelled = False
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def store(self) -> WeightStore:
        """The sets as they are now. Raises WeightsCorrupt where the folder's own manifest cannot be read."""
        return WeightStore(self._root, read_manifest())

    @property
    def obstacle(self) -> str:
        """Why nothing can be fetched here, "" where it can."""
        if importlib.util.find_spec(_NEEDS) is None:
            return "This server was installed without the neural engine, so it has no use for models."
        return ""

    def find(self, weight_id: str) -> Download | None:
        """The set's download that waits, runs or failed."""
        with self._lock:
            return self._known.get(weight_id)

    def start(self, weight_id: str) -> None:
        """Fetch the set when its turn comes; one that waits or runs is left alone."""
        with self._lock:
            runs = weight_id == self._current and not self._is_cancelled
            if self._is_stopped or runs or weight_id in self._waiting:
                return
            self._waiting.append(weight_id)
            self._known[weight_id] = Download("queued")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="weights", daemon=True)
                self._thread.start()

    def cancel(self, weight_id: str) -> None:
        """End the set's download, or forget that it failed. What it has fetched stays."""
        with self._lock:
            if weight_id in self._waiting:
                self._waiting.remove(weight_id)
            if weight_id == self._current:
                self._end_current()
            self._known.pop(weight_id, None)

    def stop(self) -> None:
        """End what runs, and take nothing more."""
        with self._lock:
            self._is_stopped = True
            self._waiting.clear()
            self._end_current()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _end_current(self) -> None:
        """Tell the child to end, and kill one that does not."""
        self._is_cancelled = True
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            self._killer = threading.Timer(_FAREWELL_S, self._child.kill)
            self._killer.daemon = True
            self._killer.start()

    def _run(self) -> None:
        while (weight_id := self._next()) is not None:
            error = self._fetch(weight_id)
            with self._lock:
                if weight_id not in self._waiting:  # it may have been asked for again while its child ended
                    self._known.pop(weight_id, None)
                    if error is not None and not self._is_cancelled:
                        self._known[weight_id] = Download("failed", error=error)
                self._current = None

    def _next(self) -> str | None:
        with self._lock:
            self._current = self._waiting.popleft() if self._waiting else None
            self._is_cancelled = False
            if self._current is None:
                self._thread = None
            return self._current

    def _fetch(self, weight_id: str) -> dict[str, Any] | None:
        """Run the child to its end; what went wrong, None for nothing."""
        log.info("fetching the weights %s", weight_id)
        command = module_command("inference_server", "weights", "fetch", weight_id, "--json", "--end-with-stdin")
        environment = outsider_environment() | {"FIGURINE_HOME": str(self._home)}
        error: dict[str, Any] | None = None
        with self._lock:
            if self._is_cancelled:
                return None
            try:
                self._child = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment
                )
            except OSError as fault:
                return _ended(weight_id, str(fault))
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                told = json.loads(line) if line.startswith("{") else {}  # a library may print, too
                error = told.get("error", error)
                if "step" in told:
                    self._note(weight_id, Download(**told))
        code = child.wait()
        with self._lock:
            self._child = None
            child.stdin.close()
            if self._killer is not None:
                self._killer.cancel()
                self._killer = None
        if code != 0 and error is None:
            error = _ended(weight_id, f"exit code {code}")
        log.info("the weights %s: %s", weight_id, "done" if error is None else error["message"])
        return error

    def _note(self, weight_id: str, download: Download) -> None:
        with self._lock:
            if not self._is_cancelled:
                self._known[weight_id] = download


def _ended(weight_id: str, why: str) -> dict[str, Any]:
    message = f"The download of {weight_id} ended by itself: {why}."
    return InternalError(message, "Try again; what was fetched is kept. The server's log says more.").to_document()
