# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the parts of Step1X-3D's geometry at the published size, with random weights, and prints one JSON document.

    python -m tests.bench.geometry [--device auto] [--part PART...] [--repeats N] [--chunks N] [--json FILE]

Each part runs in a process of its own, for its peak of memory; one that would not fit into the free memory is named and
left out. On a CPU each part runs plainly; on an accelerator with each option, too. The field that is decoded costs what
the network costs and has the shape of a ring and a ball, as random weights have none. With `--chunks` only so many
chunks of a decode go through the network, and its seconds are scaled to all: on a CPU it takes many minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.common.device import pick_device, usual_dtype
from models.common.isosurface import Cube, Sampler, sample_surface
from models.common.marching import march
from models.common.memory import GIB, free_memory, peak_resident_bytes
from models.step1x3d.geometry.conditioner import VisualEncoder
from models.step1x3d.geometry.config import TransformerConfig, VaeConfig, VisualEncoderConfig
from models.step1x3d.geometry.mesh_cleanup import Triangles, decimate, drop_floaters, open_edges
from models.step1x3d.geometry.picture import frame_subject
from models.step1x3d.geometry.sampler import Sampling, draw_noise, sample
from models.step1x3d.geometry.transformer import Denoiser
from models.step1x3d.geometry.vae import ShapeVae

TRANSFORMER = TransformerConfig(64, 1280, 12, 24, 20, 1024, True, 1024, False, 1024, False, 1024)
VAE = VaeConfig(2048, 3, 64, 8, 768, 12, 8, 16, 1.0)
VISUAL_ENCODER = VisualEncoderConfig(518, "facebook/dinov2-with-registers-large")
TOKENS = 1370
WALK_STEPS = 30
HALF_SIDE = 1.05
MOST_FACES = 200_000
CHUNK_POINTS = 65_536
SPREAD = 0.03  # of random weights: activations stay within half precision


STEP = Sampling(steps=2)  # the first evaluates nothing


@dataclass(frozen=True)
class Case:
    """One measurement. part: what runs. option: in words. dtype: name in torch, "" for the device's usual one."""

    part: str
    option: str = "plain"
    dtype: str = ""
    sampling: Sampling = STEP
    is_compiled: bool = False
    chunk_points: int = CHUNK_POINTS
    chunks: int = 0


