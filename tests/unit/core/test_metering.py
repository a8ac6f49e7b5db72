# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of a piece of work."""

from __future__ import annotations

import mmap
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from inference_server.core.metering import Meter

BIG_BYTES = 100 << 20


def test_time_is_wall_time() -> None:
    with Meter() as meter:
        started_s = time.perf_counter()
        time.sleep(0.05)
        slept_s = time.perf_counter() - started_s
    assert meter.seconds >= slept_s


def test_memory_that_is_taken_and_given_back_counts() -> None:
    before_bytes = psutil.Process().memory_info().rss
    with Meter() as meter:
        with mmap.mmap(-1, BIG_BYTES) as block:  # pages of its own: an allocator may have some at hand
            np.frombuffer(block, np.uint8)[::1024] = 1
            time.sleep(0.2)
    assert meter.peak_bytes > before_bytes + 0.8 * BIG_BYTES


def test_the_largest_process_counts_not_the_sum() -> None:
    hungry = f"import time; block = bytearray(b'x') * {4 * BIG_BYTES}; time.sleep(0.5)"
    own_bytes = psutil.Process().memory_info().rss
    with Meter() as meter:
        subprocess.run([sys.executable, "-c", hungry], check=True)
    assert meter.peak_bytes >= max(own_bytes, 0.9 * 4 * BIG_BYTES)
    assert meter.peak_bytes < own_bytes + 4 * BIG_BYTES


def test_a_failing_block_is_measured_and_its_sampler_ends() -> None:
    threads = threading.active_count()
    meter = Meter()
    with pytest.raises(KeyError), meter:
        raise KeyError("x")
    assert meter.peak_bytes > 0
    assert threading.active_count() == threads
