# SPDX-License-Identifier: GPL-3.0-or-later
"""In which mode the texture networks run: computed for the published ones, and read from a folder's files."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch

from models.common.checkpoint import CheckpointMissing
from models.common.memory import GIB, FreeMemory
from models.step1x3d.texture.memory import Networks, measure_networks, need_of, plan_memory
from models.step1x3d.texture.pipeline import MODES, OFFICIAL, Folders
from tests.integration.tiny_weights import TEXTURE_IDS, add_texture_weights

# The published numbers of weights: the UNet with what Step1X-3D adds, the autoencoder, the larger text encoder.
PUBLISHED = Networks(2_567_463_684 + 900_606_400, 83_653_863, 694_659_840, 320, 128)
CUDA = torch.device("cuda")


def test_every_mode_fits_into_twelve_gib_at_the_published_size() -> None:
    needs = [need_of(mode, PUBLISHED, CUDA, torch.float16, OFFICIAL.view_px) for mode in MODES]
    assert all(need.device_bytes < 12 * GIB for need in needs)
    resident, offload, lean = (need.device_bytes / GIB for need in needs)
    assert resident > offload > lean > 6.5  # the UNet's weights alone
    assert needs[1].host_bytes > needs[2].host_bytes >= 4 * PUBLISHED.words


@pytest.mark.parametrize("place", range(len(MODES)))
def test_the_fastest_mode_that_fits_is_planned_and_told(place: int) -> None:
    need = need_of(MODES[place], PUBLISHED, CUDA, torch.float16, OFFICIAL.view_px)
    fitting = FreeMemory(need.device_bytes, need.host_bytes, is_shared=False)
    plan = plan_memory(PUBLISHED, CUDA, torch.float16, OFFICIAL.view_px, fitting)
    assert plan.mode is MODES[place]
    assert f"Memory mode {plan.mode.name}: it needs about" in plan.sentence
    less = FreeMemory(need.device_bytes - 1, need.host_bytes, is_shared=False)
    leaner = plan_memory(PUBLISHED, CUDA, torch.float16, OFFICIAL.view_px, less)
    assert leaner.mode is MODES[-1]  # offload wants more of the memory beside the device
    assert ("may not be enough" in leaner.sentence) == (place == len(MODES) - 1)


def test_on_a_processor_networks_that_wait_take_the_same_memory() -> None:
    resident, offload, lean = (
        need_of(mode, PUBLISHED, torch.device("cpu"), torch.float32, OFFICIAL.view_px) for mode in MODES
    )
    assert resident == offload and lean.device_bytes < offload.device_bytes


def test_networks_are_measured_by_the_heads_of_their_files(tmp_path: Path) -> None:
    add_texture_weights(tmp_path)
    added, base, vae = (tmp_path / "weights" / item for item in TEXTURE_IDS)
    folders = Folders(base, vae, added / "Step1X-3D-Texture" / "step1x-3d-ig2v.safetensors")
    found = measure_networks(folders)
    tensors = sum(path.stat().st_size for path in (*(base / "unet").glob("*.safetensors"), folders.added))
    assert 0.5 * tensors / 4 < found.denoiser < tensors / 2
    assert 0 < found.vae < found.denoiser and found.words > 0
    (base / "text_encoder_2").rename(base / "elsewhere")
    with pytest.raises(CheckpointMissing, match="text_encoder_2"):
        measure_networks(folders)
