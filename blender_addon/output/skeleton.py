# SPDX-License-Identifier: GPL-3.0-or-later
"""The skeleton as it goes into a file: which bones, what they are called, where they rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from ..figure.armature import ROLE_PROPERTY
from ..pose.library import body_poses, hand_poses
from ..pose.rig import body_kind, read_rig, role_of
from ..pose.skeleton import SIDES
from ..pose.solve import locals_of, solve_body, solve_hand
from ..skeleton_map import ROOT
from .naming import Scheme, bone_names, humanoid_parents, missing_bones
from .subject import carried_bones
from .targets import Target
from .workshop import Workshop

_FINGERS = "MiddleProximal"
# A root that is so near to the origin, as a share of the figure's reach, is the root that Unreal wants.
_AT_ORIGIN = 1e-3
_ROOT_LENGTH = 0.1  # of the figure's reach
_QUARTER = np.diag([1.0, 0.0, 0.0, 1.0])
_QUARTER[1, 2], _QUARTER[2, 1] = 1.0, -1.0  # +Z up to +Y up


@dataclass(frozen=True, eq=False)
class FileSkeleton:
    """sources: the bones' names in Blender, "" for a root that was added. names, roles: in the file. parents: −1 for
    none, in any order. rests: (J, 4, 4) without scale, in the file's space and unit. lengths: (J,). to_file: (4, 4),
    from the armature's space. is_upright: the file's space has +Y up.
    """

    sources: tuple[str, ...]
    names: tuple[str, ...]
    roles: tuple[str, ...]
    parents: tuple[int, ...]
    rests: np.ndarray
    lengths: np.ndarray
    to_file: np.ndarray
    is_upright: bool

    @property
    def by_source(self) -> dict[str, int]:
        """Place of each bone by its name in Blender."""
        return {name: place for place, name in enumerate(self.sources) if name}

    def in_file(self, matrices: np.ndarray) -> np.ndarray:  # (..., J, 4, 4) of the sources, in the armature's space
        """(…, J, 4, 4) in the file's space, without its unit in their scale; an added root rests."""
        scale = np.cbrt(np.linalg.det(self.to_file[:3, :3]))
        found = self.to_file @ matrices @ np.diag([1 / scale] * 3 + [1.0])
        for place, source in enumerate(self.sources):
            if not source:
                found[..., place, :, :] = self.rests[place]
        return np.asarray(found)

    def lifted(self, height: float) -> FileSkeleton:
        """Everything so much higher, along the file's axis up; an added root stays."""
        move = np.eye(4)
        move[:3, 3] = height * self.up
        rests = np.array(
            [move @ rest if source else rest for rest, source in zip(self.rests, self.sources, strict=True)]
        )
        return replace(self, rests=rests, to_file=move @ self.to_file)

    @property
    def up(self) -> np.ndarray:
        """(3,)."""
        return np.asarray((_QUARTER if self.is_upright else np.eye(4))[:3, 2])


def file_space(armature: bpy.types.Object, target: Target, metres_per_unit: float) -> np.ndarray:
    """(4, 4): from the armature's own space to the file's: the character faces −Y and stands at the origin, whatever
    the object's place and turn; bodies without a known front keep the object's turn. Scale and unit are applied.
    """
    size = armature.matrix_world.to_scale()[0] * metres_per_unit * target.units_per_m
    turn = np.eye(4)
    if body_kind(armature) == "other":
        turn[:3, :3] = np.array(armature.matrix_world.to_quaternion().to_matrix())
    else:
        turn[:3, :3] = read_rig(armature).to_character
    found = turn @ np.diag([size] * 3 + [1.0])
    return np.asarray(_QUARTER @ found if target.is_upright else found)


def file_skeleton(armature: bpy.types.Object, target: Target, scheme: Scheme, to_file: np.ndarray) -> FileSkeleton:
    """As the armature rests."""
    bones = carried_bones(armature)
    sources = [bone.name for bone in bones]
    roles = [role_of(bone) for bone in bones]
    parents = [sources.index(bone.parent.name) if bone.parent else -1 for bone in bones]
    size = np.cbrt(np.linalg.det(to_file[:3, :3]))
    rests = [to_file @ np.array(bone.matrix_local) @ np.diag([1 / size] * 3 + [1.0]) for bone in bones]
    lengths = [size * bone.length for bone in bones]
    if not missing_bones(roles):
        parents = list(humanoid_parents(parents, roles))
    reach = max(float(np.ptp(np.array(rests)[:, :3, 3], axis=0).max()), max(lengths))
    if target.has_root and not _has_root(roles, parents, rests, reach):
        sources, roles = ["", *sources], [ROOT, *("" if role == ROOT else role for role in roles)]
        parents = [-1, *(parent + 1 for parent in parents)]
        rests = [np.eye(4), *rests]
        lengths = [_ROOT_LENGTH * reach, *lengths]
    return FileSkeleton(
        tuple(sources),
        bone_names([source or ROOT for source in sources], roles, scheme),
        tuple(roles),
        tuple(parents),
        np.array(rests),
        np.array(lengths),
        to_file,
        target.is_upright,
    )


