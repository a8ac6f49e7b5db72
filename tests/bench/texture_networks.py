# SPDX-License-Identifier: GPL-3.0-or-later
"""Times Step1X-3D's texture networks at their published size with random weights, each part in a process of its own.

    python -m tests.bench.texture_networks [--view-px 768] [--device auto] [--only PART …]

Prints JSON: seconds and the peak of memory of each part, on the device if it has memory of its own. The UNet is run
for one half of the guidance; on a CPU, where a step at 768 px takes minutes, choose smaller views.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from models.common.device import pick_device
from models.step1x3d.texture.attention import VIEWS
from models.step1x3d.texture.denoiser import SDXL_UNET, MultiViewDenoiser, Words

PARTS = ("words", "reference", "view", "control", "remember", "predict")
TOKENS = 77
BLOCK = 1 << 20
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
FIRST_ENCODER = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
SECOND_ENCODER = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--view-px", type=int, default=768)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--measure", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.view_px, pick_device(options.device))))
        return 0
    rows = []
    for part in options.only:
        command = [sys.executable, "-m", "tests.bench.texture_networks", "--measure", part]
        command += ["--view-px", str(options.view_px), "--device", options.device]
        done = subprocess.run(command, capture_output=True, text=True)
        rows.append(json.loads(done.stdout) if done.returncode == 0 else {"part": part, "failed": done.returncode})
        print(json.dumps(rows[-1]), flush=True)
    return int(any("failed" in row for row in rows))


@torch.inference_mode()
def measure(part: str, view_px: int, device: torch.device) -> dict[str, Any]:
    """One part, made and run once."""
    dtype = torch.float16 if device.type == "cuda" else torch.bfloat16
    latent = view_px // 8

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    if part == "words":
        work = _words(device)
    elif part in ("reference", "view"):
        vae = _random(lambda: AutoencoderKL(**VAE), device, dtype)
        picture, cells = noise(1, 3, view_px, view_px), noise(1, 4, latent, latent)
        work = (lambda: vae.encode(picture)) if part == "reference" else (lambda: vae.decode(cells))
    else:
        work = _denoising(part, view_px, noise, _random(lambda: MultiViewDenoiser(SDXL_UNET), device, dtype))
    wall, processor = time.perf_counter(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return {
        "part": part,
        "view_px": view_px,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "seconds": round(time.perf_counter() - wall, 2),
        "processor_seconds": round(time.process_time() - processor, 2),
        "peak_mib": _peak_mib(device),
    }


def _words(device: torch.device) -> Callable[[], Any]:
    encoders = [
        _random(lambda: CLIPTextModel(CLIPTextConfig(**FIRST_ENCODER)), device, torch.float32),
        _random(
            lambda: CLIPTextModelWithProjection(CLIPTextConfig(**SECOND_ENCODER, projection_dim=1280)),
            device,
            torch.float32,
        ),
    ]
    ids = torch.randint(0, 1000, (2, TOKENS), device=device)
    return lambda: [encoder(ids, output_hidden_states=True) for encoder in encoders]


def _denoising(part: str, view_px: int, noise: Callable[..., Any], network: MultiViewDenoiser) -> Callable[[], Any]:
    latent = view_px // 8
    words = Words(noise(1, TOKENS, 2048), noise(1, 1280), noise(1, 6))
    control = noise(VIEWS, 6, view_px, view_px)
    if part == "control":
        return lambda: network.control_features(control)
    if part == "remember":
        return lambda: network.remember(noise(1, 4, latent, latent), words)
    network.remember(noise(1, 4, latent, latent), words)
    features = network.control_features(control)
    return lambda: network(noise(VIEWS, 4, latent, latent), 501, [words], features, [True])


def _random(make: Callable[[], nn.Module], device: torch.device, dtype: torch.dtype) -> Any:
    """A network with small random weights, never twice in memory. One block of chance serves for all: drawing billions
    of numbers takes a CPU many minutes.
    """
    with torch.device("meta"):
        network = make()
    network = network.to(dtype).to_empty(device=device).eval()
    block = torch.randn(BLOCK, device=device).mul_(0.02).to(dtype)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            for part in tensor.view(-1).split(BLOCK):
                part.copy_(block[: len(part)])
        else:
            tensor.copy_(torch.arange(tensor.numel(), device=device).view_as(tensor))
    return network


def _peak_mib(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() >> 20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    sys.exit(main())
