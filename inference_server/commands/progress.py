# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on the terminal: a bar where there is one, a line a stage otherwise."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from inference_server.core.stage import Progress
from inference_server.core.types import StageName

# Typical shares of the draft engine's time.
_SHARES: dict[StageName, float] = {"normalize": 0.5, "geometry": 1.0, "texture": 1.0, "rig": 2.0, "export": 3.0}


class ConsoleProgress:
    """Shows the progress of a job that has these stages."""

    def __init__(self, stages: tuple[StageName, ...]) -> None:
        total = sum(_SHARES[stage] for stage in stages)
        self._before = {
            stage: sum(_SHARES[earlier] for earlier in stages[:place]) / total for place, stage in enumerate(stages)
        }
        self._total = total
        self._bar = tqdm(
            total=100, disable=not sys.stderr.isatty(), leave=False, bar_format="{desc:<20} {bar} {n:.0f} % {elapsed}"
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

    def summarise(self, folder: Path, name: str) -> None:
        """Where the results are."""
        for file in (f"{name}.fbx", f"{name}.glb", "preview.png", "rig.json", "report.json"):
            print(folder / file)
