# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to the server: found, asked who it is, lost, and found again, also at another port or with another token."""

from __future__ import annotations

import time
from dataclasses import replace

from ..client import Client
from ..connection import Connection, Endpoint, find_endpoint
from ..documents import Health, Limits
from ..errors import (
    BadToken,
    FigurineError,
    OnlineAccessOff,
    ServerNotInstalled,
    ServerNotRunning,
    WrongVersion,
)
from ..transport import Aborted
from .views import ServerState, ServerView

# How long until a server that is not there is looked for again: longer each time, up to this.
_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 4.0
# The worker's health is asked this often while somebody looks.
_HEALTH_S = 10.0
# The same while the server looks for its GPUs.
_EARLY_HEALTH_S = 1.0
_STATES: tuple[tuple[type[FigurineError], ServerState], ...] = (
    (ServerNotInstalled, "absent"),
    (ServerNotRunning, "absent"),
    (WrongVersion, "wrong_version"),
    (BadToken, "bad_token"),
    (OnlineAccessOff, "offline"),
    (FigurineError, "unreachable"),
)


class Link:
    """The connection of the engine's thread. view: what is known of the server. client: None while there is none."""

    def __init__(self) -> None:
        self.view = ServerView()
        self.client: Client | None = None
        self.endpoint: Endpoint | None = None
        self.limits: Limits | None = None
        self.next_try_s = 0.0
        self._connection: Connection | None = None
        self._is_aborted = False
        self._retry_s = _FIRST_RETRY_S
        self._health_due_s = 0.0

    @property
    def is_configured(self) -> bool:
        """Whether it is known where to look."""
        return self._connection is not None

    def configure(self, connection: Connection) -> bool:
        """Use these preferences from now on; False where they lead to the same server."""
        before, self._connection = self._connection, connection
        if before is not None and replace(before, is_installed=connection.is_installed) == connection:
            return False
        self._drop()
        self.endpoint = None
        self.view = ServerView()
        self.next_try_s = 0.0
        return True

    def ensure(self) -> Client | None:
        """The client, after looking for the server where it is time to; None where it is not. Raises LinkError,
        ServerNotInstalled, Refused, Aborted.
        """
        if self.client is None and self._connection is not None and time.monotonic() >= self.next_try_s:
            self._connect(self._connection)
        return self.client

    def check_health(self) -> None:
        """Ask for the worker, now and then. Raises LinkError."""
        if self.client is not None and self._connection is not None and time.monotonic() >= self._health_due_s:
            health = self.client.health(self._connection.our_version)
            self._hear(health)
            alive = None if health.worker is None else health.worker.alive
            self.view = replace(self.view, worker_alive=alive, compute=health.compute)

    def lose(self, error: FigurineError) -> None:
        """There is no way to the server, because of this."""
        self._drop()
        state = next(state for kind, state in _STATES if isinstance(error, kind))
        self.view = ServerView(state, self.view.url, self.view.version, error=error)
        self.next_try_s = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)

    def look_now(self) -> None:
        """Do not wait until the server is looked for or asked again."""
        self._retry_s = _FIRST_RETRY_S
        self.next_try_s = 0.0
        self._health_due_s = 0.0

    def forget(self) -> None:
        """Look for the server anew: it may have moved, or have another token."""
        self._drop()
        self.next_try_s = 0.0

    def abort(self) -> None:
        """From another thread: end what runs, and connect no more."""
        self._is_aborted = True
        client = self.client
        if client is not None:
            client.abort()

    def new_client(self) -> Client:
        """A second client of the same server, for another thread."""
        assert self.endpoint is not None
        return Client(self.endpoint.url, self.endpoint.token)

    def _connect(self, connection: Connection) -> None:
        self.endpoint = find_endpoint(connection)
        self.client = self.new_client()
        if self._is_aborted:
            raise Aborted
        health = self.client.health(connection.our_version)
        self._hear(health)
        capabilities = self.client.capabilities()
        self.limits = capabilities.limits
        self._retry_s = _FIRST_RETRY_S
        alive = None if health.worker is None else health.worker.alive
        self.view = ServerView(
            "running",
            self.endpoint.url,
            health.version,
            capabilities.engines,
            alive,
            cut_out_engines=capabilities.cut_out_engines,
            compute=health.compute,
        )

    def _hear(self, health: Health) -> None:
        """When to ask again."""
        is_early = health.compute is not None and not health.compute.devices
        self._health_due_s = time.monotonic() + (_EARLY_HEALTH_S if is_early else _HEALTH_S)

    def _drop(self) -> None:
        if self.client is not None:
            self.client.close()
        self.client = None
