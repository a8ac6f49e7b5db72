# SPDX-License-Identifier: GPL-3.0-or-later
"""Times UniRig's parts at their published size, with random weights, on whatever device is present.

    python -m tests.bench.rig [--device auto] [--points 32768] [--bones 52] [--tokens 32] [--json FILE] [--only PART]

Prints JSON: wall and processor seconds and peak memory (allocated on the GPU, resident on the CPU) of each part, and
how the cost of convolution and attention grows with the number of points. Random weights bind nothing sensibly, but
every tensor has its size.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh

from inference_server.core.metering import Meter
from models.common.device import pick_device
from models.unirig.config import PUBLISHED_SKELETON
from models.unirig.point_encoder import choose_queries
from models.unirig.point_transformer import patch_attention
from models.unirig.postprocess import SampledSkin, transfer_skin
from models.unirig.preprocess import SKELETON_POINTS, SKIN_POINTS, fit_box, reduce_mesh, sample_surface
from models.unirig.serialization import curve_codes, curve_depth, curve_orders, grid_coordinates, padded_patches
from models.unirig.skeleton import SkeletonNetwork
from models.unirig.skin import SkinFeatures, SkinNetwork
from models.unirig.skin_config import PUBLISHED_SKIN
from models.unirig.skinning import bring_back
from models.unirig.submanifold import link_voxels, submanifold_conv
from models.unirig.voxel_prior import estimate_prior

SIZES = (4_096, 8_192, 16_384, 32_768, 65_536)
CHANNELS, HEADS, PATCH = 64, 4, 1024
REPEATS = 3
LARGE_FACES = 1_000_000  # of a mesh that is reduced, and whose vertices get the weights back
BEAMS = 15


@dataclass
class Ledger:
    """Figures of each part."""

    device: torch.device
    parts: dict[str, dict[str, float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Run the work once and note what it took."""
        is_cuda = self.device.type == "cuda"
        if is_cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        processor_s = time.process_time()
        with Meter() as meter:
            result = work()
            if is_cuda:
                torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() if is_cuda else meter.peak_bytes
        self.parts[name] = {
            "seconds": round(meter.seconds, 3),
            "processor_s": round(time.process_time() - processor_s, 3),
            "peak_mib": peak >> 20,
        }
        print(f"{name}: {self.parts[name]}", file=sys.stderr, flush=True)
        return result


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--points", type=int, default=SKIN_POINTS)
    parser.add_argument("--bones", type=int, default=52)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--only", choices=("growth", "mesh", "skin", "skeleton"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ledger = Ledger(pick_device(options.device))
    torch.manual_seed(0)
    works = {"growth": measure_growth, "mesh": time_mesh, "skin": time_skin, "skeleton": time_skeleton}
    found: dict[str, Any] = {"device": str(ledger.device), "threads": torch.get_num_threads()}
    found |= {name: getattr(options, name) for name in ("points", "bones", "tokens")}
    with (
        torch.inference_mode(),
        torch.autocast(ledger.device.type, torch.bfloat16, enabled=ledger.device.type == "cuda"),
    ):
        for name in [options.only] if options.only else works:
            found |= works[name](ledger, options)
    found["parts"] = ledger.parts
    text = json.dumps(found, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text, encoding="utf-8")
    return 0


def body() -> trimesh.Trimesh:
    """A figure of overlapping limbs, about 100,000 faces, 1.8 high."""
    limbs = [((0, 0, 0.9), 0.2, 0.7), ((0.12, 0, 0), 0.08, 0.8), ((-0.12, 0, 0), 0.08, 0.8), ((0, 0, 1.65), 0.13, 0.01)]
    parts = [
        trimesh.creation.capsule(height, radius, count=[128, 128]).apply_translation(place)
        for place, radius, height in limbs
    ]
    arms = trimesh.creation.capsule(1.4, 0.06, count=[96, 96])
    arms.apply_transform(trimesh.transformations.rotation_matrix(math.pi / 2, (0, 1, 0)))
    parts.append(arms.apply_translation((-0.7, 0, 1.4)))
    return trimesh.util.concatenate(parts)


