# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh to its joints: what is judged, what is written again, what fails and how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch

from models.unirig import autorig
from models.unirig.autorig import SkeletonFailed, decoding_of, find_joints
from models.unirig.config import skeleton_config
from models.unirig.generate import Prompt, write
from models.unirig.loading import load_skeleton_network
from models.unirig.skeleton import SkeletonNetwork
from models.unirig.tails import end_bones
from models.unirig.tokenizer import decode, encode
from tests.integration.tiny_unirig import SKELETON_CONFIG, save_dictated
from tests.parity.seeded import unirig_weights

GREEDY = decoding_of(1)
CONFIG = skeleton_config(SKELETON_CONFIG)


@pytest.fixture(autouse=True)
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autorig, "SKELETON_POINTS", 400)


def ball() -> tuple[np.ndarray, np.ndarray]:
    """Of radius 2 about (1, 2, 3)."""
    mesh = trimesh.creation.icosphere(2, 2.0).apply_translation((1, 2, 3))
    return mesh.vertices.astype(np.float32), np.asarray(mesh.faces)


def board() -> tuple[np.ndarray, np.ndarray]:
    """Not as wide as it is high: what the network writes at random is mostly beside it."""
    mesh = trimesh.creation.box((1.3, 1.3, 2.0))
    return mesh.vertices.astype(np.float32), np.asarray(mesh.faces)


def dictated(folder: Path, tokens: list[int] | np.ndarray) -> SkeletonNetwork:
    """A network that writes these tokens behind bos and class."""
    save_dictated(folder, np.asarray(tokens))
    return load_skeleton_network(folder / "model.safetensors", "cpu", CONFIG)


def written(joints: list[list[float]], parents: list[int]) -> np.ndarray:
    return encode(np.array(joints), np.array(parents), "articulationxl", {0: None})[2:]


@pytest.fixture
def babbling() -> SkeletonNetwork:
    """Random weights, of few words that are alike: anything may be written."""
    few = replace(CONFIG.decoder, hidden_size=48, max_positions=160)
    network = SkeletonNetwork(replace(CONFIG, decoder=few)).eval()
    network.load_state_dict(unirig_weights(network))
    return network


@pytest.mark.parametrize("beams", [1, 3])
def test_joints_stand_where_the_network_put_them(tmp_path: Path, beams: int) -> None:
    places = [[0, 0, -0.5], [0, 0.1, 0.5], [0.5, 0.25, 0], [-0.5, 0.25, 0]]
    network = dictated(tmp_path, written(places, [-1, 0, 0, 0]))
    shares: list[float] = []
    joints = find_joints(network, ball(), 7, decoding_of(beams), shares.append)
    assert joints.parents.tolist() == [-1, 0, 0, 0] and joints.seed == 7
    assert np.abs(joints.heads - (np.array(places) * 2 + [1, 2, 3])).max() <= 2 / 256 + 1e-4
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] < 1


def test_a_single_bone_is_a_skeleton(tmp_path: Path) -> None:
    joints = find_joints(dictated(tmp_path, written([[0, 0, 0.25]], [-1])), ball(), 0, GREEDY)
    assert joints.parents.tolist() == [-1]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (written([[0, 0, 0], [0, 0, 0.01], [0.01, 0, 0]], [-1, 0, 0]), "all joints at one place"),
        (written([[0, 0, 0], [0, 0, 1], [1, 1, 1]], [-1, 0, 0]), "1 of 3 joints far outside"),
        ([number % 200 for number in range(1, 230)], "did not come to an end"),
        ([258], "did not come to an end"),  # an end before the first bone is not let through: all is chance then
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, tokens: np.ndarray, said: str) -> None:
    mesh = trimesh.creation.box((0.6, 0.6, 2)).apply_translation((0, 0, 0))
    network = dictated(tmp_path, tokens)
    with pytest.raises(SkeletonFailed, match=rf"3 attempts gave no usable skeleton: .*{said}"):
        find_joints(network, (mesh.vertices.astype(np.float32), np.asarray(mesh.faces)), 0, GREEDY)


