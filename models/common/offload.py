# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that are needed one after another: where each waits for its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

Rest = Literal["device", "host", "disk"]
"""Where a network is between its turns: on the device, in the machine's memory, or in its file alone."""

# What torch and the system say, each in its own error, where memory runs out.
_SHORTAGES = ("allocate memory", "not enough memory", "out of memory")


class Slot(Generic[Network]):
    """One network's place. load: reads it onto a device, ready to run."""

    def __init__(self, load: Callable[[torch.device], Network], device: torch.device, rest: Rest) -> None:
        self._load = load
        self._device = device
        self._rest = rest
        self._network: Network | None = None

    @contextmanager
    def use(self) -> Iterator[Network]:
        """The network, on the device until the end of the block. Raises what reading it raises."""
        if self._network is None:
            self._network = self._load(self._device)
        network = self._network.to(self._device)
        try:
            yield network
        finally:
            if self._rest == "disk":
                self._network = None
            elif self._rest == "host":
                network.to("cpu")
            release_cached(self._device)

    def clear(self) -> None:
        """Give its memory back."""
        self._network = None
        release_cached(self._device)


def release_cached(device: torch.device) -> None:
    """Give what torch holds for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def is_shortage(error: BaseException) -> bool:
    """Whether the error says that memory ran out, on a device or on the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and any(words in str(error).lower() for words in _SHORTAGES)


@contextmanager
def watched(parts: list[nn.Module], look_up: Callable[[], None]) -> Iterator[None]:
    """Call `look_up` before each of the parts runs; what it raises ends the run."""
    hooks = [part.register_forward_pre_hook(lambda *_: look_up()) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
