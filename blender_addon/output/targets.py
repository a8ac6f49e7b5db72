# SPDX-License-Identifier: GPL-3.0-or-later
"""What each program wants of a figure's file: kind of file, names, axes, scale, root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .naming import Scheme

FileKind = Literal["FBX", "GLB", "VRM"]


@dataclass(frozen=True)
class Target:
    """suffix: of the file. scheme: names of bones. units_per_m: of the file's numbers. is_upright: the data itself has
    +Y up, so that no object carries a turn. has_root: one bone at the origin is above all others. needs_humanoid: other
    bodies are refused. is_t_posed: a humanoid's rest pose is a T-pose by default; needs_t_pose: always. stands_posed:
    the file's nodes stand in the present pose, not at rest. has_clips: the format has animations.
    """

    key: str
    label: str
    description: str
    kind: FileKind
    scheme: Scheme
    units_per_m: float = 1.0
    is_upright: bool = False
    has_root: bool = False
    needs_humanoid: bool = False
    is_t_posed: bool = False
    needs_t_pose: bool = False
    has_clips: bool = True

    @property
    def suffix(self) -> str:
        """With its point."""
        return f".{self.kind.lower()}"


TARGETS: dict[str, Target] = {
    target.key: target
    for target in (
        Target(
            "UNITY",
            "Unity",
            "FBX for Unity: its humanoid names, metres, no turned or scaled objects, a T-pose at rest",
            "FBX",
            "UNITY",
            is_upright=True,
            needs_humanoid=True,
            is_t_posed=True,
        ),
        Target(
            "UNREAL",
            "Unreal Engine",
            "FBX for Unreal: the mannequin's names, a root bone at the origin, centimetres",
            "FBX",
            "UNREAL",
            units_per_m=100.0,
            has_root=True,
        ),
        Target(
            "GODOT",
            "Godot",
            "GLB for Godot: the names of its humanoid profile",
            "GLB",
            "GODOT",
        ),
        Target(
            "VRM",
            "VRM 1.0",
            "An avatar: a VRM with its humanoid bones, its author and what others may do with it, in a T-pose",
            "VRM",
            "VRM",
            needs_humanoid=True,
            is_t_posed=True,
            needs_t_pose=True,
            has_clips=False,
        ),
        Target("GLTF", "glTF", "GLB for anything else: the names as they are", "GLB", "KEEP"),
    )
}