def test_the_next_seed_is_tried_where_one_gives_nothing(
    babbling: SkeletonNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By seeds: the first of three that is sound is taken, and its seed told."""
    decoding = decoding_of(2)
    monkeypatch.setattr(autorig, "ATTEMPTS", 1)
    alone = {}
    for seed in range(10):
        try:
            alone[seed] = find_joints(babbling, board(), seed, decoding)
        except SkeletonFailed:
            continue
    assert 0 < len(alone) < 8, "the mesh no longer tells good from bad"
    monkeypatch.undo()
    monkeypatch.setattr(autorig, "SKELETON_POINTS", 400)
    for seed in range(8):
        good = [near for near in range(seed, seed + 3) if near in alone]
        if not good:
            with pytest.raises(SkeletonFailed):
                find_joints(babbling, board(), seed, decoding)
            continue
        shares: list[float] = []
        joints = find_joints(babbling, board(), seed, decoding, shares.append)
        assert joints.seed == good[0] and shares == sorted(shares)
        assert np.array_equal(joints.heads, alone[good[0]].heads)


def test_the_likeliest_sound_sequence_is_taken(babbling: SkeletonNetwork) -> None:
    decoding, seed = decoding_of(6), 3
    joints = find_joints(babbling, ball(), seed, decoding)
    seen = replace(autorig.reduce_mesh(*ball()), vertices=autorig.fit_box(ball()[0]).apply(ball()[0]))
    prompt, longest = autorig._prepare(babbling, seen, decoding)
    chosen = replace(decoding, max_new_tokens=longest)
    results = write(babbling, prompt, chosen, torch.Generator().manual_seed(joints.seed))
    sound = [each for each in results if not autorig._flaw(each, seen, prompt.walk.left)]
    assert joints.likelihood == max(each.score for each in sound)
    assert len(decode(sound[0].tokens).joints) == len(joints.heads)


def test_the_same_seed_gives_the_same_joints(babbling: SkeletonNetwork) -> None:
    one, again = (find_joints(babbling, ball(), 11, decoding_of(4)) for _ in range(2))
    assert np.array_equal(one.heads, again.heads) and one.likelihood == again.likelihood
    assert isinstance(one.heads, np.ndarray) and one.heads.dtype == np.float32


def test_what_the_report_raises_stops_the_work_and_leaves_no_hook(babbling: SkeletonNetwork) -> None:
    def stop(share: float) -> None:
        if share > 0.02:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_joints(babbling, ball(), 0, decoding_of(4), stop)
    assert not any(part._forward_pre_hooks for part in babbling.modules())


def test_a_mesh_without_area_is_refused(babbling: SkeletonNetwork) -> None:
    line = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]], np.float32)
    with pytest.raises(ValueError, match="no surface with an area"):
        find_joints(babbling, (line, np.array([[0, 1, 2]])), 0)


def test_bones_end_where_their_role_asks() -> None:
    heads = np.array([[0, 1, 0], [0.2, 0.9, 0], [0.2, 0.4, 0], [0, 1.2, 0.1], [0, 1.5, 0], [0.1, 1.6, 0.1]])
    parents = np.array([-1, 0, 1, 0, 3, 4])
    roles = ("hips", "leftUpperLeg", "leftLowerLeg", "spine", "head", "leftEye")
    tails = end_bones(heads, parents, roles, 2.0)
    assert tails[0].tolist() == pytest.approx([0, 1.2, 0.1])  # the spine, not the leg that comes first
    assert tails[1].tolist() == pytest.approx(heads[2])
    assert tails[2].tolist() == pytest.approx([0.2, 0.15, 0])  # straight on, half as long
    assert tails[4].tolist() == pytest.approx([0, 2.0, 0])  # to the top of the body, not to the eye
    unnamed = end_bones(heads, parents, ("root", *["chain"] * 5), 2.0)
    assert unnamed[0].tolist() == pytest.approx(heads[3])  # three bones are above, one is below


@pytest.mark.parametrize("heads", [[[0, 0, 0]], [[0, 0, 0], [0, 0, 0.001], [1, 0, 0]], [[1, 2, 3], [1, 1, 3]]])
def test_no_bone_is_without_a_length(heads: list[list[float]]) -> None:
    places = np.array(heads)
    parents = np.array([-1, *[0] * (len(heads) - 1)])
    tails = end_bones(places, parents, ("root", *["chain"] * (len(heads) - 1)), 0.0)
    size = float(np.ptp(places, axis=0).max()) or 1.0
    assert np.linalg.norm(tails - places, axis=1).min() >= 0.0199 * size


def test_prompts_keep_room_for_what_is_written(tmp_path: Path) -> None:
    """The positions of the network are not passed, however many tokens are allowed."""
    network = dictated(tmp_path, [1, 2, 3] * 20)
    seen = replace(autorig.reduce_mesh(*ball()), vertices=autorig.fit_box(ball()[0]).apply(ball()[0]))
    prompt, longest = autorig._prepare(network, seen, decoding_of(1))
    assert isinstance(prompt, Prompt)
    assert prompt.prefix.shape[1] + len(prompt.first) + longest == CONFIG.decoder.max_positions
