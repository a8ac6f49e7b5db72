# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own vectors of UniRig's skeleton half, and deliberate mistakes that they must notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.common.checkpoint import load_strictly
from models.unirig.config import DecoderConfig, PointEncoderConfig, SkeletonConfig
from models.unirig.generate import Decoding, Prompt, write
from models.unirig.grammar import ReferenceWalk, StrictWalk
from models.unirig.point_encoder import choose_queries, embed_fourier
from models.unirig.preprocess import Surface, draw_on_faces, sample_surface
from models.unirig.skeleton import SkeletonNetwork, attend_to_both
from models.unirig.tokenizer import VOCABULARY, decode, encode, tails_of_reference, undiscretise
from tests.parity.seeded import unirig_weights

OWN = SkeletonConfig(PointEncoderConfig(12, 3, 2, 3, 3, True, 8), DecoderConfig(267, 20, 3, 5, 28, 300))
OWN_VECTORS = Path(__file__).parents[1] / "golden" / "unirig_skeleton.npz"


def own_network() -> SkeletonNetwork:
    network = SkeletonNetwork(OWN).eval()
    load_strictly(network, unirig_weights(network), "own")
    return network


def own_vectors(points: np.ndarray) -> dict[str, np.ndarray]:
    """What the network of odd widths makes of points (N, 6), places and normals."""
    network = own_network()
    queries = choose_queries(points[:, :3], OWN.encoder.token_num)
    with torch.inference_mode():
        prefix = network.read_points(*(torch.from_numpy(x) for x in (points[:, :3], points[:, 3:], queries)))
    drawn = Decoding(4, repetition_penalty=1.3, max_new_tokens=40)
    found = {"queries": queries, "prefix": prefix.numpy()}
    for name, walk, decoding in (
        ("reference", ReferenceWalk(VOCABULARY), replace(drawn, num_beams=1, is_drawn=False)),
        ("strict", StrictWalk(VOCABULARY, 42), drawn),
    ):
        best = write(network, Prompt(prefix, (257, 266), walk), decoding, torch.Generator().manual_seed(1))[0]
        found[name] = best.tokens
    with torch.inference_mode():
        logits, memory = network.start(prefix, torch.tensor([257, 266]))
        steps = [network.step(torch.full((2,), int(token)), memory) for token in found["strict"][2:9]]
    found["logits"] = torch.cat([logits, *(step[:1] for step in steps)]).numpy()
    mesh = Surface(points[:, :3], np.arange(60).reshape(-1, 3), points[:, 3:], points[:20, 3:])
    found["samples"] = sample_surface(mesh, 90, 3, 30).points
    joints = points[:20, :3].copy()
    joints[5:8] = np.array([0.5, 1.5, 2.5])[:, None] / 128 - 1  # halves between two bins
    joints[12] = joints[9]
    parents = np.array([-1, *(bone * 5 // 7 for bone in range(19))])
    found["tokens"] = encode(joints, parents, "articulationxl", {0: None, 11: "body"})
    tree = decode(found["tokens"])
    found |= {"parents": tree.parents, "tails": tree.tails}
    return found


def own_apart() -> float:
    expected = np.load(OWN_VECTORS)
    found = own_vectors(expected["points"])
    if any(found[name].shape != expected[name].shape for name in found):
        return float("inf")
    return max(float(np.abs(found[name] - expected[name]).max()) for name in found)


def parts_before_heads(packed: Tensor, heads: int, parts: int) -> tuple[Tensor, ...]:
    return packed.unflatten(2, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)


def frequencies_times_pi(points: Tensor, num_freqs: int) -> Tensor:
    return torch.cat((points, embed_fourier(points * np.pi, num_freqs)[:, 3:]), dim=-1)


def unscaled(q: Tensor, shared: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor]) -> Tensor:
    return attend_to_both(q * q.shape[-1] ** 0.5, shared, own)


def nearest_points(points: np.ndarray, ratio: float) -> np.ndarray:
    return np.argsort(((points - points[0]) ** 2).sum(axis=1), kind="stable")[: int(len(points) * ratio)]


def faces_by_area(
    vertices: np.ndarray, faces: np.ndarray, count: int, generator: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    first = vertices[faces[:, 0]]
    sums = np.cumsum(np.linalg.norm(np.cross(vertices[faces[:, 1]] - first, vertices[faces[:, 2]] - first), axis=1))
    drawn = np.searchsorted(sums, generator.random_sample(count) * sums[-1])
    return drawn, draw_on_faces(vertices, faces, count, generator)[1]


def halves_up(places: np.ndarray, num_bins: int) -> np.ndarray:
    return np.clip(np.floor((places + 1) / 2 * num_bins + 0.5), 0, num_bins - 1).astype(np.int64)


def bins_at_their_start(bins: np.ndarray, num_bins: int) -> np.ndarray:
    return undiscretise(bins - 0.5, num_bins)


def tails_of_whole_length(joints: np.ndarray, parents: np.ndarray) -> np.ndarray:
    return joints + 2 * (tails_of_reference(joints, parents) - joints)


def rewarded(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    return torch.where(seen, scores / penalty, scores)
