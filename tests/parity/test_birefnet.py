# SPDX-License-Identifier: GPL-3.0-or-later
"""BiRefNet against vectors recorded from the reference implementation, and against small ones of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.birefnet.config import GENERAL, LITE, BiRefNetConfig, SwinConfig, config_of
from models.birefnet.deformable import deform_conv2d
from models.birefnet.matte import InputSize, estimate_alpha, load_network
from models.birefnet.model import BiRefNet
from models.birefnet.swin import shifted_window_mask
from models.common.checkpoint import CheckpointMismatch, check_keys, load_strictly
from tests.parity.seeded import birefnet_weights, total_bytes

LOGITS_ATOL = 1e-4
OFFICIAL = {"lite_swin_v1_t": LITE, "general_swin_v1_l": GENERAL}


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "birefnet"


@pytest.fixture(scope="module")
def tiny(golden: Path) -> BiRefNet:
    return load_network(golden / "tiny.safetensors", "cpu", torch.float32)


def largest_difference(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.abs(found.numpy() - expected).max())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["tiny_io", "tiny_io_b2"])
def test_logits_are_those_of_the_reference(tiny: BiRefNet, golden: Path, name: str) -> None:
    vectors = np.load(golden / f"{name}.npz")
    with torch.inference_mode():
        logits = tiny(torch.from_numpy(vectors["x"]))
    assert largest_difference(logits, vectors["logits"]) < LOGITS_ATOL
    assert largest_difference(torch.sigmoid(logits), vectors["alpha"]) < LOGITS_ATOL


@pytest.mark.shared
def test_every_recorded_part_is_that_of_the_reference(tiny: BiRefNet, golden: Path) -> None:
    vectors = np.load(golden / "tiny_io.npz")
    seen: dict[str, torch.Tensor] = {}
    names = [name.removeprefix("tap.") for name in vectors.files if name.startswith("tap.")]
    modules = [name for name in names if not name.startswith("bb.")]

    def keep(name: str) -> nn.Module:
        return tiny.get_submodule(name).register_forward_hook(lambda module, given, out: seen.update({name: out}))

    hooks = [keep(name) for name in modules]
    # The recorded backbone features are those of the half-size pass, which is the later one.
    hooks.append(
        tiny.bb.register_forward_hook(
            lambda module, given, out: seen.update({f"bb.{stage}": x for stage, x in enumerate(out)})
        )
    )
    try:
        with torch.inference_mode():
            tiny(torch.from_numpy(vectors["x"]))
    finally:
        for hook in hooks:
            hook.remove()
    assert set(seen) == set(names) and len(names) > 10
    differences = {name: largest_difference(seen[name], vectors[f"tap.{name}"]) for name in names}
    assert max(differences.values()) < LOGITS_ATOL, differences


@pytest.mark.shared
@pytest.mark.parametrize("name", OFFICIAL)
def test_the_published_shapes_match_key_by_key(golden: Path, name: str) -> None:
    keys = json.loads((golden / f"official_{name}_keys.json").read_text())
    with torch.device("meta"):
        network = BiRefNet(OFFICIAL[name])
    check_keys(keys, network, name)
    assert config_of(keys) == OFFICIAL[name]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["lite_swin_v1_t", pytest.param("general_swin_v1_l", marks=pytest.mark.full)])
def test_the_published_sizes_give_the_reference_s_logits(golden: Path, name: str) -> None:
    vectors = np.load(golden / f"official_{name}_io.npz")
    network = BiRefNet(OFFICIAL[name]).eval()
    load_strictly(network, birefnet_weights(network), name)
    squeezed: list[torch.Tensor] = []
    network.squeeze_module.register_forward_hook(lambda module, given, out: squeezed.append(out))
    with torch.inference_mode():
        logits = network(torch.from_numpy(vectors["x"]))
    assert largest_difference(logits, vectors["logits"]) < LOGITS_ATOL
    assert largest_difference(squeezed[0], vectors["tap.squeeze_module"]) < LOGITS_ATOL


def test_sizes_of_the_published_networks() -> None:
    for config, tensors, size in ((LITE, 586, 177_566_232), (GENERAL, 754, 884_791_968)):
        with torch.device("meta"):
            network = BiRefNet(config)
        assert (len(network.state_dict()), total_bytes(network)) == (tensors, size)


OWN = BiRefNetConfig(SwinConfig(4, (2, 2, 2, 2), (1, 2, 2, 4), 3), 6, (1, 3), 4, 3, 5)
OWN_VECTORS = Path(__file__).parents[1] / "golden" / "birefnet.npz"


def own_network() -> BiRefNet:
    network = BiRefNet(OWN).eval()
    load_strictly(network, birefnet_weights(network), "own")
    return network


def own_logits() -> torch.Tensor:
    with torch.inference_mode():
        return own_network()(torch.from_numpy(np.load(OWN_VECTORS)["x"]))


def test_our_own_vectors() -> None:
    assert largest_difference(own_logits(), np.load(OWN_VECTORS)["logits"]) < LOGITS_ATOL


def swapped_offsets(x: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    swapped = offset.reshape(len(offset), -1, 2, *offset.shape[2:]).flip(2).reshape_as(offset)
    return deform_conv2d(x, weight, swapped, m)


def tiles_with_slow_rows(picture: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    side = picture.shape[3] // like.shape[3]
    return torch.nn.functional.pixel_unshuffle(picture, side)


def corners_apart(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def unmasked(height: int, width: int, window: int, shift: int, like: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(shifted_window_mask(height, width, window, shift, like))


@pytest.mark.parametrize(
    ("module", "name", "flipped"),
    [
        ("deformable", "deform_conv2d", swapped_offsets),
        ("decoder", "stack_tiles", tiles_with_slow_rows),
        ("decoder", "resize", corners_apart),
        ("swin", "shifted_window_mask", unmasked),
    ],
)
def test_one_flipped_detail_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, flipped: Callable[..., torch.Tensor]
) -> None:
    monkeypatch.setattr(f"models.birefnet.{module}.{name}", flipped)
    assert largest_difference(own_logits(), np.load(OWN_VECTORS)["logits"]) > 10 * LOGITS_ATOL


def plain_deformable(x: np.ndarray, weight: np.ndarray, offset: np.ndarray, modulator: np.ndarray) -> np.ndarray:
    """The definition, one pixel and one tap at a time."""
    batch, channels, height, width = x.shape
    kernel = weight.shape[-1]
    out = np.zeros((batch, weight.shape[0], height, width))
    for b, i, j, tap in np.ndindex(batch, height, width, kernel * kernel):
        y = i + tap // kernel - kernel // 2 + offset[b, 2 * tap, i, j]
        z = j + tap % kernel - kernel // 2 + offset[b, 2 * tap + 1, i, j]
        sample = np.zeros(channels)
        for row, column in np.ndindex(2, 2):
            r, c = int(np.floor(y)) + row, int(np.floor(z)) + column
            if 0 <= r < height and 0 <= c < width:
                sample += x[b, :, r, c] * (1 - abs(y - r)) * (1 - abs(z - c))
        out[b, :, i, j] += weight[:, :, tap // kernel, tap % kernel] @ (sample * modulator[b, tap, i, j])
    return out


@pytest.mark.parametrize(("height", "width", "kernel"), [(5, 6, 3), (1, 4, 3), (4, 1, 1), (3, 3, 5)])
def test_deformable_convolution_by_its_definition(height: int, width: int, kernel: int) -> None:
    generator = np.random.default_rng(height * 100 + width * 10 + kernel)
    x = generator.normal(size=(2, 3, height, width))
    weight = generator.normal(size=(4, 3, kernel, kernel))
    offset = generator.normal(scale=2.0, size=(2, 2 * kernel**2, height, width))
    offset[0] = np.round(offset[0])  # exactly on pixels, some outside
    modulator = generator.uniform(0, 2, (2, kernel**2, height, width))
    tensors = [torch.from_numpy(array.astype(np.float32)) for array in (x, weight, offset, modulator)]
    found = deform_conv2d(*tensors)
    assert largest_difference(found, plain_deformable(x, weight, offset, modulator)) < 1e-4


def test_sides_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        own_network()(torch.zeros(1, 3, 100, 128))


def test_a_checkpoint_of_another_network_is_named_key_by_key(tmp_path: Path) -> None:
    weights = birefnet_weights(BiRefNet(OWN))
    weights["decoder.conv_out1.0.bias"] = torch.zeros(2)
    weights["decoder.extra.weight"] = torch.zeros(1)
    del weights["bb.norm2.bias"]
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointMismatch) as caught:
        load_network(tmp_path / "other.safetensors", "cpu", torch.float32)
    assert caught.value.missing == ["bb.norm2.bias"]
    assert caught.value.unexpected == ["decoder.extra.weight"]
    assert caught.value.misshapen == {"decoder.conv_out1.0.bias": ((2,), (1,))}
    assert "bb.norm2.bias" in str(caught.value)


def test_wrappers_prefixes_and_half_precision_files_are_read(tmp_path: Path) -> None:
    weights = birefnet_weights(BiRefNet(OWN))
    halves = {f"module._orig_mod.{key}": x.half() if x.is_floating_point() else x for key, x in weights.items()}
    save_file(halves, tmp_path / "wrapped.safetensors")
    network = load_network(tmp_path / "wrapped.safetensors", "cpu", torch.float32)
    assert network.decoder.conv_out1[0].weight.dtype == torch.float32
    assert torch.equal(network.bb.norm1.weight, weights["bb.norm1.weight"].half().float())


@pytest.mark.parametrize(
    ("size", "shape", "expected"),
    [
        (InputSize(), (300, 200), (1024, 1024)),
        (InputSize(2048), (10, 10), (2048, 2048)),
        (InputSize(1024, keeps_aspect=True), (2000, 1000), (1024, 512)),
        (InputSize(1024, keeps_aspect=True), (5, 2000), (32, 1024)),
    ],
)
def test_the_size_that_the_network_sees(size: InputSize, shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert size.of(*shape) == expected


@pytest.mark.parametrize("shape", [(64, 96), (1, 1), (33, 7)])
def test_alpha_has_the_size_of_its_picture(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(5).integers(0, 255, (*shape, 3), np.uint8)
    alpha = estimate_alpha(own_network(), rgb, InputSize(64))
    assert alpha.shape == shape and alpha.dtype == np.float32
    assert alpha.min() >= 0 and alpha.max() <= 1 and np.isfinite(alpha).all()


def test_a_cancelled_run_stops_inside_the_network() -> None:
    calls = 0

    def cancel_at_third() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    network = own_network()
    with pytest.raises(KeyboardInterrupt):
        estimate_alpha(network, np.zeros((64, 64, 3), np.uint8), InputSize(64), cancel_at_third)
    estimate_alpha(network, np.zeros((64, 64, 3), np.uint8), InputSize(64))
    assert calls == 3
