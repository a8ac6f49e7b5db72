# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a clip as it is played: feet that stay where they stand, bones that do not jump, skin that bears it.

A point of a foot's skin (what foot and toes carry by nine tenths or more) stands while it is less than CONTACT above
the floor. The floor goes backwards under the figure at the clip's speed. How far the point moves on that floor while it
stands, between any two frames of that time, is its slide; a foot's is its worst point's. Lengths are those of a figure
of 1.7 m.

    python -m tests.integration.clip_measures FOLDERS.json      {name: folder of a finished job}; writes measured.json
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_addon.animation import settings
from blender_addon.animation.actions import FIRST_FRAME
from blender_addon.animation.clips import clips_of
from blender_addon.animation.player import SPEED_PROPERTY, playing
from blender_addon.operators import animate_clear, animate_clip, animate_retarget
from blender_addon.pose.rig import PosableRig, read_rig
from blender_addon.pose.rotations import axis_angle
from blender_addon.pose.skeleton import SIDES, sided
from blender_addon.pose.solve import locals_of
from tests.integration.addon_contents import weights_of
from tests.integration.pose_measures import Skin, bring_folder, flips_of, register_pose_operators

HEIGHT_m = 1.7
CONTACT_m = 0.01
CARRIED = 0.9  # by foot and toes together, to be part of the foot
STRETCH_EVERY = 3  # frames
START = {"humanoid": "a_pose", "quadruped": "attention"}
_CLASSES = (*settings.CLASSES, *animate_clip.CLASSES, *animate_clear.CLASSES, *animate_retarget.CLASSES)


def register_animation() -> None:
    """Where the add-on as a whole is not switched on."""
    register_pose_operators()
    for kind in _CLASSES:
        if not getattr(kind, "is_registered", False):
            bpy.utils.register_class(kind)
    settings.add_settings()


def cycle_of(rig: bpy.types.Object) -> range:
    """The scene's frames in which the clip is played for the first time, its end included."""
    action = playing(rig)
    start = bpy.context.scene.frame_start
    return range(start, start + int(action.frame_end) - FIRST_FRAME + 1)


def play_through(rig: bpy.types.Object, skin: Skin) -> tuple[np.ndarray, list[np.ndarray]]:
    """The skin (F, V, 3), and each bone's turn against its parent (J, 3, 3), at every frame of the cycle."""
    points, turns = [], []
    posable = read_rig(rig)
    for frame in cycle_of(rig):
        bpy.context.scene.frame_set(frame)
        points.append(skin.points())
        turns.append(locals_of(posable.skeleton, posable.turns()))
    return np.array(points), turns