def bones(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Heads (J, 3) along the trunk and the arms, and parents (J,)."""
    share = np.linspace(-1, 1, count, dtype=np.float32)
    heads = np.stack((0.7 * share, 0 * share, 1.4 - 0.5 * np.abs(share[::-1])), axis=1)
    return heads, np.maximum(np.arange(count) - 1, -1)


def measure_growth(ledger: Ledger, options: argparse.Namespace) -> dict[str, Any]:
    """Processor seconds of both kernels' links, a convolution and an attention, and their share of n log n.

    The voxels shrink as the points grow, so that a point has about as many neighbours in every row; with the published
    voxels (`convolution_fixed`) more points also have more neighbours. What the convolution multiplies is pairs: each
    point with itself, and each occupied voxel with those of its 26 neighbours that are occupied.
    """
    surface = reduce_mesh(body().vertices.astype(np.float32), body().faces)
    rows = []
    for size in SIZES:
        points = torch.from_numpy(sample_surface(surface, size).points.astype(np.float32)).to(ledger.device)
        fixed = grid_coordinates(points, PUBLISHED_SKIN.grid_size)
        grid = grid_coordinates(points, PUBLISHED_SKIN.grid_size * math.sqrt(SKIN_POINTS / size))
        features = torch.randn(size, CHANNELS, device=ledger.device)
        weight = torch.randn(CHANNELS, 3, 3, 3, CHANNELS, device=ledger.device)
        q, k, v = torch.randn(3, size, HEADS, CHANNELS // HEADS, device=ledger.device)
        all_links = {"convolution": link_voxels(grid, 3), "convolution_fixed": link_voxels(fixed, 3)}
        order = curve_orders(curve_codes(grid, curve_depth(grid)))[0].order[padded_patches(size, PATCH, ledger.device)]
        works = {
            "links": lambda grid=grid: (link_voxels(grid, 3), link_voxels(grid, 5)),
            **{
                name: lambda x=features, w=weight, links=each: submanifold_conv(x, w, None, links)
                for name, each in all_links.items()
            },
            "attention": lambda q=q, k=k, v=v, order=order: patch_attention(q, k, v, order),
        }
        pairs = {name: size + sum(len(to) for to, _ in each.taps) for name, each in all_links.items()}
        seconds = {name: best_seconds(work, ledger.device) for name, work in works.items()}
        rows.append(
            {"points": size}
            | seconds
            | {f"{name}_pairs_a_point": round(count / size, 2) for name, count in pairs.items()}
            | {f"{name}_ns_a_pair": round(seconds[name] / count * 1e9) for name, count in pairs.items()}
        )
    for row in rows:
        scale = row["points"] * math.log2(row["points"]) / (SIZES[0] * math.log2(SIZES[0]))
        row |= {f"{name}_of_n_log_n": round(row[name] / rows[0][name] / scale, 2) for name in works}
    return {"growth": rows}


def best_seconds(work: Callable[[], Any], device: torch.device) -> float:
    """The least of a few: processor time on the CPU, where others work too; wall time on the GPU."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    taken = []
    for _ in range(REPEATS):
        started = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(clock() - started)
    return round(min(taken), 5)


def time_mesh(ledger: Ledger, options: argparse.Namespace) -> dict[str, Any]:
    """What is done on the processor around the networks, for a mesh of a million faces."""
    large = body()
    while len(large.faces) < LARGE_FACES:
        large = large.subdivide()
    vertices = large.vertices.astype(np.float32)
    surface = ledger.time("reduce", lambda: reduce_mesh(vertices, large.faces))
    heads, parents = bones(options.bones)
    scaling = fit_box(np.concatenate((surface.vertices, heads)))
    places, joints = scaling.apply(surface.vertices), scaling.apply(heads)
    prior = ledger.time("voxel prior", lambda: estimate_prior(places, surface.faces, joints))
    samples = ledger.time("samples", lambda: sample_surface(surface, options.points))
    sampled = SampledSkin(scaling.apply(samples.points), samples.interpolate(prior, surface.faces))
    skin = ledger.time("transfer", lambda: transfer_skin(sampled, places, surface.faces, parents))
    ledger.time("bring back", lambda: bring_back(scaling.apply(vertices), (places, surface.faces), skin))
    return {"large_mesh_faces": len(large.faces), "reduced_faces": len(surface.faces)}


def time_skin(ledger: Ledger, options: argparse.Namespace) -> dict[str, Any]:
    """The skin network, part by part."""
    network = SkinNetwork(PUBLISHED_SKIN).to(ledger.device).eval()
    surface = reduce_mesh(body().vertices.astype(np.float32), body().faces)
    samples = sample_surface(surface, options.points)
    heads, parents = bones(options.bones)
    scaling = fit_box(surface.vertices)
    points, normals, joints = (
        torch.from_numpy(np.asarray(array, np.float32)).to(ledger.device)
        for array in (scaling.apply(samples.points), samples.normals, scaling.apply(heads))
    )
    prior = torch.full((options.points, options.bones), 1 / options.bones, device=ledger.device)
    parts = {
        "point transformer": network.mesh_encoder,
        "shape encoder": network.global_encoder["encoder"],
        "bone encoder": network.bone_encoder,
    }
    for name, part in parts.items():
        plain = part.forward
        part.forward = lambda *given, name=name, plain=plain: ledger.time(name, lambda: plain(*given))
    features = ledger.time("skin network without its head", lambda: network.encode(points, normals, joints))
    every = torch.from_numpy(parents).to(ledger.device)

    def decode() -> None:
        for start in range(0, options.points, network.chunk):
            rows = slice(start, start + network.chunk)
            network.decode(SkinFeatures(features.points[rows], features.bones), prior[rows], every)

    ledger.time("skin head", decode)
    return {"skin_parameters": sum(parameter.numel() for parameter in network.parameters())}


def time_skeleton(ledger: Ledger, options: argparse.Namespace) -> dict[str, Any]:
    """The skeleton network: its prefix, then tokens for all beams."""
    network = SkeletonNetwork(PUBLISHED_SKELETON).to(ledger.device).eval()
    surface = reduce_mesh(body().vertices.astype(np.float32), body().faces)
    samples = sample_surface(surface, SKELETON_POINTS)
    places = fit_box(surface.vertices).apply(samples.points)
    queries = torch.from_numpy(
        ledger.time("farthest points", lambda: choose_queries(places, PUBLISHED_SKELETON.encoder.token_num))
    ).to(ledger.device)
    points, normals = (torch.from_numpy(np.asarray(x, np.float32)).to(ledger.device) for x in (places, samples.normals))
    prefix = ledger.time("points read", lambda: network.read_points(points, normals, queries))
    first = torch.tensor([257, 266], device=ledger.device)
    _, memory = ledger.time("prefix read", lambda: network.start(prefix, first))
    beams = torch.full((BEAMS,), 128, device=ledger.device)

    def write() -> None:
        for _ in range(options.tokens):
            network.step(beams, memory)

    ledger.time(f"{options.tokens} tokens of {BEAMS} beams", write)
    return {"skeleton_parameters": sum(parameter.numel() for parameter in network.parameters())}


if __name__ == "__main__":
    sys.exit(main())
