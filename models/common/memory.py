# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory there is, and which way of running fits into it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import psutil
import torch

GIB = 1 << 30
# A container's limits (version 2 of control groups): what it may have, and what it has.
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


@dataclass(frozen=True)
class FreeMemory:
    """Bytes that can be taken now. is_shared: the device computes in the machine's own memory, so both are the same."""

    device_bytes: int
    host_bytes: int
    is_shared: bool


@dataclass(frozen=True)
class Need:
    """Bytes that a way of running takes at its peak, on the device and in the machine's memory beside it."""

    device_bytes: int
    host_bytes: int


def free_memory(device: torch.device) -> FreeMemory:
    """What is free, now, on the device and on its machine; a container's limit counts."""
    host = psutil.virtual_memory().available
    if _LIMIT.is_file() and (limit := _LIMIT.read_text(encoding="ascii").strip()).isdigit():
        host = min(host, max(0, int(limit) - int(_USED.read_text(encoding="ascii"))))
    if device.type == "cuda":
        return FreeMemory(torch.cuda.mem_get_info(device)[0], host, is_shared=False)
    if device.type == "mps":
        most = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return FreeMemory(min(host, most), host, is_shared=True)
    return FreeMemory(host, host, is_shared=True)


def first_fit(needs: Sequence[Need], free: FreeMemory) -> int | None:
    """The place of the first need that is met, None where none is."""
    for place, need in enumerate(needs):
        host = need.host_bytes + (need.device_bytes if free.is_shared else 0)
        if need.device_bytes <= free.device_bytes and host <= free.host_bytes:
            return place
    return None


class Named(Protocol):
    """A way of running, by what messages call it."""

    @property
    def name(self) -> str: ...


Way = TypeVar("Way", bound=Named)


@dataclass(frozen=True)
class MemoryPlan(Generic[Way]):
    """mode: to run in. sentence: tells the artist which it is, what it needs, and what was free."""

    mode: Way
    sentence: str


def choose_way(
    modes: Sequence[Way], need_of: Callable[[Way], Need], free: FreeMemory, device: torch.device
) -> MemoryPlan[Way]:
    """The first mode, from the fastest on, that fits into the free memory; the leanest, which is the last, where none
    does.
    """
    needs = [need_of(mode) for mode in modes]
    fitting = first_fit(needs, free)
    place = len(needs) - 1 if fitting is None else fitting
    mode, need = modes[place], needs[place]
    if free.is_shared:
        told = f"about {_gib(need.device_bytes + need.host_bytes)}; {_gib(free.host_bytes)} are free"
    else:
        told = (
            f"about {_gib(need.device_bytes)} on {device} and {_gib(need.host_bytes)} beside it; "
            f"{_gib(free.device_bytes)} and {_gib(free.host_bytes)} are free"
        )
    if fitting is None:
        return MemoryPlan(mode, f"Memory mode {mode.name}, the leanest, may not be enough: it needs {told}.")
    return MemoryPlan(mode, f"Memory mode {mode.name}: it needs {told}.")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def peak_resident_bytes() -> int:
    """The most memory that this process has had at a time."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