def measure_clips(rig: bpy.types.Object, keys: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """By clip: stretch, faults, jump_deg between two frames, gap_m where the loop closes, slide_m, low_m."""
    bpy.context.view_layer.objects.active = rig
    posable = read_rig(rig)
    kind, skin = posable.skeleton.kind, Skin(rig)
    rest = skin.points()
    scale = HEIGHT_m / float(np.ptp(rest[:, 2]))
    before = rest
    if kind in START:
        bpy.ops.figurine.apply_pose(pose=START[kind])
        before = skin.points()
        bpy.ops.figurine.reset_pose()
    found, feet = {}, feet_of(rig, posable)
    for key in keys or clips_of(kind):
        assert bpy.ops.figurine.apply_clip(clip=key) == {"FINISHED"}
        points, turns = play_through(rig, skin)
        jumps = [_jump_deg(one, other) for one, other in itertools.pairwise(turns)]
        found[key] = {
            "stretch": max(_stretch(skin, before, frame) for frame in points[::STRETCH_EVERY]),
            "faults": _faults(rig, posable),
            "jump_deg": max(jumps),
            "gap_m": float(np.abs(points[-1] - points[0]).max()) * scale,
            "slide_m": max(
                (slide(points[:, foot], rest[:, 2].min(), speed_of(rig), scale) for foot in feet), default=0.0
            ),
            "low_m": float(
                min((points[:, foot, 2].min() for foot in feet), default=rest[:, 2].min()) - rest[:, 2].min()
            )
            * scale,
            "speed_m_s": float(playing(rig)[SPEED_PROPERTY]) * scale,
        }
    return found


def speed_of(rig: bpy.types.Object) -> np.ndarray:
    """How far the floor goes in a frame, (3,), the world's."""
    back = read_rig(rig).to_character[1]
    scene = bpy.context.scene
    return back * playing(rig)[SPEED_PROPERTY] * scene.render.fps_base / scene.render.fps


def feet_of(rig: bpy.types.Object, posable: PosableRig) -> list[np.ndarray]:
    """The vertices that each foot carries: what hangs on both feet, or on a hand, is a skirt or a sword."""
    weights = weights_of(Skin(rig).figure, list(posable.skeleton.names))
    by_role = posable.skeleton.by_role
    feet = []
    for side in SIDES:
        for parts in (("foot", "toes"), ("frontPaw",), ("backPaw",)):
            bones = [by_role[role] for part in parts if (role := sided(part, side)) in by_role]
            if bones:
                feet.append(np.flatnonzero(weights[:, bones].sum(axis=1) >= CARRIED))
    return [foot for foot in feet if len(foot)]


def slide(points: np.ndarray, floor: float, speed: np.ndarray, scale: float) -> float:  # (F, V, 3)
    """In metres of a figure of 1.7 m; see the module's head."""
    frames = np.arange(len(points))[:, None, None]
    ground = (points - frames * speed)[..., :2] * scale
    stands = (points[..., 2] - floor) * scale < CONTACT_m
    worst = 0.0
    for vertex in range(points.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], stands[:, vertex], [False]]).astype(int)))
        for start, end in edges.reshape(-1, 2):
            where = ground[start:end, vertex]
            worst = max(worst, float(np.linalg.norm(where[:, None] - where[None], axis=-1).max()))
    return worst


def _stretch(skin: Skin, before: np.ndarray, points: np.ndarray) -> float:
    lengths = [np.linalg.norm(p[skin.edges[:, 0]] - p[skin.edges[:, 1]], axis=1) for p in (points, before)]
    return float(np.percentile(lengths[0] / lengths[1], 99))


def _jump_deg(one: np.ndarray, other: np.ndarray) -> float:
    return max(float(np.degrees(axis_angle(a.T @ b)[1])) for a, b in zip(one, other, strict=True))


def _faults(rig: bpy.types.Object, posable: PosableRig) -> list[str]:
    """Over the whole cycle: limbs on the other side, bones that turn about themselves by more than a body can."""
    found = set()
    for frame in cycle_of(rig)[::STRETCH_EVERY]:
        bpy.context.scene.frame_set(frame)
        found |= set(flips_of(posable)) | set(sides_of(rig, posable))
    return sorted(found)


def sides_of(rig: bpy.types.Object, posable: PosableRig) -> list[str]:
    """Joints of arms and legs that are on the other's side."""
    found = []
    for part in ("upperArm", "lowerArm", "upperLeg", "lowerLeg", "foot", "frontUpperLeg", "backUpperLeg"):
        left, right = (posable.skeleton.by_role.get(sided(part, side)) for side in SIDES)
        if left is not None and right is not None:
            heads = [rig.pose.bones[posable.skeleton.names[bone]].head for bone in (left, right)]
            if (posable.to_character @ np.array(heads[0] - heads[1]))[0] <= 0:
                found.append(f"{sided(part, 'left')} is on the other side")
    return found


def main(folders: Path) -> None:
    """measured.json beside a file of folders by name: what is found of each."""
    measured = {}
    for name, folder in json.loads(folders.read_text(encoding="utf-8")).items():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        register_animation()
        measured[name] = measure_clips(bring_folder(Path(folder), name))
    folders.with_name("measured.json").write_text(json.dumps(measured, default=list), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # without Blender's own clean-up, which has crashed after finished work
