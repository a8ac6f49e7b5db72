# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of an installation: what pip is asked for, and which part of the whole each step is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..phrases import phrase
from .torch_builds import DRAFT_SIZE, TORCH, Size, TorchBuild


@dataclass(frozen=True)
class Step:
    """label: for the panel. start, end: its part of the whole, by the time it takes on a usual connection."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Fetch:
    """One run of pip. arguments: what is asked for, and where. size: what comes, roughly. unpack: begins when all has
    arrived.
    """

    arguments: tuple[str, ...]
    size: Size
    download: Step
    unpack: Step


PREPARE = Step(phrase("Checking This Machine"), 0.0, 0.02)
ENVIRONMENT = Step(phrase("Making the Environment"), 0.02, 0.12)
TEST = Step(phrase("Testing"), 0.93, 1.0)
CLEAR_UP = Step(phrase("Cancelling"), 0.0, 0.0)
_OF_ALL = phrase("Downloading"), phrase("Installing")
_OF_TORCH = phrase("Downloading PyTorch"), phrase("Installing PyTorch")
# Of the time of a run of pip.
_DOWNLOAD_SHARE = 0.65


def plan_fetches(wheel: Path, build: TorchBuild | None, has_own_index: bool) -> tuple[Fetch, ...]:
    """The runs of pip that install this wheel. build: of PyTorch, None for the draft engine alone. has_own_index:
    whether pip is set to another index than Python's usual one, as a company's; it is asked for PyTorch too then.
    """
    if build is None:
        return _timed([((str(wheel),), DRAFT_SIZE, _OF_ALL)])
    whole = (f"{wheel}[neural]",)
    if not build.index:
        return _timed([(whole, build.size, _OF_ALL)])
    option = "--extra-index-url" if has_own_index else "--index-url"
    # PyTorch alone comes from there. What it needs in turn comes with all else from pip's own index.
    torch = ("--no-deps", option, build.index, TORCH)
    return _timed([(torch, build.torch, _OF_TORCH), (whole, DRAFT_SIZE + build.libraries, _OF_ALL)])


def _timed(runs: list[tuple[tuple[str, ...], Size, tuple[str, str]]]) -> tuple[Fetch, ...]:
    """With parts of the whole by what each downloads."""
    room = TEST.start - ENVIRONMENT.end
    total = sum(size.download_bytes for _, size, _ in runs)
    fetches, start = [], ENVIRONMENT.end
    for arguments, size, (downloading, installing) in runs:
        end = start + room * size.download_bytes / total
        middle = start + (end - start) * _DOWNLOAD_SHARE
        steps = Step(downloading, start, middle), Step(installing, middle, end)
        fetches.append(Fetch(arguments, size, *steps))
        start = end
    return tuple(fetches)
