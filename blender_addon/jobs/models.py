# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks' weights on the server, asked for while somebody looks: more often while one is fetched."""

from __future__ import annotations

import time
from dataclasses import replace

from ..client import Client
from ..documents import Weights
from ..errors import Refused
from .views import ModelsView

_CALM_S = 10.0
_BUSY_S = 1.0


class Models:
    """view: as the server told it last."""

    def __init__(self) -> None:
        self.view = ModelsView()
        self._due_s = 0.0

    def clear(self) -> None:
        """Another server is chosen."""
        self.view = ModelsView()
        self.look_now()

    def look_now(self) -> None:
        """Do not wait until they are asked for again."""
        self._due_s = 0.0

    def do(self, client: Client) -> None:
        """Ask, where it is time to. A server that does not tell them is used without. Raises LinkError."""
        if time.monotonic() < self._due_s:
            return
        try:
            told = client.weights()
            self.view = ModelsView(told.weights, True, told.free_bytes, told.obstacle)
        except Refused as error:
            self.view = ModelsView(error=error)
        is_busy = any(model.download is not None for model in self.view.models)
        self._due_s = time.monotonic() + (_BUSY_S if is_busy else _CALM_S)

    def hear(self, told: Weights) -> None:
        """Take in what the server says of one of them."""
        models = tuple(told if model.id == told.id else model for model in self.view.models)
        self.view = replace(self.view, models=models)
        self.look_now()
