# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on the terminal: a bar where there is one, nothing otherwise."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm

from inference_server.core.stage import Progress
from inference_server.core.types import StageName

# Typical shares of the draft engine's time.
_SHARES: dict[StageName, float] = {"normalize": 0.5, "geometry": 1.0, "texture": 1.0, "rig": 2.0, "export": 3.0}


class ConsoleProgress:
    """Shows the progress of a job that has these stages, where standard error is a terminal and is_quiet is not asked
    for.
    """

    def __init__(self, stages: tuple[StageName, ...], *, is_quiet: bool = False) -> None:
        total = sum(_SHARES[stage] for stage in stages)
        self._before = {
            stage: sum(_SHARES[earlier] for earlier in stages[:place]) / total for place, stage in enumerate(stages)
        }
        self._total = total
        self._bar = tqdm(
            total=100,
            disable=is_quiet or not sys.stderr.isatty(),
            leave=False,
            bar_format="{desc:<20} {bar} {n:.0f} % {elapsed}",
        )

    def __enter__(self) -> ConsoleProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """One step further."""
        share = _SHARES[progress.stage] / self._total
        self._bar.set_description_str(f"{progress.stage} ({progress.engine})", refresh=False)
        self._bar.n = 100 * (self._before[progress.stage] + share * progress.fraction)
        self._bar.refresh()
