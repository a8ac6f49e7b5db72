# SPDX-License-Identifier: GPL-3.0-or-later
"""What weights and memory say, as errors of the tree."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch

from inference_server.errors import FigurineError, NoSubject, OutOfMemory, WeightsCorrupt, WeightsMissing
from inference_server.stages.network_errors import memory_errors, weight_errors
from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing
from models.step1x3d.geometry.config import ConfigUnsupported
from models.unirig.config import ConfigUnknown
from models.unirig.loading import TokenizerMismatch


@pytest.mark.parametrize(
    ("error", "kind", "verb"),
    [
        (CheckpointMissing("It is gone."), WeightsMissing, "fetch"),
        (CheckpointDamaged("It is cut."), WeightsCorrupt, "verify"),
        (CheckpointMismatch("it", ("key",), (), {}), WeightsCorrupt, "verify"),
        (ConfigUnsupported("It is another."), WeightsCorrupt, "verify"),
        (ConfigUnknown("It is another."), WeightsCorrupt, "verify"),
        (TokenizerMismatch("It speaks otherwise."), WeightsCorrupt, "verify"),
    ],
)
def test_missing_weights_are_fetched_and_others_verified(
    error: Exception, kind: type[FigurineError], verb: str
) -> None:
    with pytest.raises(FigurineError) as caught, weight_errors("one", "two"):
        raise error
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.hint) == (str(error), f"Run: figurine weights {verb} one two")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_memory_runs_out_on_every_device_alike(error: Exception) -> None:
    with pytest.raises(OutOfMemory) as caught, memory_errors("it was drawn", "Close other programs."):
        raise error
    assert caught.value.to_document() == {
        "code": "OutOfMemory",
        "message": "Memory ran out while it was drawn.",
        "hint": "Close other programs.",
        "retryable": True,
    }


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), NoSubject("Nobody is there."), KeyError("x")])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, memory_errors("it was drawn", ""), weight_errors("one"):
        raise error
    assert caught.value is error
