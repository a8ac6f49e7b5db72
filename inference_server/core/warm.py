# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that stay loaded from one run to the next, as many as the memory allows."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import psutil

from inference_server.core.stage import Device, Stage
from inference_server.errors import DeviceLost, FigurineError, OutOfMemory

# The rest is for Blender, the file cache and whatever else runs on the artist's machine.
_BUDGET_SHARE = 0.5


def memory_budget_bytes() -> int:
    """What the loaded stages of one process may need together on this machine."""
    return int(psutil.virtual_memory().total * _BUDGET_SHARE)


class WarmStages:
    """Loads stages when they are needed and keeps them loaded; the end of a `with` block unloads them all.

    When the declared peaks of the loaded stages together would pass `budget_bytes`, those that were not used for the
    longest time are unloaded first. A stage that alone is above it is loaded alone. Belongs to one thread.
    """

    def __init__(self, budget_bytes: int, device: Device | None = None) -> None:
        self._budget_bytes = budget_bytes
        self._device = device or Device()
        self._loaded: list[Stage[Any, Any]] = []  # the least recently used first

    def __enter__(self) -> WarmStages:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unload_all()

    def need(self, stage: Stage[Any, Any]) -> None:
        """Have the stage loaded. Raises what its `load` raises; what that took until then is given back."""
        if stage in self._loaded:
            self._loaded.remove(stage)
            self._loaded.append(stage)
            return
        while self._loaded and self._needed_bytes() + stage.requires.peak_bytes > self._budget_bytes:
            self._loaded.pop(0).unload()
        try:
            stage.load(self._device)
        except BaseException:
            stage.unload()
            raise
        self._loaded.append(stage)

    def recover(self, stage: Stage[Any, Any], error: BaseException) -> None:
        """Give back what the error of a run leaves in doubt: all stages where the memory ran out or the device is
        lost, this one where the error is none of the tree, nothing where the stage only said that it cannot do it.
        """
        if isinstance(error, MemoryError | OutOfMemory | DeviceLost):
            self.unload_all()
        elif not isinstance(error, FigurineError) and stage in self._loaded:
            self._loaded.remove(stage)
            stage.unload()

    def unload_all(self) -> None:
        """Unload every stage, the least recently used first."""
        while self._loaded:
            self._loaded.pop(0).unload()

    def _needed_bytes(self) -> int:
        return sum(stage.requires.peak_bytes for stage in self._loaded)
