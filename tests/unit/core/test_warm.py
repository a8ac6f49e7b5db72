# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stages are loaded, when, and in which order they make room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import psutil
import pytest

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, StageName
from inference_server.core.warm import WarmStages, memory_budget_bytes
from inference_server.errors import Cancelled, DeviceLost, OutOfMemory, RigFailed, WeightsMissing


class Weighty:
    """A stage that needs so many bytes and writes down what is done with it."""

    name: ClassVar[StageName] = "geometry"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 1
    requires = Requirements(0)
    setting_names: ClassVar[tuple[str, ...]] = ()
    uses_seed: ClassVar[bool] = False

    def __init__(self, label: str, peak_bytes: int, log: list[str]) -> None:
        self.label = label
        self.requires = Requirements(peak_bytes)
        self.log = log
        self.fault: BaseException | None = None

    def load(self, device: Device) -> None:
        self.log.append(f"load {self.label} on {device.name}")
        if self.fault is not None:
            raise self.fault

    def run(self, value: Any, ctx: RunContext) -> Any:
        return value

    def unload(self) -> None:
        self.log.append(f"unload {self.label}")


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def stage(log: list[str]) -> Callable[[str, int], Weighty]:
    return lambda label, peak_bytes: Weighty(label, peak_bytes, log)


def test_a_stage_is_loaded_once_and_given_back_at_the_end(stage: Callable[..., Weighty], log: list[str]) -> None:
    a, b = stage("a", 40), stage("b", 60)
    with WarmStages(100, Device("cuda:0")) as warm:
        for needed in (a, b, a, b, b):
            warm.need(needed)
        assert log == ["load a on cuda:0", "load b on cuda:0"]
    assert log[2:] == ["unload a", "unload b"]


def test_all_are_given_back_when_the_block_fails(stage: Callable[..., Weighty], log: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt), WarmStages(100) as warm:
        warm.need(stage("a", 1))
        raise KeyboardInterrupt
    assert log == ["load a on auto", "unload a"]


def test_the_least_recently_used_make_room_before_the_next_is_loaded(
    stage: Callable[..., Weighty], log: list[str]
) -> None:
    a, b, c = stage("a", 40), stage("b", 40), stage("c", 40)
    warm = WarmStages(100)
    for needed in (a, b, a, c):
        warm.need(needed)
    assert log == ["load a on auto", "load b on auto", "unload b", "load c on auto"]
    warm.need(a)
    assert len(log) == 4


def test_no_more_is_unloaded_than_needed(stage: Callable[..., Weighty], log: list[str]) -> None:
    warm = WarmStages(100)
    for label, peak_bytes in (("a", 50), ("b", 20), ("c", 30), ("d", 50)):
        warm.need(stage(label, peak_bytes))
    assert [line for line in log if "unload" in line] == ["unload a"]


def test_a_stage_above_the_budget_is_loaded_alone(stage: Callable[..., Weighty], log: list[str]) -> None:
    warm = WarmStages(100)
    for label, peak_bytes in (("a", 10), ("huge", 500), ("b", 10)):
        warm.need(stage(label, peak_bytes))
    assert log == ["load a on auto", "unload a", "load huge on auto", "unload huge", "load b on auto"]


@pytest.mark.parametrize("error", [WeightsMissing("no"), ZeroDivisionError(), KeyboardInterrupt()])
def test_a_load_that_fails_is_given_back_and_tried_anew_next_time(
    stage: Callable[..., Weighty], log: list[str], error: BaseException
) -> None:
    a, b = stage("a", 1), stage("b", 1)
    b.fault = error
    warm = WarmStages(100)
    warm.need(a)
    with pytest.raises(type(error)):
        warm.need(b)
    assert log[1:] == ["load b on auto", "unload b"]
    b.fault = None
    warm.need(b)
    assert log[3:] == ["load b on auto"]


@pytest.mark.parametrize(
    ("error", "unloaded"),
    [
        (OutOfMemory("full"), ["a", "b", "c"]),
        (MemoryError(), ["a", "b", "c"]),
        (DeviceLost("gone"), ["a", "b", "c"]),
        (RigFailed("no"), []),
        (Cancelled("stop"), []),
        (ZeroDivisionError(), ["b"]),
        (KeyboardInterrupt(), ["b"]),
    ],
)
def test_an_error_takes_with_it_what_it_leaves_in_doubt(
    stage: Callable[..., Weighty], log: list[str], error: BaseException, unloaded: list[str]
) -> None:
    a, b, c = (stage(label, 1) for label in "abc")
    warm = WarmStages(100)
    for needed in (a, b, c):
        warm.need(needed)
    del log[:]
    warm.recover(b, error)
    assert log == [f"unload {label}" for label in unloaded]
    for needed in (a, b, c):
        warm.need(needed)
    assert log[len(unloaded) :] == [f"load {label} on auto" for label in unloaded]


def test_a_stage_that_is_not_loaded_is_not_unloaded(stage: Callable[..., Weighty], log: list[str]) -> None:
    WarmStages(100).recover(stage("a", 1), ZeroDivisionError())
    assert log == []


def test_the_budget_leaves_half_of_the_memory() -> None:
    assert memory_budget_bytes() == psutil.virtual_memory().total // 2
