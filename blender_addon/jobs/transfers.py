# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads and downloads, one after another on a short-lived thread, so that a large one does not hold up the polls."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..client import Client
from ..errors import FigurineError, InternalFault
from ..transport import Aborted


@dataclass(frozen=True)
class Transfer:
    """work: done on the thread. done: told there of the result or the error, unless it was aborted."""

    client: Client
    work: Callable[[Client], Any]
    done: Callable[[Any], None]


class Transfers:
    """A queue whose thread lives as long as there is something in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: collections.deque[Transfer] = collections.deque()
        self._current: Transfer | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, transfer: Transfer) -> None:
        """Do it when its turn comes."""
        with self._lock:
            if self._is_closed:
                return
            self._waiting.append(transfer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="figurine-transfers", daemon=True)
                self._thread.start()

    def abort(self) -> None:
        """End what runs, forget what waits, take nothing more."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()
            if self._current is not None:
                self._current.client.abort()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while (transfer := self._next()) is not None:
            try:
                transfer.done(self._result_of(transfer))
            except Aborted:
                continue

    def _result_of(self, transfer: Transfer) -> Any:
        try:
            return transfer.work(transfer.client)
        except FigurineError as error:
            return error
        except Exception as error:
            return InternalFault(error)
        finally:
            transfer.client.close()

    def _next(self) -> Transfer | None:
        with self._lock:
            self._current = self._waiting.popleft() if self._waiting else None
            if self._current is None:
                self._thread = None
            return self._current
