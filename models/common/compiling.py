# SPDX-License-Identifier: GPL-3.0-or-later
"""torch.compile where it can: it needs a C++ compiler on a CPU and Triton on a GPU, which many machines lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from models.common.offload import is_shortage


class CompileFailed(RuntimeError):
    """torch.compile cannot here. The message says why, in one line without a full stop."""


def compile_parts(parts: Iterable[nn.Module]) -> None:
    """Have each part compiled when it runs first, within `compile_errors`. Raises CompileFailed where this Python or
    system is none that torch compiles on.
    """
    try:
        for part in parts:
            part.compile()
    except RuntimeError as error:
        raise CompileFailed(_first_line(error)) from error


@contextmanager
def compile_errors() -> Iterator[None]:
    """Raises CompileFailed where a part that runs in the block cannot be compiled; memory that runs out passes."""
    from torch._dynamo.exc import TorchDynamoException  # late: it brings in the whole compiler

    try:
        yield
    except TorchDynamoException as error:
        if is_shortage(error):
            raise
        raise CompileFailed(_first_line(getattr(error, "inner_exception", error))) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
