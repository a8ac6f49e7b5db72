# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job may start from, the stages that it goes through then, who can do each, and which files are read.

Tables only: the HTTP process answers from them and must not import what they lead to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from inference_server.core.types import Engine, StageName

InputKind = Literal["image", "mesh", "mesh+image"]
DeviceKind = Literal["cuda", "mps", "cpu"]
# Whether the neural engine of a stage can run; otherwise what keeps it from that, the hardest to mend first.
NeuralState = Literal["ready", "no_library", "no_gpu", "no_weights"]

CHAINS: Mapping[InputKind, tuple[StageName, ...]] = {
    "image": ("normalize", "geometry", "texture", "rig", "export"),
    "mesh": ("rig", "export"),
    "mesh+image": ("normalize", "texture", "export"),
}
# Each of these is the module inference_server/stages/<stage>/<engine>.py.
ENGINES: Mapping[StageName, tuple[Engine, ...]] = {
    "normalize": ("draft", "neural"),
    "geometry": ("draft", "neural"),
    "texture": ("draft", "neural"),
    "rig": ("draft", "neural"),
    "export": ("blender",),
}
# The weights of each stage's networks, by the ids of models/manifest.toml: one set of each line is enough, its first is
# the one to fetch.
NEURAL_WEIGHTS: Mapping[StageName, tuple[tuple[str, ...], ...]] = {
    "normalize": (("birefnet-lite", "birefnet", "birefnet-matting"),),
    "geometry": (("step1x3d-geometry-label", "step1x3d-geometry"),),
    "texture": (("step1x3d-texture",), ("sdxl-base",), ("sdxl-vae-fp16-fix",)),
    "rig": (("unirig-skeleton",), ("unirig-skin",)),
}
# Their networks take hours on a CPU.
GPU_STAGES: tuple[StageName, ...] = ("geometry", "texture")
# By the names that Pillow gives them.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
MESH_SUFFIXES = (".obj", ".glb", ".gltf", ".fbx", ".ply", ".stl")
