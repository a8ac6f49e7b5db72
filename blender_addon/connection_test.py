# SPDX-License-Identifier: GPL-3.0-or-later
"""Test Connection: asks the server that Preferences name who it is, on a thread of its own."""

from __future__ import annotations

import contextlib
import threading

from .client import Client
from .connection import Connection, find_endpoint
from .errors import FigurineError, InternalFault
from .phrases import phrase
from .transport import Aborted


class ConnectionTest:
    """connection: what is tested. facts: of a server that can be used, "" before. error: why it cannot be."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.facts = ""
        self.error: FigurineError | None = None
        self._client: Client | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="figurine-connection-test", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether there is no answer yet."""
        return not self.facts and self.error is None

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """End it."""
        self._is_closed = True
        if self._client is not None:
            self._client.abort()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        with contextlib.suppress(Aborted):
            try:
                self.facts = self._ask()
            except FigurineError as error:
                self.error = error
            except Exception as error:
                self.error = InternalFault(error)

    def _ask(self) -> str:
        """Raises LinkError, ServerNotInstalled, Refused, Aborted."""
        endpoint = find_endpoint(self.connection)
        self._client = Client(endpoint.url, endpoint.token)
        if self._is_closed:
            return ""
        try:
            health = self._client.health(self.connection.our_version)
            engines = self._client.capabilities().engines  # needs the token, as the health does not
        finally:
            self._client.close()
        works = "its worker runs" if health.worker is not None and health.worker.alive else "its worker does not run"
        return phrase(
            "Reachable: version {version}, {engines}, {works}.",
            version=health.version,
            engines=" + ".join(engines),
            works=phrase(works),
        )
