# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an editor's networks wait."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch

from models.pose_edit import offload
from models.pose_edit.offload import WORKING_BYTES, choose_plan, place

GIB = 1 << 30
KLEIN = {"text_encoder": round(7.5 * GIB), "transformer": round(7.2 * GIB), "vae": GIB // 6}


@pytest.mark.parametrize(
    ("free_gib", "plan"),
    [(24, "resident"), (20, "resident"), (16, "by_network"), (12, "by_network"), (11, "by_layer"), (6, "by_layer")],
)
def test_the_fastest_plan_that_fits_is_taken(free_gib: int, plan: str) -> None:
    assert choose_plan(KLEIN, free_gib * GIB) == plan


def test_room_for_pictures_is_left() -> None:
    assert choose_plan({"only": GIB}, GIB + WORKING_BYTES) == "resident"
    assert choose_plan({"only": GIB}, GIB + WORKING_BYTES - 1) == "by_layer"


class Pipeline:
    """Two networks of 4 and 8 bytes, and what is asked of them."""

    def __init__(self) -> None:
        self.components = {
            "small": torch.nn.Linear(1, 1, bias=False),
            "large": torch.nn.Linear(1, 2, bias=False),
            "tokenizer": "x",
        }
        self.asked: list[Any] = []

    def to(self, device: Any) -> None:
        self.asked.append(("to", device))

    def enable_model_cpu_offload(self, device: Any) -> None:
        self.asked.append(("by_network", device))

    def enable_sequential_cpu_offload(self, device: Any) -> None:
        self.asked.append(("by_layer", device))


@pytest.mark.parametrize(
    ("free", "plan", "asked"),
    [(None, "resident", "to"), (12, "resident", "to"), (11, "by_network", "by_network"), (7, "by_layer", "by_layer")],
)
def test_a_pipeline_is_placed_by_the_plan(
    monkeypatch: pytest.MonkeyPatch, free: int | None, plan: str, asked: str
) -> None:
    monkeypatch.setattr(offload, "free_bytes", lambda device: None if free is None else free + WORKING_BYTES)
    pipeline, device = Pipeline(), torch.device("cpu")
    assert place(pipeline, device) == plan
    assert pipeline.asked == [(asked, device)]
    assert offload.network_bytes(pipeline) == {"small": 4, "large": 8}


def test_a_cpu_has_no_memory_of_its_own() -> None:
    assert offload.free_bytes(torch.device("cpu")) is None
