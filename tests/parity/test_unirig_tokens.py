# SPDX-License-Identifier: GPL-3.0-or-later
"""UniRig's language of bones, and what it sees of a mesh, against vectors recorded from the reference."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from models.unirig.grammar import ReferenceWalk, State, StrictWalk
from models.unirig.preprocess import Surface, draw_on_faces, fit_box, reduce_mesh, sample_surface
from models.unirig.templates import arrange
from models.unirig.tokenizer import VOCABULARY, SequenceInvalid, decode, discretise, encode, undiscretise


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "unirig"


def count_triples(tokens: np.ndarray) -> int:
    """Triples of coordinates before the end, as the reference counts them: a bone behind a branch has two."""
    walk, count = ReferenceWalk(VOCABULARY), 0
    for token in itertools.takewhile(lambda token: token != VOCABULARY.eos, tokens.tolist()):
        walk = walk.after(token)
        count += walk.state is State.BONE
    return count


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max())


@pytest.mark.shared
def test_bins_are_those_of_the_reference(golden: Path) -> None:
    vectors = np.load(golden / "discretize.npz")
    assert np.array_equal(discretise(vectors["x"], 256), vectors["ids"])
    assert apart(undiscretise(np.arange(256), 256), vectors["undiscretize_all"]) < 1e-7


def cases(golden: Path) -> Iterable[tuple[str, dict[str, object], dict[str, np.ndarray]]]:
    arrays = np.load(golden / "tokenizer_roundtrip.npz")
    documents = json.loads((golden / "tokenizer_roundtrip.json").read_text())["cases"]
    assert len(documents) == 8
    for name, document in documents.items():
        names = [key for key in arrays.files if key.startswith(f"{name}.")]
        yield name, document, {key.partition(".")[2]: arrays[key] for key in names}


@pytest.mark.shared
def test_skeletons_are_written_and_read_as_by_the_reference(golden: Path) -> None:
    for name, document, arrays in cases(golden):
        kind = document["cls"]
        order, starts = arrange(document["in_names"], arrays["in_parents"], kind)
        assert [document["in_names"][bone] for bone in order] == document["ordered_names"], name
        assert {str(place): part for place, part in starts.items()} == document["parts_bias"], name
        box = np.concatenate([arrays["in_vertices_minmax"], arrays["in_joints"]])
        joints = fit_box(box).apply(arrays["in_joints"])[order]
        assert apart(joints, arrays["norm_joints_ordered"]) < 1e-6, name
        tokens = encode(arrays["norm_joints_ordered"], arrays["parents_ordered"], kind, starts)
        assert np.array_equal(tokens, arrays["tokens"]), name
        tree = decode(arrays["tokens"])
        assert apart(tree.joints, arrays["out_bones"][:, 3:]) < 1e-6, name
        assert np.array_equal(tree.parents, arrays["out_parents"]), name
        assert apart(tree.joints[tree.parents[1:]], arrays["out_bones"][1:, :3]) < 1e-6, name
        assert apart(tree.tails, arrays["out_tails"]) < 1e-6, name
        assert (tree.kind, list(tree.parts)) == (document["out_cls"], document["out_parts"]), name
        assert list(tree.names) == document["out_names"], name
        assert count_triples(tokens) == document["bones_in_sequence"], name


@pytest.mark.shared
def test_masks_are_those_of_the_reference(golden: Path) -> None:
    vectors = np.load(golden / "next_token_masks.npz")
    names = [key.removesuffix(".tokens") for key in vectors.files if key.endswith(".tokens")]
    assert len(names) == 12
    for name in names:
        tokens = vectors[f"{name}.tokens"]
        walk = ReferenceWalk(VOCABULARY)
        masks = [walk.allowed()]
        for token in tokens.tolist():
            walk = walk.after(token)
            masks.append(walk.allowed())
        assert np.array_equal(np.packbits(masks, axis=1), vectors[f"{name}.mask_packed"]), name
        assert count_triples(tokens) == vectors[f"{name}.bones_in_sequence"], name


@pytest.mark.shared
def test_meshes_are_scaled_and_sampled_as_by_the_reference(golden: Path) -> None:
    vectors = np.load(golden / "preprocess_voxel.npz")
    surface = reduce_mesh(vectors["in_vertices"], vectors["in_faces"])
    for name in ("vertices", "faces", "vertex_normals", "face_normals"):
        assert apart(getattr(surface, name), vectors[f"in_{name}"]) < 2e-6, name
    scaling = fit_box(np.concatenate([vectors["in_vertices"], vectors["in_joints"]]))
    places = scaling.apply(vectors["in_vertices"])
    assert apart(places, vectors["norm_vertices"]) < 1e-6
    assert apart(scaling.undo(places), vectors["in_vertices"]) < 1e-6
    exact = (vectors[f"in_{name}"] for name in ("faces", "vertex_normals", "face_normals"))
    seen = Surface(vectors["norm_vertices"], *exact)
    samples = sample_surface(seen, 600, 12345, 200)
    assert apart(samples.points, vectors["sampled_vertices"]) < 1e-6
    assert apart(samples.normals, vectors["sampled_normals"]) < 1e-6
    assert apart(samples.interpolate(vectors["voxel_skin_g24"], seen.faces), vectors["sampled_voxel_skin"]) < 1e-6
    faces, uv = draw_on_faces(vectors["in_vertices"], seen.faces, 100, np.random.RandomState(7))
    assert np.array_equal(faces, vectors["surf7_face_index"]) and apart(uv, vectors["surf7_bary"][..., 0]) < 1e-6


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([257, 266, 1, 2, 3], "eos"),
        ([266, 1, 2, 3, 258], "bos"),
        ([], "bos"),
        ([257, 266, 1, 2, 258], "lacks coordinates"),
        ([257, 266, 1, 2, 3, 256, 1, 2, 3, 258], "lacks coordinates"),
        ([257, 266, 1, 2, 3, 257, 258], "stands among"),
        ([257, 264, 261, 1, 2, 3, 258], "22 names for 1 bones"),
    ],
)
def test_sequences_that_are_no_skeleton_are_refused(tokens: list[int], said: str) -> None:
    with pytest.raises(SequenceInvalid, match=said):
        decode(np.array(tokens, np.int64))


def test_a_single_bone_ends_above_itself() -> None:
    tree = decode(np.array([257, 266, 128, 128, 0, 258]))
    assert tree.parents.tolist() == [-1]
    assert tree.tails[0, 2] > tree.joints[0, 2] and tree.tails[0, 0] == tree.joints[0, 0]


def test_every_sequence_of_the_strict_grammar_is_a_tree() -> None:
    """By chance, with a preference for what is rare: branches, parts, bones at one place."""
    for seed in range(60):
        generator = np.random.default_rng(seed)
        budget = int(generator.integers(6, 120))
        walk, tokens = StrictWalk(VOCABULARY, budget), []
        coordinates = generator.integers(0, 256, 2)
        while not tokens or tokens[-1] != VOCABULARY.eos:
            allowed = np.flatnonzero(walk.allowed())
            rare = [token for token in allowed if token >= VOCABULARY.num_bins or token in coordinates]
            tokens.append(int(generator.choice(rare if rare and generator.random() < 0.8 else allowed)))
            walk = walk.after(tokens[-1])
        assert len(tokens) <= budget
        tree = decode(np.array(tokens))
        assert len(np.unique(tree.joints, axis=0)) == len(tree.joints) > 0
        assert tree.parents[0] == -1 and (tree.parents[1:] >= 0).all()
        assert (tree.parents < np.arange(len(tree.parents))).all()


def test_the_strict_grammar_refuses_what_it_does_not_allow() -> None:
    walk = StrictWalk(VOCABULARY, 100)
    for token in (257, 266, 1, 2, 3, 256, 1, 2, 3):
        walk = walk.after(token)
    for token in (VOCABULARY.eos, VOCABULARY.branch, VOCABULARY.spring, VOCABULARY.pad):
        with pytest.raises(ValueError, match="not allowed"):
            walk.after(token)
    with pytest.raises(ValueError, match="token 3 is not allowed"):
        walk.after(1).after(2).after(3)
