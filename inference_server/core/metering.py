# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a piece of work took and how much memory it needed."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import psutil

_SAMPLE_INTERVAL_S = 0.02
# To find children, every process of the system is looked at: 16 ms where 900 run.
_LISTING_INTERVAL_S = 0.25


class Meter:
    """Measures a `with` block. seconds: wall time. peak_bytes: the largest resident size of any one process, this
    one or a child, sampled every 20 ms; children are looked for four times a second.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_bytes = 0
        self._process = psutil.Process()
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample_until_done, name="memory meter", daemon=True)

    def __enter__(self) -> Meter:
        self._started_s = time.perf_counter()
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._started_s
        self._done.set()
        self._sampler.join()

    def _sample_until_done(self) -> None:
        processes, listed_s = self._family(), time.monotonic()
        self._sample(processes)
        while not self._done.wait(_SAMPLE_INTERVAL_S):
            if time.monotonic() - listed_s > _LISTING_INTERVAL_S:
                processes, listed_s = self._family(), time.monotonic()
            self._sample(processes)

    def _sample(self, processes: list[psutil.Process]) -> None:
        for process in processes:
            try:
                self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
            except psutil.Error:  # it ended meanwhile
                continue

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return [self._process]