WALK = Sampling(steps=WALK_STEPS)
PLAIN = tuple(Case(part) for part in ("conditioning", "dit_step", "decode_256", "decode_384", "extraction"))
# What an accelerator is for, and what each option changes.
OPTIONS = (
    Case("conditioning", "float32", "float32"),
    Case("dit_step", "float32", "float32"),
    Case("dit_step", "bfloat16", "bfloat16"),
    Case("dit_step", "guided pair split", sampling=replace(STEP, is_split=True)),
    Case("dit_step", "compiled", is_compiled=True),
    Case("walk", "plain", sampling=WALK),
    Case("walk", "first step evaluated", sampling=replace(WALK, zero_init=False)),
    Case("walk", "guidance from 0.8 to 0.1", sampling=replace(WALK, guidance_interval=(0.1, 0.8))),
    Case("walk", "first-block cache 0.1", sampling=replace(WALK, cache_threshold=0.1)),
    Case("decode_384", "float32", "float32"),
    Case("decode_384", "chunks of 4,096", chunk_points=4096),
)
PARAMETERS = {"conditioning": 304_000_000, "dit_step": 1_316_287_808, "walk": 1_316_287_808}
DECODER_PARAMETERS = 118_000_000
SCRATCH_BYTES = {"conditioning": GIB, "dit_step": 2 * GIB, "walk": 2 * GIB, "extraction": 3 * GIB}
DECODE_SCRATCH_BYTES = 4 * GIB


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--part", action="append", help="only this part; may be given again")
    parser.add_argument("--repeats", type=int, help="of short parts; 1 on a CPU, else 5")
    parser.add_argument("--chunks", type=int, default=0, help="of a decode that the network is asked; 0 for all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = pick_device(options.device)
    repeats = options.repeats or (1 if device.type == "cpu" else 5)
    cases = PLAIN if device.type == "cpu" else PLAIN + OPTIONS
    if options.case is not None:
        print(json.dumps(measure(replace(cases[options.case], chunks=options.chunks), device, repeats)))
        return 0
    chosen = [number for number, case in enumerate(cases) if not options.part or case.part in options.part]
    document = {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "parts": [run_case(cases, number, device, (repeats, options.chunks)) for number in chosen],
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


def device_name(device: torch.device) -> str:
    """What it is called in a shop, as far as it says."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}: {platform.processor() or platform.machine()}"


def run_case(cases: tuple[Case, ...], number: int, device: torch.device, times: tuple[int, int]) -> dict[str, Any]:
    """One case in a process of its own. times: repeats and chunks."""
    case = cases[number]
    shown = {"part": case.part, "option": case.option}
    needed, free = needed_bytes(case, device), free_memory(device).device_bytes
    if needed > free:
        return {**shown, "left_out": f"needs about {needed / GIB:.1f} GiB, {free / GIB:.1f} GiB are free"}
    command = [sys.executable, "-m", "tests.bench.geometry", "--device", str(device), "--case", str(number)]
    done = subprocess.run(
        [*command, "--repeats", str(times[0]), "--chunks", str(times[1])], capture_output=True, text=True
    )
    if done.returncode:
        return {**shown, "failed": done.stderr.strip().splitlines()[-1]}
    return {**shown, **json.loads(done.stdout)}


def needed_bytes(case: Case, device: torch.device) -> int:
    """About what the part takes where it computes."""
    itemsize = dtype_of(case, device).itemsize
    weights = PARAMETERS.get(case.part, DECODER_PARAMETERS if case.part.startswith("decode") else 0)
    scratch = SCRATCH_BYTES.get(case.part, DECODE_SCRATCH_BYTES)
    return weights * itemsize + scratch * itemsize // 4


def dtype_of(case: Case, device: torch.device) -> torch.dtype:
    return getattr(torch, case.dtype) if case.dtype else usual_dtype(device)


@torch.inference_mode()
def measure(case: Case, device: torch.device, repeats: int) -> dict[str, Any]:
    """Seconds and peaks of one case, with what else is worth knowing."""
    torch.manual_seed(0)
    work, facts = PARTS[case.part](case, device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    before_bytes = peak_resident_bytes()
    if repeats > 1:
        work()
    synchronize(device)
    repeats = 1 if case.part.startswith(("decode", "walk", "extraction")) else repeats
    started, started_cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        facts |= work() or {}
    synchronize(device)
    return {
        "dtype": str(dtype_of(case, device)).removeprefix("torch."),
        "seconds": round((time.perf_counter() - started) / repeats, 3),
        "cpu_seconds": round((time.process_time() - started_cpu) / repeats, 3),
        "device_peak_mib": torch.cuda.max_memory_allocated(device) >> 20 if device.type == "cuda" else None,
        "process_peak_mib": peak_resident_bytes() >> 20,
        "before_mib": before_bytes >> 20,
        **facts,
    }


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


Work = tuple[Callable[[], dict[str, Any] | None], dict[str, Any]]


def random_network(build: Callable[[], nn.Module], case: Case, device: torch.device) -> Any:
    """A network with random weights, made where it runs."""
    with torch.device("meta"):
        network = build()
    network = network.to(dtype_of(case, device)).to_empty(device=device).eval()
    for parameter in network.parameters():
        parameter.uniform_(-SPREAD, SPREAD)
    return network


def prepare_conditioning(case: Case, device: torch.device) -> Work:
    network = random_network(lambda: VisualEncoder(VISUAL_ENCODER), case, device)
    picture = frame_subject(np.full((1024, 1024, 4), 200, np.uint8))
    return lambda: {"tokens": network.encode(picture).shape[1]}, {}


def prepare_walk(case: Case, device: torch.device) -> Work:
    """The flow. `dit_step` walks two steps, of which the first evaluates nothing."""
    network = random_network(lambda: Denoiser(TRANSFORMER), case, device)
    if case.is_compiled:
        for block in (*network.dit_model.transformer_blocks, *network.dit_model.single_transformer_blocks):
            block.compile()
    noise = draw_noise((1, VAE.num_latents, VAE.embed_dim), 0).to(device)
    conditions = {"visual": torch.randn(1, TOKENS, 1024, device=device, dtype=dtype_of(case, device))}

    def work() -> None:
        sample(network, noise, conditions, case.sampling)

    return work, {"sampling": {name: value for name, value in asdict(case.sampling).items()}}


def prepare_decode(case: Case, device: torch.device) -> Work:
    """Latents to the sampled field."""
    network = random_network(lambda: ShapeVae(VAE, has_encoder=False), case, device)
    latents = torch.randn(1, VAE.num_latents, VAE.embed_dim, device=device)
    resolution = int(case.part.rpartition("_")[2])

    def work() -> dict[str, Any]:
        query, asked, spent = network.decode(latents).query, [], []

        def field(points: Tensor) -> Tensor:
            shape = ring_and_ball(points)
            if not case.chunks or len(asked) < case.chunks:
                started = time.process_time()
                shape = shape + 0 * query(points).cpu()
                asked.append(len(points))
                spent.append(time.process_time() - started)
            return shape

        sampler = Sampler(field, HALF_SIDE, case.chunk_points)
        queries = sample_surface(sampler, Cube(HALF_SIDE, resolution)).queries
        found = {"queries": queries, "share_of_dense": round(sum(queries) / (resolution + 1) ** 3, 4)}
        if case.chunks:
            found["network_cpu_seconds_scaled"] = round(sum(spent) * sum(queries) / sum(asked), 1)
            found["scaled_from_queries"] = sum(asked)
        return found

    return work, {}


def prepare_extraction(case: Case, device: torch.device) -> Work:
    """The sampled field at 384 to the finished mesh, on the CPU."""
    cube = Cube(HALF_SIDE, 384)
    values = sample_surface(Sampler(ring_and_ball, HALF_SIDE, CHUNK_POINTS), cube).values

    def work() -> dict[str, Any]:
        marched = march(values, cube)
        whole, _ = drop_floaters(Triangles(marched.vertices, marched.faces))
        reduced = decimate(whole, MOST_FACES)
        return {"faces": [len(whole.faces), len(reduced.faces)], "open_edges": open_edges(reduced)}

    return work, {}


def ring_and_ball(points: Tensor) -> Tensor:
    """(N, 3) → (N,): a truncated signed field, positive inside."""
    x, y, z = points.T
    ring = torch.hypot(torch.hypot(0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x) - 0.55, z) - 0.2
    ball = (points - torch.tensor([0.35, -0.3, 0.55])).norm(dim=1) - 0.22
    return (-torch.minimum(ring, ball) / 0.08).clamp(-1, 1)


PARTS: dict[str, Callable[[Case, torch.device], Work]] = {
    "conditioning": prepare_conditioning,
    "dit_step": prepare_walk,
    "walk": prepare_walk,
    "decode_256": prepare_decode,
    "decode_384": prepare_decode,
    "extraction": prepare_extraction,
}


if __name__ == "__main__":
    sys.exit(main())
