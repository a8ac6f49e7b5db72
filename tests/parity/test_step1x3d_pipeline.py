# SPDX-License-Identifier: GPL-3.0-or-later
"""A model folder from picture to latents to field: in every mode, in half precision, and back from a surface."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.common.offload import Slot, is_shortage
from models.step1x3d.geometry.labels import LabelUnknown, label_rows
from models.step1x3d.geometry.picture import PictureEmpty, frame_subject
from models.step1x3d.geometry.pipeline import MODES, GeometryModel, Hardware, Mode
from models.step1x3d.geometry.sampler import Sampling
from tests.parity.step1x3d_tiny import save_checkpoint

CPU = torch.device("cpu")
RGBA = np.full((40, 40, 4), 200, np.uint8)
SAMPLING = Sampling(steps=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    save_checkpoint(folder, has_labels=True)
    return folder


def model(folder: Path, mode: Mode = MODES[0], dtype: torch.dtype = torch.float32, **hardware: Any) -> GeometryModel:
    found = GeometryModel(folder, Hardware(CPU, dtype, **hardware))
    found.enter(mode)
    return found


def latents_of(found: GeometryModel, looks: list[int] | None = None) -> Tensor:
    conditions = found.conditions(RGBA, {"symmetry": "x"})
    count = [] if looks is None else looks
    found.look_up = lambda: count.append(1)
    with_looks = found.latents(conditions, 1, SAMPLING, lambda step: None)
    del found.look_up
    return with_looks


@pytest.mark.parametrize("mode", MODES[1:], ids=lambda mode: mode.name)
def test_modes_differ_in_memory_and_not_in_the_shape(folder: Path, mode: Mode) -> None:
    usual, lean = model(folder), model(folder, mode)
    expected, found = latents_of(usual), latents_of(lean)
    assert float((found - expected).abs().max()) < 2e-5
    points = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fields = [item.with_field(expected, lambda field: field.query(points)) for item in (usual, lean)]
    assert torch.equal(*fields)


def test_a_network_on_the_disk_is_read_anew_for_each_turn_and_one_on_the_device_once() -> None:
    for rest, expected in (("device", 1), ("host", 1), ("disk", 2)):
        reads: list[torch.device] = []

        def read(device: torch.device, reads: list[torch.device] = reads) -> torch.nn.Module:
            reads.append(device)
            return torch.nn.Linear(1, 1)

        slot = Slot(read, CPU, rest)
        for _ in range(2):
            with slot.use() as network:
                assert network.weight.device == CPU
        assert len(reads) == expected
        slot.clear()
        with slot.use():
            assert len(reads) == expected + 1


def test_every_block_looks_up(folder: Path) -> None:
    looks: list[int] = []
    warm = model(folder)
    latents_of(warm)
    latents_of(warm, looks)
    assert len(looks) == 3 * (2 + 2)  # three steps that compute, two blocks of each kind


def test_reading_and_seeing_look_up_too(folder: Path) -> None:
    found = model(folder)
    looks: list[int] = []
    found.look_up = lambda: looks.append(1)
    found.conditions(RGBA)
    read = len(looks)
    assert read > 50
    found.conditions(RGBA)
    assert len(looks) - read == 2 + 2  # layers of either encoder
    found.look_up = stop
    found.clear()
    with pytest.raises(KeyboardInterrupt):
        found.conditions(RGBA)


def stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float16, 0.1), (torch.bfloat16, 1.0)])
def test_half_precision_keeps_the_path_in_single(folder: Path, dtype: torch.dtype, atol: float) -> None:
    found = latents_of(model(folder, dtype=dtype))
    assert found.dtype == torch.float32
    difference = float((found - latents_of(model(folder))).abs().max())
    assert 0 < difference < atol


@pytest.mark.full
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, where it looks through itself
def test_compiled_blocks_give_the_same(folder: Path) -> None:
    found = latents_of(model(folder, is_compiled=True))
    assert float((found - latents_of(model(folder))).abs().max()) < 5e-5


def test_a_surface_becomes_latents_and_they_a_field(folder: Path) -> None:
    found = model(folder)
    surface = torch.rand(2, 1, 40, 6, generator=torch.Generator().manual_seed(3)) - 0.5
    latents = found.encode_surface(surface[0], surface[1])
    assert latents.shape == (1, 16, 8) and latents.dtype == torch.float32
    field = found.with_field(latents, lambda field: field.query(torch.zeros(1, 3)))
    assert float(field[0]) > 0  # the tiny body's middle is inside


def test_no_label_is_zeros(folder: Path) -> None:
    found = model(folder)
    assert not found.conditions(RGBA)["label"].any()
    assert found.conditions(RGBA, {"symmetry": "x"})["label"].any()


def test_an_empty_picture_is_told() -> None:
    with pytest.raises(PictureEmpty):
        frame_subject(np.zeros((8, 8, 4), np.uint8))


def test_a_line_of_a_picture_is_framed() -> None:
    thin = np.zeros((50, 50, 4), np.uint8)
    thin[5:45, 20] = 255
    assert frame_subject(thin).size == (50, 50)


@pytest.mark.parametrize(
    ("label", "is_fixed", "rows"),
    [
        ({"symmetry": "x", "edge_type": "sharp"}, False, (0, 1, 0)),
        ({"symmetry": "x", "edge_type": "sharp"}, True, (0, 1, 2)),
        ({"symmetry": "", "edge_type": "smooth"}, True, (0, None, 1)),
        ({"geometry_type": "sharp"}, True, (0, 0, 2)),
        ({"geometry_type": ["sharp"]}, True, (0, 0, 2)),
        ({"pose": "a-pose"}, True, (2, 0, 0)),
    ],
)
def test_labels_as_published_and_as_meant(label: dict[str, Any], is_fixed: bool, rows: tuple[int | None, ...]) -> None:
    assert tuple(row and row[1] for row in label_rows(label, is_fixed=is_fixed)) == rows


def test_the_published_reading_of_a_pose_takes_a_row_of_symmetry() -> None:
    assert label_rows({"pose": ["t-pose"]}, is_fixed=False)[0] == ("symmetry_type", 1)
    for label in ({"pose": ["a-pose"]}, {"geometry_type": "sharp"}, {"symmetry": "xyz"}):
        with pytest.raises(LabelUnknown):
            label_rows(label, is_fixed=False)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, expected: bool) -> None:
    assert is_shortage(error) == expected
