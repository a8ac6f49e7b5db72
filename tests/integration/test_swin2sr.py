# SPDX-License-Identifier: GPL-3.0-or-later
"""Swin2SR in the normalize stage: tiny networks saved in the official layout, by the stage and the network alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import NormalizedImage, SourceImage, UInt8
from inference_server.errors import Cancelled, WeightsCorrupt
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import WeightStore, read_manifest
from models.common.checkpoint import CheckpointDamaged, CheckpointMismatch, CheckpointMissing
from models.draft.upscale import enlarge_alpha
from models.swin2sr import upscale
from tests.integration.brightness_net import save_brightness_net

BIREFNET = "birefnet-lite"
FACTORS = {"swin2sr-x2": 2, "swin2sr-x4": 4}
UPSAMPLERS = {2: "pixelshuffle", 4: "nearest+conv"}  # as the published networks have them


def save_tiny(folder: Path, factor: int) -> Swin2SRForImageSuperResolution:
    """Random weights in the files that the hub has."""
    torch.manual_seed(factor)
    config = Swin2SRConfig(
        image_size=32,
        embed_dim=16,
        depths=[1, 1],
        num_heads=[2, 2],
        window_size=8,
        upscale=factor,
        upsampler=UPSAMPLERS[factor],
    )
    network = Swin2SRForImageSuperResolution(config).eval()
    network.save_pretrained(folder)
    return network


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    root = tmp_path_factory.mktemp("swin2sr")
    for factor in FACTORS.values():
        save_tiny(root / str(factor), factor)
    return {factor: root / str(factor) for factor in FACTORS.values()}


def store_with(root: Path, *ids: str) -> WeightStore:
    """A weights folder with BiRefNet and these."""
    store = WeightStore(root / "weights", read_manifest())
    save_brightness_net(store.folder(BIREFNET) / "model.safetensors")
    for weight_id in ids:
        save_tiny(store.folder(weight_id), FACTORS[weight_id])
    for weight_id in (BIREFNET, *ids):
        store.verify(weight_id, lambda count: None)
    return store


def run(store: WeightStore, rgba: UInt8, control: Control | None = None) -> tuple[NormalizedImage, list[str]]:
    """By the stage that the server takes for `neural`."""
    registry = EngineRegistry(BlenderProcess(None, store.root / "work"), store)
    stage: Any = registry.choose("normalize", "neural").stage
    stage.load(Device("cpu"))
    document = JobSettings().to_document()
    settings = {name: document[name] for name in stage.setting_names}
    ctx = RunContext("normalize", "neural", 0, settings, control or Control())
    try:
        return stage.run(SourceImage(rgba, "0"), ctx), ctx.notes
    finally:
        stage.unload()


@pytest.fixture(scope="module")
def small(make_figure_picture: Any) -> UInt8:
    """A figure of about 190 pixels with alpha."""
    picture: Image.Image = make_figure_picture(216)
    return np.asarray(picture)


def test_the_network_of_the_folder_is_the_one_that_was_saved(folders: dict[int, Path]) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    for factor, folder in folders.items():
        found = upscale.enlarge(upscale.load_network(folder, torch.device("cpu"), torch.float32), rgb)
        with torch.inference_mode():
            pixels = torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]
            wanted = save_tiny(folder.parent / "again", factor)(pixels).reconstruction[0].clamp(0, 1)
        assert found.shape == (24 * factor, 40 * factor, 3)
        np.testing.assert_allclose(found, wanted.permute(1, 2, 0).numpy() * 255, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(5, 9), (50, 50), (100, 131)])
def test_tiles_make_the_picture_that_the_whole_makes(folders: dict[int, Path], height: int, width: int) -> None:
    """The tiny network sees less far than tiles overlap, so only the fading of tiles could differ."""
    network = upscale.load_network(folders[2], torch.device("cpu"), torch.float32)
    rgb = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    whole = upscale.enlarge(network, rgb, tiling=upscale.Tiling(side_px=160, overlap_px=32))
    tiles = upscale.enlarge(network, rgb, tiling=upscale.Tiling(side_px=96, overlap_px=64))
    assert tiles.shape == (2 * height, 2 * width, 3)
    assert np.abs(tiles - whole).mean() < 0.02 * whole.std()


@pytest.mark.parametrize(
    ("ids", "side", "wanted"),
    [
        (("swin2sr-x2", "swin2sr-x4"), 216, "swin2sr-x4, 4 times"),
        (("swin2sr-x2", "swin2sr-x4"), 560, "swin2sr-x2, 2 times"),
        (("swin2sr-x2",), 216, "swin2sr-x2, 2 times"),
    ],
)
def test_the_network_that_enlarges_enough_is_taken(
    tmp_path: Path, make_figure_picture: Any, ids: tuple[str, ...], side: int, wanted: str
) -> None:
    store = store_with(tmp_path, *ids)
    image, notes = run(store, np.asarray(make_figure_picture(side)))
    step = next(step for step in image.steps if step.startswith("resolution"))
    assert step.startswith("resolution: neural, ") and wanted in step
    assert not any("interpolation" in note for note in notes)


def test_alpha_does_not_go_through_the_network(tmp_path: Path, small: UInt8) -> None:
    image, _ = run(store_with(tmp_path, "swin2sr-x4"), small)
    larger = next(picture.rgba for picture in image.pictures if picture.step == "resolution")
    rows, columns = (np.flatnonzero((small[..., 3] >= 128).any(axis=axis)) for axis in (1, 0))
    expected = enlarge_alpha(small[..., 3], 4 * small.shape[1], 4 * small.shape[0])
    inside = expected[4 * rows[0] : 4 * rows[-1], 4 * columns[0] : 4 * columns[-1]] > 127
    top, left = ((side - 4 * len(found)) // 2 for side, found in zip(larger.shape, (rows, columns), strict=False))
    found = larger[top : top + inside.shape[0], left : left + inside.shape[1], 3] > 127
    assert (found & inside).sum() / (found | inside).sum() > 0.97


def test_without_its_weights_the_picture_is_interpolated_and_that_is_said(tmp_path: Path, small: UInt8) -> None:
    image, notes = run(store_with(tmp_path), small)
    assert any(step.startswith("resolution: draft, interpolated") for step in image.steps)
    assert any("figurine weights fetch swin2sr-x4" in note for note in notes)


def test_its_weights_decide_what_is_kept(tmp_path: Path) -> None:
    def digests(store: WeightStore) -> tuple[str, ...]:
        registry = EngineRegistry(BlenderProcess(None, tmp_path), store)
        return registry.choose("normalize", "neural").stage.requires.weight_digests

    without, with_it = digests(store_with(tmp_path / "a")), digests(store_with(tmp_path / "b", "swin2sr-x2"))
    assert with_it[: len(without)] == without and len(with_it) == len(without) + 2


def test_damaged_weights_are_an_error_and_never_a_quiet_draft(tmp_path: Path, small: UInt8) -> None:
    store = store_with(tmp_path, "swin2sr-x2")
    with (store.folder("swin2sr-x2") / "model.safetensors").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(WeightsCorrupt):
        run(store, small)


def test_a_key_that_is_missing_is_named(folders: dict[int, Path], tmp_path: Path, small: UInt8) -> None:
    from safetensors.torch import load_file, save_file

    store = store_with(tmp_path, "swin2sr-x2")
    path = store.folder("swin2sr-x2") / "model.safetensors"
    tensors = load_file(path)
    del tensors["swin2sr.conv_after_body.weight"]
    save_file(tensors, path)
    with pytest.raises(CheckpointMismatch, match=r"swin2sr\.conv_after_body\.weight"):
        upscale.load_network(path.parent, torch.device("cpu"), torch.float32)
    (path.parent / "figurine.json").unlink()
    store.verify("swin2sr-x2", lambda count: None)
    with pytest.raises(WeightsCorrupt, match=r"swin2sr\.conv_after_body\.weight"):
        run(store, small)


def test_buffers_of_earlier_versions_are_no_left_overs(folders: dict[int, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "older"
    save_tiny(folder, 2)
    tensors = load_file(folder / "model.safetensors")
    tensors["swin2sr.encoder.stages.0.layers.0.attention.self.relative_position_index"] = torch.zeros(64, 64)
    save_file(tensors, folder / "model.safetensors")
    upscale.load_network(folder, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, CheckpointMissing), ("{", CheckpointDamaged), ('{"model_type": "swin"}', CheckpointDamaged)],
)
def test_a_config_of_something_else_is_refused(tmp_path: Path, content: str | None, error: type[Exception]) -> None:
    save_tiny(tmp_path, 2)
    (tmp_path / "config.json").unlink()
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match="config"):
        upscale.load_network(tmp_path, torch.device("cpu"), torch.float32)


def test_a_network_that_does_not_enlarge_is_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path, 2)
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(document | {"upscale": 1}))
    with pytest.raises(CheckpointDamaged, match="enlarges"):
        upscale.read_config(tmp_path / "config.json")


def test_a_cancelled_job_stops_at_the_next_tile(folders: dict[int, Path]) -> None:
    network = upscale.load_network(folders[2], torch.device("cpu"), torch.float32)
    control, done = Control(), []

    def look() -> None:
        done.append(1)
        if len(done) == 2:
            control.cancel()
        control.raise_if_cancelled()

    with pytest.raises(Cancelled):
        upscale.enlarge(network, np.zeros((64, 200, 3), np.uint8), look, upscale.Tiling(side_px=64, overlap_px=32))
    assert len(done) == 2
