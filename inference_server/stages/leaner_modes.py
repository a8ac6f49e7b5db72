# SPDX-License-Identifier: GPL-3.0-or-later
"""What a neural stage does where memory runs out: the same work again in a leaner mode, and the artist is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from inference_server.core.stage import RunContext
from inference_server.errors import OutOfMemory

Result = TypeVar("Result")


@dataclass(frozen=True)
class LeanerModes:
    """model: has a `mode`, `enter(mode)` and `clear()`. modes: from the fastest to the leanest, each with a `name`.

    is_shortage: whether an error says that memory ran out. what: was done meanwhile, for a sentence. hint: what helps
    where the leanest mode is not lean enough.
    """

    model: Any
    modes: Sequence[Any]
    is_shortage: Callable[[BaseException], bool]
    what: str
    hint: str

    def run(self, ctx: RunContext, work: Callable[[], Result]) -> Result:
        """What the work gives, and raises. Raises OutOfMemory where the leanest mode is not lean enough."""
        while True:
            try:
                return work()
            except Exception as error:
                if not self.is_shortage(error):
                    raise
            self._enter_next(ctx)

    def _enter_next(self, ctx: RunContext) -> None:
        mode = self.model.mode
        leaner = self.modes[self.modes.index(mode) + 1 :]
        self.model.clear()
        if not leaner:
            raise OutOfMemory(f"Memory ran out while {self.what}, even in the leanest mode ({mode.name}).", self.hint)
        self.model.enter(leaner[0])
        ctx.note(f"Memory ran out in the {mode.name} mode: it was done again in the {leaner[0].name} mode, slower.")
