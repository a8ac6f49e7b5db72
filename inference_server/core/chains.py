# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job may start from, the stages that it goes through then, who can do each, and which files are read.

Tables only: the HTTP process answers from them and must not import what they lead to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from inference_server.core.types import Engine, StageName

InputKind = Literal["image", "mesh", "mesh+image"]

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
# By the names that Pillow gives them.
PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF")
MESH_SUFFIXES = (".obj", ".glb", ".gltf", ".fbx", ".ply", ".stl")
