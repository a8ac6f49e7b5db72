# SPDX-License-Identifier: GPL-3.0-or-later
"""UniRig's skin network against vectors recorded from the reference implementation, and against small ones of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from models.common.checkpoint import CheckpointMismatch, check_keys
from models.unirig import point_transformer, serialization, skin, submanifold
from models.unirig.config import ConfigUnknown
from models.unirig.point_transformer import normalise_heads, patch_attention
from models.unirig.serialization import curve_codes, curve_orders, grid_coordinates, padded_patches
from models.unirig.skin import SkinNetwork, add_children
from models.unirig.skin_config import PUBLISHED_SKIN, SkinConfig, skin_config
from models.unirig.skinning import PointInput, load_skin_network, weigh_points
from models.unirig.submanifold import link_voxels, submanifold_conv
from tests.parity.unirig_skin_own import OWN, OWN_VECTORS, PARENTS, own_input, own_network, weights_of

SKIN_ATOL = 1e-4
# Module of the network → name of what it gave in the recorded vectors, and how far it may be off.
TAPS = {
    "mesh_encoder.embedding": ("ptv3_after_embedding", 1e-4),
    "mesh_encoder.enc.enc0.block0.cpe.2": ("ptv3_block0_cpe", 1e-4),
    "mesh_encoder.enc.enc0.block0.attn": ("ptv3_block0_attn", 1e-4),
    "mesh_encoder.enc.enc0.block0": ("ptv3_after_block0", 1e-4),
    "mesh_encoder.enc.enc0.block1": ("ptv3_after_enc0", 1e-4),
    "mesh_encoder": ("ptv3_out", 1e-4),
    "feat_map": ("feat_map", 1e-4),
    "out_proj": ("global_latents", 1e-4),
    "bone_encoder.bone_encoder": ("bone_embed", 1e-4),
    "bone_encoder": ("bone_feat", 1e-4),
    "mesh_bone_attn.0": ("mesh_feat_after_block0", 1e-4),
    "mesh_bone_attn.2": ("mesh_feat_final", 1e-4),
    "attn_skin_norm": ("attn_skin_norm_chunk0", 1e-3),
    "voxel_skin_norm": ("voxel_skin_norm_chunk0", 1e-4),
    "downscale": ("downscale_chunk0", 1e-3),
    "skinweight_pred": ("skin_logits_chunk0", 1e-3),
}


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "unirig"


@pytest.fixture(scope="module")
def config(golden: Path) -> SkinConfig:
    return skin_config(json.loads((golden / "skin_tiny.json").read_text()))


@pytest.fixture(scope="module")
def tiny(golden: Path, config: SkinConfig) -> SkinNetwork:
    return load_skin_network(golden / "skin_tiny.safetensors", "cpu", config)


@pytest.fixture(scope="module")
def vectors(golden: Path) -> dict[str, np.ndarray]:
    return dict(np.load(golden / "skin_tiny_io.npz"))


def as_input(vectors: dict[str, np.ndarray]) -> PointInput:
    return PointInput(*(vectors[name] for name in ("vertices", "normals", "joints", "voxel_skin", "parents")))


def weights_with(
    network: SkinNetwork, seen: PointInput, curves: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> np.ndarray:
    """The reference shuffles its curves; its vectors say how."""
    plain = network.mesh_encoder.forward
    monkeypatch.setattr(network.mesh_encoder, "forward", lambda points, x, _: plain(points, x, curves.tolist()))
    return weigh_points(network, seen)


@pytest.mark.shared
@pytest.mark.parametrize(("curves", "name"), [("order_perm", "skin_pred"), ("order_perm_seed1", "skin_pred_seed1")])
def test_weights_are_those_of_the_reference(
    tiny: SkinNetwork, vectors: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, curves: str, name: str
) -> None:
    found = weights_with(tiny, as_input(vectors), vectors[curves], monkeypatch)
    assert np.abs(found - vectors[name]).max() < SKIN_ATOL
    assert np.abs(found - vectors["skin_pred_seed1" if name == "skin_pred" else "skin_pred"]).max() > 0.1


@pytest.mark.shared
def test_attention_in_half_precision_stays_near(
    tiny: SkinNetwork, vectors: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rounded(q: Tensor, k: Tensor, v: Tensor, patches: Tensor) -> Tensor:
        return patch_attention(*(tensor.half().float() for tensor in (q, k, v)), patches)

    monkeypatch.setattr(point_transformer, "patch_attention", rounded)
    found = weights_with(tiny, as_input(vectors), vectors["order_perm"], monkeypatch)
    assert np.abs(found - vectors["skin_pred_fp16_attn"]).max() < 2e-3


@pytest.mark.shared
def test_every_recorded_part_is_that_of_the_reference(
    tiny: SkinNetwork, vectors: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, np.ndarray] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: object, out: Tensor) -> None:
            seen.setdefault(name, out.numpy())  # of the first chunk

        return hook

    hooks = [tiny.get_submodule(name).register_forward_hook(keep(name)) for name in TAPS]
    try:
        weights_with(tiny, as_input(vectors), vectors["order_perm"], monkeypatch)
    finally:
        for hook in hooks:
            hook.remove()
    for module, (name, relative) in TAPS.items():
        expected = vectors[name]
        error = np.abs(seen[module].reshape(expected.shape) - expected).max()
        assert error < relative * np.abs(expected).max(), (name, error)


@pytest.mark.shared
def test_points_are_ordered_and_cut_as_in_the_reference(
    vectors: dict[str, np.ndarray], golden: Path, config: SkinConfig
) -> None:
    grid = grid_coordinates(torch.from_numpy(vectors["vertices"]), config.grid_size)
    assert (grid.numpy() == vectors["ptv3_grid_coord"]).all()
    codes = curve_codes(grid, int(vectors["ptv3_depth"]))[vectors["order_perm"]]
    assert serialization.curve_depth(grid) == vectors["ptv3_depth"]
    assert (codes.numpy() == vectors["ptv3_serialized_code"]).all()
    for place, order in enumerate(curve_orders(codes)):
        assert (order.order.numpy() == vectors["ptv3_serialized_order"][place]).all()
        assert (order.inverse.numpy() == vectors["ptv3_serialized_inverse"][place]).all()
    paddings = np.load(golden / "patch_padding.npz")
    for name in {name.partition(".")[0] for name in paddings.files if name.startswith("n")}:
        count, patch = (int(part[1:]) for part in name.split("_"))
        patches = padded_patches(count, patch)
        assert (patches.flatten().numpy() == paddings[f"{name}.pad"]).all()
        assert (paddings[f"{name}.unpad"] == np.arange(count)).all()
        assert (np.diff(paddings[f"{name}.cu"]) == patches.shape[1]).all()


@pytest.mark.shared
@pytest.mark.parametrize("depth", [3, 7, 9, 13, 16])
def test_curves_are_those_of_the_reference(golden: Path, depth: int) -> None:
    vectors = np.load(golden / "serialization.npz")
    codes = curve_codes(torch.from_numpy(vectors[f"d{depth}.grid_coord"]).long(), depth).numpy()
    item = vectors[f"d{depth}.batch"] << (3 * depth) if depth < 16 else 0  # which mesh of a batch; ours has one
    for place, curve in enumerate(("z", "z-trans", "hilbert", "hilbert-trans")):
        assert (codes[place] | item == vectors[f"d{depth}.{curve}"]).all()


@pytest.mark.shared
@pytest.mark.parametrize("points", ["unique", "dup"])
@pytest.mark.parametrize("kernel", [3, 5])
def test_the_convolution_is_that_of_the_reference(golden: Path, points: str, kernel: int) -> None:
    vectors = {name: torch.from_numpy(array) for name, array in np.load(golden / "subm_conv3d.npz").items()}
    links = link_voxels(vectors[f"{points}.coords"], kernel)
    weight, bias = vectors[f"{points}.k{kernel}.weight"], vectors.get(f"{points}.k{kernel}.bias")
    found = submanifold_conv(vectors[f"{points}.feat"], weight, bias, links)
    assert (found - vectors[f"{points}.k{kernel}.out_gather_first"]).abs().max() < 1e-5


def test_sizes_of_the_published_network() -> None:
    with torch.device("meta"):
        network = SkinNetwork(PUBLISHED_SKIN)
    tensors = network.state_dict()
    assert (len(tensors), sum(tensor.numel() for tensor in network.parameters())) == (1156, 364_496_273)
    prefix = "mesh_encoder.enc.enc4.block15"
    assert {key: tuple(tensors[key].shape) for key in (f"{prefix}.cpe.0.weight", "qmesh.weight", "kmesh.bias")} == {
        f"{prefix}.cpe.0.weight": (384, 3, 3, 3, 384),
        "qmesh.weight": (12288, 768),
        "kmesh.bias": (12288,),
    }


@pytest.mark.shared
def test_the_keys_are_the_official_ones(golden: Path, config: SkinConfig) -> None:
    shapes = {key: tuple(x.shape) for key, x in load_file(golden / "skin_tiny.safetensors").items()}
    assert all(key.startswith("model.") for key in shapes)
    with torch.device("meta"):
        network = SkinNetwork(config)
    check_keys({key.removeprefix("model."): shape for key, shape in shapes.items()}, network, "tiny")


def own_weights() -> np.ndarray:
    return weigh_points(own_network(), own_input())


def test_our_own_vectors() -> None:
    assert np.abs(own_weights() - np.load(OWN_VECTORS)["weights"]).max() < SKIN_ATOL


def swapped_parts(self: skin.CrossAttention, x: Tensor, context: Tensor) -> Tensor:
    """Keys and values packed head by head, as in the shape encoder."""
    q = self.Wq(x).unflatten(1, (self.heads, -1)).transpose(0, 1)[None]
    k, v = self.Wkv(context).unflatten(1, (self.heads, 2, -1)).permute(2, 1, 0, 3)[:, None]
    return self.out_proj(F.scaled_dot_product_attention(q, k, v)[0].transpose(0, 1).flatten(1))


def first_borrowed(count: int, patch: int, device: object = "cpu") -> Tensor:
    """A short last patch filled up from the beginning of the curve."""
    places = torch.arange(count)
    return torch.cat((places, places[: -count % patch])).reshape(-1, patch)


def mirrored_taps(grid: Tensor, kernel: int) -> submanifold.VoxelLinks:
    links = link_voxels(grid, kernel)
    return replace(links, taps=links.taps[::-1])


def whole_subtrees(prior: Tensor, parents: Tensor) -> Tensor:
    sums = prior.clone()
    for bone in range(len(parents) - 1, 0, -1):
        sums[:, parents[bone]] += sums[:, bone]
    return sums


def centre_of_first(features: Tensor, weight: Tensor, bias: Tensor | None, links: submanifold.VoxelLinks) -> Tensor:
    """Points of one voxel all as its first."""
    return submanifold_conv(features[links.first][links.voxel], weight, bias, links)


def last_of_each(grid: Tensor, kernel: int) -> submanifold.VoxelLinks:
    """The last point of each voxel is heard."""
    links = link_voxels(grid, kernel)
    return replace(links, first=links.first.scatter(0, links.voxel, torch.arange(len(grid))))


def no_gray(code: Tensor, bits: int) -> Tensor:
    return code


@pytest.mark.parametrize(
    ("target", "flipped"),
    [
        ("skin.CrossAttention.forward", swapped_parts),
        ("skin.add_children", whole_subtrees),
        ("skin.LOWEST_FREQUENCY", 1.0),
        ("point_transformer.normalise_heads", lambda x: x),
        ("point_transformer.padded_patches", first_borrowed),
        ("point_transformer.link_voxels", mirrored_taps),
        ("point_transformer.link_voxels", last_of_each),
        ("serialization.encode_hilbert", serialization.encode_z),
        ("serialization._from_gray", lambda code, bits: code),
        ("submanifold.submanifold_conv", centre_of_first),
    ],
)
def test_one_flipped_detail_is_noticed(monkeypatch: pytest.MonkeyPatch, target: str, flipped: object) -> None:
    monkeypatch.setattr(f"models.unirig.{target}", flipped)
    assert np.abs(own_weights() - np.load(OWN_VECTORS)["weights"]).max() > 10 * SKIN_ATOL


@settings(max_examples=30)
@given(st.integers(1, 60), st.sampled_from([1, 3, 5]), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_convolution_equals_a_dense_one(count: int, kernel: int, has_bias: bool, seed: int) -> None:
    """In a box with zeros where no point is; every point in a voxel of its own."""
    generator = np.random.default_rng(seed)
    sides = generator.integers(2, 9, 3)
    cells = generator.choice(sides.prod(), min(count, int(sides.prod())), replace=False)
    grid = torch.from_numpy(np.stack(np.unravel_index(cells, sides), axis=1))
    features, weight, bias = (
        torch.from_numpy(generator.normal(size=shape)) for shape in ((len(grid), 3), (4, kernel, kernel, kernel, 3), 4)
    )
    box = torch.zeros(1, 3, *sides.tolist(), dtype=torch.float64)
    box[0, :, *grid.T] = features.T
    dense = F.conv3d(box, weight.permute(0, 4, 1, 2, 3), bias if has_bias else None, padding=kernel // 2)
    found = submanifold_conv(features, weight, bias if has_bias else None, link_voxels(grid, kernel))
    assert torch.allclose(found, dense[0, :, *grid.T].T, atol=1e-10)


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_points_in_one_voxel_follow_the_rule(count: int, seed: int) -> None:
    """One point and one tap at a time: its own feature in the middle, the first point of each voxel beside it."""
    generator = np.random.default_rng(seed)
    grid = generator.integers(0, 3, (count, 3))
    features, weight = generator.normal(size=(count, 2)), generator.normal(size=(3, 3, 3, 3, 2))
    expected = np.zeros((count, 3))
    for point, (x, y, z) in taps_of(count):
        beside = np.flatnonzero((grid == grid[point] + [x - 1, y - 1, z - 1]).all(axis=1))
        heard = point if (x, y, z) == (1, 1, 1) else beside[0] if len(beside) else None
        if heard is not None:
            expected[point] += weight[:, x, y, z] @ features[heard]
    found = submanifold_conv(
        torch.from_numpy(features), torch.from_numpy(weight), None, link_voxels(torch.from_numpy(grid), 3)
    )
    assert np.abs(found.numpy() - expected).max() < 1e-10


def taps_of(count: int) -> list[tuple[int, tuple[int, int, int]]]:
    return [(point, tap) for point in range(count) for tap in np.ndindex(3, 3, 3)]


@settings(max_examples=30)
@given(st.integers(1, 90), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_patch_attention_equals_a_dense_one(count: int, patch: int, seed: int) -> None:
    """Every point sees the keys of its own patch and no other; the whole is one masked softmax."""
    generator = np.random.default_rng(seed)
    q, k, v = (torch.from_numpy(generator.normal(size=(count, 2, 4))) for _ in range(3))
    order = torch.from_numpy(generator.permutation(count))
    sees = torch.zeros(count, count, dtype=torch.bool)
    for start in range(0, count, patch):
        own = order[start : start + patch]
        keys = order[max(min(start, count - patch), 0) : start + patch]  # the last patch reaches back to be full
        sees[own[:, None], keys[None]] = True
    scores = torch.einsum("nhd,mhd->hnm", q, k) / 2  # √4
    dense = torch.einsum("hnm,mhd->nhd", scores.masked_fill(~sees, -torch.inf).softmax(dim=2), v)
    found = patch_attention(q, k, v, order[padded_patches(count, patch)])
    assert torch.allclose(found, dense[order], atol=1e-10)


def test_the_hilbert_curve_passes_every_cell_of_a_cube_to_a_neighbour() -> None:
    grid = torch.cartesian_prod(*[torch.arange(8)] * 3)
    codes = serialization.encode_hilbert(grid, 3)
    assert sorted(codes.tolist()) == list(range(512))
    path = grid[codes.argsort()]
    assert (path.diff(dim=0).abs().sum(dim=1) == 1).all()


def test_normalised_heads_have_mean_zero_and_spread_one() -> None:
    x = normalise_heads(torch.randn(5, 2, 16, generator=torch.Generator().manual_seed(0)) * 7 + 3)
    assert x.mean(dim=-1).abs().max() < 1e-5
    assert (x.std(dim=-1, unbiased=False) - 1).abs().max() < 1e-3


def test_a_bone_masks_with_its_own_children_and_not_theirs() -> None:
    prior = torch.tensor([[1.0, 10.0, 100.0, 1000.0, 5.0]])
    assert add_children(prior, torch.tensor(PARENTS)).tolist() == [[16.0, 110.0, 1100.0, 1000.0, 5.0]]


def test_points_that_the_prior_gives_to_nobody_keep_their_weights() -> None:
    seen = own_input()
    nobody = PointInput(seen.points, seen.normals, seen.joints, np.zeros_like(seen.prior), seen.parents)
    weights = weigh_points(own_network(), nobody)
    assert np.isfinite(weights).all() and np.abs(weights.sum(axis=1) - 1).max() < 1e-5


def test_the_way_points_are_cut_into_chunks_changes_nothing() -> None:
    network = own_network()
    whole = weigh_points(network, own_input())
    network.chunk = 7
    assert np.abs(weigh_points(network, own_input()) - whole).max() < 1e-6


def test_a_cancelled_run_stops_inside_the_network_and_leaves_it_whole() -> None:
    network, calls = own_network(), 0

    def cancel_at_fourth() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weigh_points(network, own_input(), cancel_at_fourth)
    weigh_points(network, own_input())
    assert calls == 4


def test_a_checkpoint_of_another_network_is_named_key_by_key(tmp_path: Path) -> None:
    weights = {f"model.{key}": tensor for key, tensor in weights_of(SkinNetwork(OWN)).items()}
    del weights["model.qmesh.bias"]
    weights["model.skinweight_pred.net.12.bias"] = torch.zeros(2)
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointMismatch) as caught:
        load_skin_network(tmp_path / "other.safetensors", "cpu", OWN)
    assert caught.value.missing == ["qmesh.bias"]
    assert caught.value.misshapen == {"skinweight_pred.net.12.bias": ((2,), (1,))}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("part", "change", "word"),
    [
        ("", {"voxel_mask_power": 2}, "voxel_mask_power"),
        ("mesh_encoder", {"enable_qknorm": False}, "enable_qknorm"),
        ("mesh_encoder", {"enc_patch_size": [64, 32]}, "patches"),
        ("global_encoder", {"include_pi": True}, "include_pi"),
    ],
)
def test_a_configuration_that_is_not_understood_is_refused(
    golden: Path, part: str, change: dict[str, object], word: str
) -> None:
    document = json.loads((golden / "skin_tiny.json").read_text())
    (document[part] if part else document).update(change)
    with pytest.raises(ConfigUnknown, match=word):
        skin_config(document)
