# SPDX-License-Identifier: GPL-3.0-or-later
"""The memory plan: the fastest mode that fits, in words; what is free is what the machine and its container leave."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from models.common import memory
from models.common.memory import GIB, FreeMemory, Need, first_fit, free_memory, peak_resident_bytes
from models.step1x3d.geometry.checkpoint import ModelConfigs
from models.step1x3d.geometry.config import SchedulerConfig
from models.step1x3d.geometry.memory import need_of, plan_memory
from models.step1x3d.geometry.pipeline import MODES, Hardware
from tests.bench.geometry import TRANSFORMER, VAE, VISUAL_ENCODER

PUBLISHED = ModelConfigs(TRANSFORMER, VAE, VISUAL_ENCODER, None, SchedulerConfig(1000))
CARD = Hardware(torch.device("cuda"), torch.float16)
PROCESSOR = Hardware(torch.device("cpu"), torch.float32)
# Elements of the encoder, the transformer and the decoder without what only mesh → latents needs.
PARAMETERS = 304_368_640 + 1_316_287_808 + 116_000_000


@pytest.mark.parametrize(
    ("device_gib", "host_gib", "mode"),
    [(24, 64, "resident"), (4, 64, "offloaded"), (2.7, 2, "sequential"), (1, 64, "minimal")],
)
def test_a_card_gets_the_fastest_mode_that_fits(device_gib: float, host_gib: float, mode: str) -> None:
    free = FreeMemory(int(device_gib * GIB), int(host_gib * GIB), is_shared=False)
    plan = plan_memory(PUBLISHED, CARD, 384, free)
    assert plan.mode.name == mode
    assert f"mode {mode}" in plan.sentence and f"{device_gib:.1f} GiB and {host_gib:.1f} GiB are free" in plan.sentence
    assert ("may not be enough" in plan.sentence) is (mode == "minimal")


@pytest.mark.parametrize(("free_gib", "mode"), [(24, "resident"), (8, "sequential"), (2, "minimal")])
def test_on_a_processor_networks_that_wait_cost_what_networks_at_work_cost(free_gib: int, mode: str) -> None:
    free = FreeMemory(free_gib * GIB, free_gib * GIB, is_shared=True)
    plan = plan_memory(PUBLISHED, PROCESSOR, 384, free)
    assert plan.mode.name == mode
    assert f"{free_gib}.0 GiB are free" in plan.sentence


def test_leaner_modes_need_no_more_and_the_leanest_least() -> None:
    needs = [need_of(mode, PUBLISHED, CARD, 384).device_bytes for mode in MODES]
    assert needs == sorted(needs, reverse=True) and needs[-1] < needs[0] / 1.5


def test_all_networks_at_once_are_all_their_weights_and_some_room_to_compute() -> None:
    need = need_of(MODES[0], PUBLISHED, PROCESSOR, 384)
    assert PARAMETERS * 4 < need.device_bytes < PARAMETERS * 4 + 5 * GIB


def test_half_precision_halves_and_finer_grids_cost() -> None:
    single = need_of(MODES[0], PUBLISHED, Hardware(torch.device("cuda"), torch.float32), 384)
    half = need_of(MODES[0], PUBLISHED, CARD, 384)
    assert single.device_bytes == 2 * half.device_bytes
    assert need_of(MODES[0], PUBLISHED, CARD, 512).host_bytes > 2 * half.host_bytes


def test_shared_memory_is_not_counted_twice() -> None:
    needs = [Need(6, 6), Need(5, 4), Need(1, 1)]
    assert first_fit(needs, FreeMemory(10, 10, is_shared=False)) == 0
    assert first_fit(needs, FreeMemory(10, 10, is_shared=True)) == 1
    assert first_fit(needs, FreeMemory(5, 3, is_shared=False)) == 2
    assert first_fit(needs, FreeMemory(0, 100, is_shared=False)) is None


def test_a_container_s_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("_LIMIT", "1000\n"), ("_USED", "400\n")):
        (tmp_path / name).write_text(content)
        monkeypatch.setattr(memory, name, tmp_path / name)
    assert free_memory(torch.device("cpu")) == FreeMemory(600, 600, is_shared=True)
    (tmp_path / "_LIMIT").write_text("max\n")
    assert free_memory(torch.device("cpu")).host_bytes > 10 << 20


def test_the_peak_of_this_process_is_at_least_what_it_has() -> None:
    has = psutil.Process().memory_info().rss
    assert 0.9 * has < peak_resident_bytes() < 64 * GIB
