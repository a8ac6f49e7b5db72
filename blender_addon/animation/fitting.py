# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fitting of clips asks of Blender: the skin of the feet, and the scene's frames."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from ..pose.bound import meshes_of
from ..pose.rig import PosableRig, read_rig
from ..pose.solve import locals_of
from ..vertex_groups import points_of, read_bone_weights
from .clips import Clip
from .legs import sole_parts
from .motion import Motion, Pace, fit_clip
from .soles import Sole, find_soles
from .source import SourceClip
from .transfer import Wish, transfer_clip

# A cycle of fewer frames has lost its steps.
LEAST_FRAMES = 8
# Feet are within this share of the height.
_LOW = 0.4


def fit(armature: bpy.types.Object, clip: Clip, speed: float, amplitude: float) -> tuple[PosableRig, Motion]:
    """A clip for this rig, at the scene's frame rate. speed: 2 is twice as fast."""
    rig = read_rig(armature)
    fps = frames_per_second(bpy.context.scene)
    frames = max(LEAST_FRAMES, round(clip.seconds / speed * fps))
    pace = Pace(frames, amplitude, frames / fps)
    return rig, fit_clip(rig.skeleton, read_soles(rig), clip, pace, locals_of(rig.skeleton, rig.turns()))


def fit_source(
    armature: bpy.types.Object, source: SourceClip, speed: float, in_place: bool
) -> tuple[PosableRig, Motion]:
    """The clip of another skeleton for this rig, at the scene's frame rate."""
    rig = read_rig(armature)
    wish = Wish(frames_per_second(bpy.context.scene), speed, in_place)
    now = locals_of(rig.skeleton, rig.turns())
    return rig, transfer_clip(rig.skeleton, read_soles(rig), source, wish, now)


def frames_per_second(scene: bpy.types.Scene) -> float:
    """As it is played and rendered."""
    return float(scene.render.fps / scene.render.fps_base)


def read_soles(rig: PosableRig) -> dict[str, Sole]:
    """By the foot's role; from the skin at rest, in the character's frame."""
    parts = sole_parts(rig.skeleton.kind)
    feet = [rig.skeleton.by_role[role] for roles in parts.values() for role in roles if role in rig.skeleton.by_role]
    points, owners = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for figure in meshes_of(rig.armature, bpy.context.scene) if feet else ():
        where = _rest_points(figure, rig)
        points.append(where)
        owners.append(_owners(figure, rig, where))
    return find_soles(rig.skeleton, np.concatenate(points), np.concatenate(owners), parts)


def _rest_points(figure: bpy.types.Object, rig: PosableRig) -> NDArray[np.float64]:
    matrix = np.array(rig.armature.matrix_world.inverted() @ figure.matrix_world)
    within = points_of(figure.data) @ matrix[:3, :3].T + matrix[:3, 3]
    found: NDArray[np.float64] = within @ rig.to_character.T
    return found


def _owners(figure: bpy.types.Object, rig: PosableRig, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(V,): the bone that carries most of each low vertex, −1 for none and for high ones."""
    held = read_bone_weights(figure, figure.data, {name: bone for bone, name in enumerate(rig.skeleton.names)})
    owners = np.full(len(points), -1, np.int64)
    is_most = held.places == 0
    owners[held.vertices[is_most]] = held.bones[is_most]
    if len(points):
        owners[points[:, 2] >= points[:, 2].min() + _LOW * np.ptp(points[:, 2])] = -1
    return owners