def _has_root(roles: Sequence[str], parents: Sequence[int], rests: Sequence[np.ndarray], reach: float) -> bool:
    tops = [bone for bone, parent in enumerate(parents) if parent < 0]
    return (
        len(tops) == 1 and roles[tops[0]] == ROOT and float(np.abs(rests[tops[0]][:3, 3]).max()) <= _AT_ORIGIN * reach
    )


def t_posed(shop: Workshop, armature: bpy.types.Object, skeleton: FileSkeleton) -> np.ndarray:
    """(J, 4, 4) in the file's space: where the bones of a humanoid are in a T-pose with flat hands."""
    poser = shop.copy(armature)
    poser.animation_data_clear()
    for posed in poser.pose.bones:
        for constraint in list(posed.constraints):
            posed.constraints.remove(constraint)
    rig = read_rig(poser)
    rig.clear()
    found = solve_body(rig.skeleton, body_poses("humanoid")["t_pose"], locals_of(rig.skeleton, rig.turns()))
    turns = found.turns
    if any(f"{side}{_FINGERS}" in rig.skeleton.by_role for side in SIDES):
        turns = solve_hand(rig.skeleton, hand_poses()["flat"], SIDES, turns)
    rig.write(turns, found.shift)
    posed = skeleton.in_file(pose_matrices(poser, skeleton.sources))
    bpy.data.objects.remove(poser)
    return posed


def pose_matrices(armature: bpy.types.Object, sources: Sequence[str]) -> np.ndarray:
    """(J, 4, 4): the bones as they are seen now, in the armature's space; an added root, "", as if there."""
    bpy.context.view_layer.update()
    seen = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones
    return np.array([seen[name].matrix if name else Matrix.Identity(4) for name in sources], np.float64)


def rest_matrices(armature: bpy.types.Object, sources: Sequence[str]) -> np.ndarray:
    """As pose_matrices, at rest."""
    bones = armature.data.bones
    return np.array([bones[name].matrix_local if name else Matrix.Identity(4) for name in sources], np.float64)


def basis_of(skeleton: FileSkeleton, posed: np.ndarray) -> np.ndarray:  # (..., J, 4, 4), the file's space
    """(…, J, 4, 4): each bone's own turn and move, as Blender has it, that brings it there from rest."""
    unposed, unrested = np.linalg.inv(posed), np.linalg.inv(skeleton.rests)
    found = np.empty_like(posed)
    for bone, parent in enumerate(skeleton.parents):
        found[..., bone, :, :] = unrested[bone] @ posed[..., bone, :, :]
        if parent >= 0:
            above = skeleton.rests[parent] @ unposed[..., parent, :, :]
            found[..., bone, :, :] = unrested[bone] @ above @ posed[..., bone, :, :]
    return found


def add_armature(shop: Workshop, skeleton: FileSkeleton, name: str, with_roles: bool) -> bpy.types.Object:
    """The skeleton at rest, with nothing else: no handles, constraints, shapes. with_roles: as custom properties."""
    armature = shop.add(name, bpy.data.armatures.new(name))
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    edited = [armature.data.edit_bones.new(bone) for bone in skeleton.names]
    for bone, entry in enumerate(edited):
        entry.tail = (0.0, float(skeleton.lengths[bone]), 0.0)
        entry.matrix = Matrix(skeleton.rests[bone].tolist())
        if skeleton.parents[bone] >= 0:
            entry.parent = edited[skeleton.parents[bone]]
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone, role in zip(skeleton.names, skeleton.roles, strict=True):
        if with_roles and role:
            armature.data.bones[bone][ROLE_PROPERTY] = role
    for posed in armature.pose.bones:
        posed.rotation_mode = "QUATERNION"
    if skeleton.is_upright:
        armature.matrix_world = Matrix(np.linalg.inv(_QUARTER).tolist())
    return armature
