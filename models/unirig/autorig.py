# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh to the joints in it: sampled, read, written, judged; written again by chance where nothing good came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from models.unirig.generate import Decoding, Prompt, Written, write
from models.unirig.grammar import AXES, StrictWalk
from models.unirig.point_encoder import choose_queries
from models.unirig.preprocess import SKELETON_POINTS, Surface, fit_box, reduce_mesh, sample_surface
from models.unirig.skeleton import SkeletonNetwork
from models.unirig.tokenizer import USUAL_KIND, VOCABULARY, decode

ATTEMPTS = 3  # with this seed and the two after it
MOST_BONES = 256  # the reference's data had no more
LEAST_SPREAD = 0.05  # of the mesh's longest side: joints nearer together than this move nothing
FAR_OUTSIDE = 0.15  # of the mesh's longest side beyond its box: no part of the body is there
HALF_BIN = 1 / VOCABULARY.num_bins  # the reference reads each place so much too far along every axis
USUAL_TOKENS = 200  # of a character; how many there will be is not known while they are written
NAMED_FLAWS = 3  # in an error
PUBLISHED_DECODING = Decoding()


class SkeletonFailed(ValueError):
    """No attempt gave a skeleton that can be used. The message says what was wrong with them."""


def decoding_of(num_beams: int) -> Decoding:
    """The published way to write, with so many beams; one alone takes the likeliest token each time."""
    return replace(PUBLISHED_DECODING, num_beams=num_beams, is_drawn=num_beams > 1)


@dataclass(frozen=True, eq=False)
class Joints:
    """heads: (J, 3) float32, in the mesh's frame. parents: (J,) int64, −1 for the root, before their children.

    likelihood: mean log-probability of a token, as the search counts it. seed: that it was written with.
    """

    heads: np.ndarray
    parents: np.ndarray
    likelihood: float
    seed: int


def find_joints(
    network: SkeletonNetwork,
    mesh: tuple[np.ndarray, np.ndarray],
    seed: int,
    decoding: Decoding = PUBLISHED_DECODING,
    report: Callable[[float], None] = lambda share: None,
) -> Joints:
    """The most likely of the skeletons without a flaw.

    mesh: vertices (V, 3) float32 and faces (F, 3), in Blender's frame (+Z up, the character faces −Y), any place and
    size. report: gets how much is done, 0 to 1, at least once a token; what it raises ends the work.
    Raises SkeletonFailed, and ValueError where nothing of the mesh has an area.
    """
    surface = reduce_mesh(*mesh)
    scaling = fit_box(surface.vertices)
    seen = replace(surface, vertices=scaling.apply(surface.vertices))
    share = 0.0

    def on_token(count: int) -> None:
        nonlocal share
        share = max(share, count / (count + USUAL_TOKENS))  # another attempt begins anew

    hooks = [part.register_forward_pre_hook(lambda *_: report(share)) for part in _parts(network)]
    try:
        with torch.autocast(_device(network).type, torch.bfloat16, enabled=_device(network).type == "cuda"):
            written, used_seed = _write_soundly(network, seen, seed, decoding, on_token)
    finally:
        for hook in hooks:
            hook.remove()
    tree = decode(written.tokens)
    heads = tree.joints.astype(np.float64) - HALF_BIN
    return Joints(scaling.undo(heads), tree.parents, written.score, used_seed)


def _write_soundly(
    network: SkeletonNetwork, seen: Surface, seed: int, decoding: Decoding, on_token: Callable[[int], None]
) -> tuple[Written, int]:
    """The most likely sequence without a flaw, and the seed that it took. Raises SkeletonFailed."""
    prompt, longest = _prepare(network, seen, decoding)
    flaws: dict[str, None] = {}
    for attempt in range(ATTEMPTS):
        generator = torch.Generator().manual_seed(seed + attempt)
        # What is not left to chance comes out the same each time.
        chosen = replace(decoding, max_new_tokens=longest, is_drawn=decoding.is_drawn or attempt > 0)
        for written in write(network, prompt, chosen, generator, on_token):
            flaw = _flaw(written, seen, prompt.walk.left)
            if not flaw:
                return written, seed + attempt
            flaws[flaw] = None
    raise SkeletonFailed(f"{ATTEMPTS} attempts gave no usable skeleton: {', '.join(list(flaws)[:NAMED_FLAWS])}")


@torch.inference_mode()
def _prepare(network: SkeletonNetwork, seen: Surface, decoding: Decoding) -> tuple[Prompt, int]:
    """What the network writes behind, and how many tokens it may write."""
    device = _device(network)
    samples = sample_surface(seen, SKELETON_POINTS)
    points, normals = samples.points.astype(np.float32), samples.normals.astype(np.float32)
    queries = choose_queries(points, network.config.encoder.token_num)
    prefix = network.read_points(*(torch.from_numpy(array).to(device) for array in (points, normals, queries)))
    first = (VOCABULARY.bos, VOCABULARY.kinds[USUAL_KIND])
    room = network.config.decoder.max_positions - prefix.shape[1] - len(first)
    longest = min(decoding.max_new_tokens, room)
    return Prompt(prefix, first, StrictWalk(VOCABULARY, longest + len(first))), longest


def _flaw(written: Written, seen: Surface, most: int) -> str:
    """What makes a sequence unusable, "" for nothing. seen: the mesh in [−1, 1]. most: tokens that had room."""
    if not written.has_ended or most - len(written.tokens) < AXES:  # it ended because another bone had no room
        return "it did not come to an end"
    tree = decode(written.tokens)
    if len(tree.joints) > MOST_BONES:
        return f"{len(tree.joints)} bones, {MOST_BONES} are the most"
    if len(tree.joints) > 1 and np.ptp(tree.joints, axis=0).max() < 2 * LEAST_SPREAD:
        return "all joints at one place"
    low, high = seen.vertices.min(axis=0) - 2 * FAR_OUTSIDE, seen.vertices.max(axis=0) + 2 * FAR_OUTSIDE
    outside = int(((tree.joints < low) | (tree.joints > high)).any(axis=1).sum())
    return f"{outside} of {len(tree.joints)} joints far outside the mesh" if outside else ""


def _parts(network: SkeletonNetwork) -> list[nn.Module]:
    encoder = network.mesh_encoder["encoder"]
    return [encoder.cross_attn, *encoder.self_attn["resblocks"], *network.transformer.model["decoder"].layers]


def _device(network: SkeletonNetwork) -> torch.device:
    return next(network.parameters()).device
