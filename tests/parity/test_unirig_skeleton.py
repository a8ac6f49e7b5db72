# SPDX-License-Identifier: GPL-3.0-or-later
"""UniRig's skeleton half against vectors recorded from the reference implementation, and against small ones of our own.

Tokens, masks and indices are equal to the last; logits and latents to 1e-4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.common.checkpoint import CheckpointMismatch
from models.unirig.config import (
    PUBLISHED_SKELETON,
    ConfigUnknown,
    skeleton_config,
)
from models.unirig.generate import (
    NEVER,
    Decoding,
    Prompt,
    keep_nucleus,
    keep_strongest,
    penalise,
    write,
)
from models.unirig.grammar import ReferenceWalk
from models.unirig.loading import TokenizerMismatch, load_skeleton_network
from models.unirig.point_encoder import choose_queries, embed_fourier, sample_farthest, unpack_heads
from models.unirig.skeleton import Memory, SkeletonNetwork
from models.unirig.tokenizer import (
    VOCABULARY,
)
from tests.parity import unirig_skeleton_own as own
from tests.parity.seeded import total_bytes, unirig_weights

ATOL = 1e-4
GREEDY = {"num_beams": 1, "is_drawn": False}
SEQUENCES = {
    "greedy_48": ((257, 266), Decoding(**GREEDY, repetition_penalty=1.0, max_new_tokens=48)),
    "greedy_48_rep3": ((257, 266), Decoding(**GREEDY, max_new_tokens=48)),
    "greedy_48_vroid": ((257, 264), Decoding(**GREEDY, repetition_penalty=1.0, max_new_tokens=48)),
    "greedy_48_nocls": ((257,), Decoding(**GREEDY, repetition_penalty=1.0, max_new_tokens=48)),
    "beam5_48_rep3": ((257, 266), Decoding(5, is_drawn=False, max_new_tokens=48)),
    "beam5_60_rep1": ((257, 266), Decoding(5, is_drawn=False, repetition_penalty=1.0, max_new_tokens=60)),
    "beam5_96_vroid_rep3": ((257, 264), Decoding(5, is_drawn=False, max_new_tokens=96)),
    "beam15_120_rep3": ((257, 266), Decoding(15, is_drawn=False, max_new_tokens=120)),
}


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "unirig"


@pytest.fixture(scope="module")
def recorded(golden: Path) -> dict[str, np.ndarray]:
    return dict(np.load(golden / "ar_tiny_io.npz"))


@pytest.fixture(scope="module")
def tiny(golden: Path) -> SkeletonNetwork:
    config = skeleton_config(json.loads((golden / "ar_tiny.json").read_text()))
    return load_skeleton_network(golden / "ar_tiny.safetensors", "cpu", config)


def apart(found: Tensor | np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(np.asarray(found) - expected).max())


def tensors(*arrays: np.ndarray) -> Iterable[Tensor]:
    return (torch.from_numpy(array) for array in arrays)


def read_points(network: SkeletonNetwork, points: np.ndarray, normals: np.ndarray, queries: np.ndarray) -> Tensor:
    with torch.inference_mode():
        return network.read_points(*tensors(points, normals, queries))


@pytest.mark.shared
def test_farthest_points_are_those_of_the_reference(golden: Path, recorded: dict[str, np.ndarray]) -> None:
    vectors = np.load(golden / "fps.npz")
    assert np.array_equal(sample_farthest(vectors["points"], 1 / 4), vectors["idx_quarter"])
    assert np.array_equal(sample_farthest(vectors["points"][:100], 1 / 3), vectors["idx_ratio_0_3333"])
    for count, prefix in ((400, ""), (60, "small_")):
        points = recorded["vertices"][:count]
        subset = recorded[f"{prefix}subset_indices"]
        assert np.array_equal(choose_queries(points, 24), subset[recorded[f"{prefix}fps_indices"]])
    for count in (65_536, 32_768):
        points = np.random.default_rng(count).normal(size=(count, 3)).astype(np.float32)
        subset = recorded[f"subset_indices_N{count}_T1024"]
        assert np.array_equal(choose_queries(points, 1024), subset[sample_farthest(points[subset], 1 / 4)])


@pytest.mark.shared
def test_every_recorded_part_of_the_encoder(tiny: SkeletonNetwork, recorded: dict[str, np.ndarray]) -> None:
    encoder = tiny.mesh_encoder["encoder"]
    seen: dict[str, Tensor] = {}
    parts = {
        "kv_tokens_first8": encoder.input_proj,
        "after_cross_attn": encoder.cross_attn,
        "after_self_0": encoder.self_attn["resblocks"][0],
        "latents": encoder.ln_post,
    }
    hooks = [
        part.register_forward_hook(lambda module, given, out, name=name: seen.update({name: out}))
        for name, part in parts.items()
    ]
    points, normals = recorded["vertices"], recorded["normals"]
    queries = recorded["subset_indices"][recorded["fps_indices"]]
    try:
        prefix = read_points(tiny, points, normals, queries)
    finally:
        for hook in hooks:
            hook.remove()
    assert apart(embed_fourier(torch.from_numpy(points[:8]), 8), recorded["fourier_first8"]) < ATOL
    tokens = seen["kv_tokens_first8"]
    assert apart(tokens[queries], recorded["query_tokens"]) < ATOL
    seen["kv_tokens_first8"] = tokens[None, :8]
    for name, found in seen.items():
        assert apart(found[0], recorded[name]) < ATOL, name
    assert apart(prefix[0], recorded["cond"]) < ATOL
    small = recorded["small_subset_indices"][recorded["small_fps_indices"]]
    with torch.inference_mode():
        latents = encoder(*tensors(points[:60], normals[:60], small))
    assert apart(latents[0], recorded["small_latents"]) < ATOL


@pytest.mark.shared
def test_logits_at_once_and_token_by_token(tiny: SkeletonNetwork, recorded: dict[str, np.ndarray]) -> None:
    tokens = torch.from_numpy(recorded["prefix"])
    layers: list[Tensor] = []
    decoder = tiny.transformer.model["decoder"]
    with torch.inference_mode():
        cond = torch.from_numpy(recorded["cond"])[None]
        hook = decoder.layers[0].register_forward_hook(lambda module, given, out: layers.append(out))
        hidden = tiny.transformer.decode(torch.cat((cond, tiny.transformer.embed(tokens)[None]), dim=1), Memory())
        hook.remove()
        assert apart(layers[0][0], recorded["hidden_after_layer0"]) < ATOL
        assert apart(tiny.transformer.lm_head(hidden)[0], recorded["logits"]) < ATOL
        logits, memory = tiny.start(cond, tokens[:2])
        assert apart(logits[0], recorded["logits"][25]) < ATOL
        for place, token in enumerate(tokens[2:], 26):
            logits = tiny.step(token.repeat(3), memory)
            memory.keep(torch.tensor([2, 0, 1]))
            assert apart(logits, recorded["logits"][[place] * 3]) < ATOL


@pytest.mark.shared
@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_are_those_of_the_reference(
    tiny: SkeletonNetwork, recorded: dict[str, np.ndarray], name: str
) -> None:
    first, decoding = SEQUENCES[name]
    cond = torch.from_numpy(recorded["cond"])[None]
    best = write(tiny, Prompt(cond, first, ReferenceWalk(VOCABULARY)), decoding, torch.Generator())[0]
    assert best.tokens.tolist() == recorded[name].tolist()
    assert best.has_ended == (recorded[name][-1] == VOCABULARY.eos)


@pytest.mark.shared
def test_penalties_in_the_reference_s_order(recorded: dict[str, np.ndarray]) -> None:
    rows = recorded["proc.input_ids"]
    seen = torch.zeros(len(rows), VOCABULARY.size, dtype=torch.bool)
    masks = []
    for row, tokens in enumerate(rows):
        seen[row, tokens] = True
        walk = ReferenceWalk(VOCABULARY)
        for token in (257, 266, *tokens.tolist()):
            walk = walk.after(token)
        masks.append(walk.allowed())
    steps: dict[str, Callable[[Tensor], Tensor]] = {
        "after_1_rep": lambda scores: penalise(scores, seen, 3.0),
        "after_2_mask": lambda scores: scores.masked_fill(~torch.from_numpy(np.stack(masks)), NEVER),
        "after_3_temp": lambda scores: scores / 1.5,
        "after_4_topk": lambda scores: keep_strongest(scores, 5),
        "after_5_topp": lambda scores: keep_nucleus(scores, 0.95),
    }
    scores = torch.from_numpy(recorded["proc.logits"]).log_softmax(-1)
    for name, step in steps.items():
        scores = step(scores)
        expected = recorded[f"proc.{name}"]
        assert np.array_equal(np.isinf(scores.numpy()), np.isinf(expected)), name
        is_finite = np.isfinite(expected)
        assert apart(scores.numpy()[is_finite], expected[is_finite]) < 1e-5, name


def test_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        network = SkeletonNetwork(PUBLISHED_SKELETON)
    state = network.state_dict()
    assert len(state) == 585
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == 359_856_640  # 359.9 M, head and embeddings counted once
    assert total_bytes(network) == 4 * (parameters + 267 * 1024)
    assert state["transformer.model.decoder.embed_positions.weight"].shape == (3078, 1024)
    assert state["mesh_encoder.encoder.input_proj.weight"].shape == (512, 54)


def test_our_own_vectors() -> None:
    assert own.own_apart() < ATOL


@pytest.mark.parametrize(
    ("module", "name", "flipped"),
    [
        ("point_encoder", "unpack_heads", own.parts_before_heads),
        ("point_encoder", "embed_fourier", own.frequencies_times_pi),
        ("point_encoder", "sample_farthest", own.nearest_points),
        ("skeleton", "attend_to_both", own.unscaled),
        ("skeleton", "POSITION_OFFSET", 1),
        ("generate", "penalise", own.rewarded),
        ("preprocess", "draw_on_faces", own.faces_by_area),
        ("tokenizer", "discretise", own.halves_up),
        ("tokenizer", "undiscretise", own.bins_at_their_start),
        ("tokenizer", "tails_of_reference", own.tails_of_whole_length),
    ],
)
def test_one_flipped_detail_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, flipped: object
) -> None:
    monkeypatch.setattr(f"models.unirig.{module}.{name}", flipped)
    assert own.own_apart() > 10 * ATOL


def test_heads_are_unpacked_in_order() -> None:
    packed = torch.arange(24.0).reshape(1, 1, 24)
    q, k, v = unpack_heads(packed, 2, 3)
    assert q[0, :, 0, 0].tolist() == [0, 12] and k[0, :, 0, 0].tolist() == [4, 16] and v[0, 1, 0, 3] == 23


def test_the_decoder_is_opt() -> None:
    """Against transformers' own OPT with the same weights."""
    transformers = pytest.importorskip("transformers")
    config = own.OWN.decoder
    opt = transformers.OPTForCausalLM(
        transformers.OPTConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            word_embed_proj_dim=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            ffn_dim=config.ffn_dim,
            max_position_embeddings=config.max_positions,
            pad_token_id=1,
        )
    ).eval()
    network = own.own_network()
    opt.load_state_dict(network.transformer.state_dict(), strict=True)
    prefix = torch.randn(1, 9, config.hidden_size, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        tokens = torch.tensor([257, 266, 4, 90, 255])
        expected = opt(inputs_embeds=torch.cat((prefix, network.transformer.embed(tokens)[None]), 1)).logits
        logits, memory = network.start(prefix, tokens[:2])
        assert apart(logits, expected[:, 10].numpy()) < ATOL
        for place, token in enumerate(tokens[2:], 11):
            assert apart(network.step(token[None], memory), expected[:, place].numpy()) < ATOL


def save_own(path: Path, change: Callable[[dict[str, Tensor]], None]) -> Path:
    weights = {f"model.{key}": value.clone() for key, value in unirig_weights(SkeletonNetwork(own.OWN)).items()}
    change(weights)
    save_file(weights, path)
    return path


def test_a_checkpoint_that_lacks_a_key_is_named(tmp_path: Path) -> None:
    path = save_own(tmp_path / "model.safetensors", lambda weights: weights.pop("model.output_proj.bias"))
    with pytest.raises(CheckpointMismatch, match=r"output_proj\.bias"):
        load_skeleton_network(path, "cpu", own.OWN)


def test_a_checkpoint_of_another_tokenizer_is_named(tmp_path: Path) -> None:
    def shorten(weights: dict[str, Tensor]) -> None:
        for key in ("model.decoder.embed_tokens.weight", "lm_head.weight"):
            weights[f"model.transformer.{key}"] = weights[f"model.transformer.{key}"][:266].clone()

    path = save_own(tmp_path / "model.safetensors", shorten)
    with pytest.raises(TokenizerMismatch, match="266 tokens") as caught:
        load_skeleton_network(path, "cpu", own.OWN)
    assert "267" in str(caught.value) and "figurine weights fetch" in str(caught.value)


@pytest.mark.shared
def test_an_official_configuration_is_read_and_the_unknown_refused(golden: Path) -> None:
    document = json.loads((golden / "ar_tiny.json").read_text())
    assert skeleton_config(document).encoder.token_num == 24
    for part, change in (
        ("mesh_encoder", {"heads_of_another_kind": 2}),
        ("mesh_encoder", {"include_pi": True}),
        ("llm", {"rope": True}),
        ("llm", {"word_embed_proj_dim": 32}),
    ):
        with pytest.raises(ConfigUnknown, match=next(iter(change)) if part != "llm" or "rope" in change else "width"):
            skeleton_config({**document, part: {**document[part], **change}})
    with pytest.raises(ConfigUnknown, match="vocab_size"):
        skeleton_config({name: value for name, value in document.items() if name != "vocab_size"})


@pytest.mark.shared
def test_the_golden_keys_are_the_published_ones(golden: Path) -> None:
    """The tiny file and the published network differ in counts of layers alone."""
    with torch.device("meta"):
        network = SkeletonNetwork(PUBLISHED_SKELETON)

    def kinds(keys: Iterable[str]) -> set[str]:
        return {".".join("N" if part.isdigit() else part for part in key.split(".")) for key in keys}

    assert kinds(network.state_dict()) == kinds(
        key.removeprefix("model.") for key in load_file(golden / "ar_tiny.safetensors")
    )
