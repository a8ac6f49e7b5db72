# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig in Blender as posing reads and writes it."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Quaternion

from ..figure.armature import ROLE_PROPERTY
from ..phrases import phrase
from ..skeleton_map import role_of_name
from .bound import rig_of
from .rotations import Matrix3, Vector3
from .skeleton import BodyKind, RestSkeleton, kind_of, to_character
from .solve import fill, locals_of

# A bone that Figurine added for the artist's hand; no part of the body.
HANDLE_ROLE = "handle"
NO_RIG = "Select a figure or its armature: posing acts on the active one."
NO_EDITING = "Leave Edit Mode first: posing works in Object Mode and Pose Mode."


@dataclass(frozen=True, eq=False)
class PosableRig:
    """skeleton: of the body's bones alone, in the character's frame. rests: (J, 3, 3), their axes at rest in the
    armature's own. to_character: (3, 3).
    """

    armature: bpy.types.Object
    skeleton: RestSkeleton
    rests: Matrix3
    to_character: Matrix3

    def turns(self) -> Matrix3:
        """(J, 3, 3): every bone's turn from rest as it is seen now, constraints included."""
        bpy.context.view_layer.update()
        posed = np.array([_rotation(self._bone(name).matrix) for name in self.skeleton.names])
        return self.to_character @ posed @ np.swapaxes(self.rests, 1, 2) @ self.to_character.T

    def shift(self) -> Vector3:
        """(3,): how far the hips are moved by their own location."""
        hips = self.hips
        if hips is None:
            return np.zeros(3)
        return self.to_character @ self._location_axes(hips, self.turns()) @ np.array(self._bone_at(hips).location)

    def write(self, turns: Matrix3, shift: Vector3, auto_key: bool = False) -> None:
        """Give the bones these turns, and the hips this shift. Rotation modes stay as they are. auto_key: it is the
        artist who poses, so keys are set where Auto Keying is on.
        """
        basis = self.basis(turns)
        for bone, name in enumerate(self.skeleton.names):
            set_rotation(self._bone(name), Matrix(basis[bone].tolist()).to_quaternion())
        if self.hips is not None:
            self._bone_at(self.hips).location = self.hips_location(turns, shift).tolist()
        if auto_key and bpy.context.scene.tool_settings.use_keyframe_insert_auto:
            for name in self.skeleton.names:
                key_pose(self._bone(name), bpy.context.scene.frame_current)
        bpy.context.view_layer.update()

    def basis(self, turns: Matrix3) -> Matrix3:
        """(…, J, 3, 3): the rotations that Blender's bones have with these turns, about their own axes. turns:
        (…, J, 3, 3), of one moment or of many.
        """
        within = self.to_character.T @ locals_of(self.skeleton, turns) @ self.to_character
        found: Matrix3 = np.swapaxes(self.rests, 1, 2) @ within @ self.rests
        return found

    def hips_location(self, turns: Matrix3, shift: Vector3) -> Vector3:
        """(…, 3): the location that Blender's hips have with these turns, (…, J, 3, 3), and this shift, (…, 3)."""
        axes = self._location_axes(self.hips, turns)
        found: Vector3 = (np.swapaxes(axes, -1, -2) @ (shift @ self.to_character)[..., None])[..., 0]
        return found

    def clear(self, auto_key: bool = False) -> None:
        """Put every bone where it is at rest, and unscaled. auto_key: as of `write`."""
        for name in self.skeleton.names:
            self._bone(name).matrix_basis = Matrix.Identity(4)
        self.write(rest_turns(self.skeleton), np.zeros(3), auto_key)

    @property
    def hips(self) -> int | None:
        """The bone that carries the body."""
        return self.skeleton.by_role.get("hips")

    def _bone(self, name: str) -> bpy.types.PoseBone:
        return self.armature.pose.bones[name]

    def _bone_at(self, bone: int) -> bpy.types.PoseBone:
        return self._bone(self.skeleton.names[bone])

    def _location_axes(self, bone: int, turns: Matrix3) -> Matrix3:
        """(…, 3, 3): what a bone's location is along, in the armature's own axes."""
        parent = self.skeleton.parents[bone]
        above = self.to_character.T @ turns[..., parent, :, :] @ self.to_character if parent >= 0 else np.eye(3)
        axes: Matrix3 = above @ self.rests[bone]
        return axes


def obstacle(context: bpy.types.Context) -> str:
    """Why nothing can be posed now, for the artist; empty where it can."""
    armature = active_rig(context)
    if armature is None:
        return NO_RIG
    if context.mode not in ("OBJECT", "POSE"):
        return NO_EDITING
    if not (armature.is_editable or armature.override_library):
        return phrase("{name} is linked from another file: make a library override of it first.", name=armature.name)
    if armature.data.pose_position == "REST":
        return phrase("{name} shows its rest position: switch it to Pose Position first.", name=armature.name)
    return ""


def active_rig(context: bpy.types.Context) -> bpy.types.Object | None:
    """The active armature, or the one that moves the active mesh."""
    active = context.view_layer.objects.active
    if active is None or active.type == "ARMATURE":
        return active
    return rig_of(active)


def role_of(bone: bpy.types.Bone) -> str:
    """As the importer stored it; otherwise what the bone's name tells, "" where that is nothing."""
    return str(bone.get(ROLE_PROPERTY, "")) or role_of_name(bone.name)


def read_rig(armature: bpy.types.Object) -> PosableRig:
    """Its bones, but for handles."""
    bones = [bone for bone in armature.data.bones if role_of(bone) != HANDLE_ROLE]
    names = tuple(bone.name for bone in bones)
    roles = tuple(role_of(bone) for bone in bones)
    heads, tails = (
        np.array([getattr(bone, end) for bone in bones], np.float64).reshape(-1, 3)
        for end in ("head_local", "tail_local")
    )
    turn = to_character(roles, heads)
    parents = tuple(names.index(bone.parent.name) if bone.parent else -1 for bone in bones)
    skeleton = RestSkeleton(names, roles, parents, heads @ turn.T, tails @ turn.T)
    rests = np.array([bone.matrix_local.to_3x3() for bone in bones], np.float64).reshape(-1, 3, 3)
    return PosableRig(armature, skeleton, rests, turn)


def body_kind(armature: bpy.types.Object) -> BodyKind:
    """Which poses fit: humanoid, quadruped or other. Quick: panels ask for it."""
    return kind_of({role_of(bone) for bone in armature.data.bones})


def rest_turns(skeleton: RestSkeleton) -> Matrix3:
    """(J, 3, 3): no bone is turned."""
    return fill(skeleton, {}, np.tile(np.eye(3), (len(skeleton.names), 1, 1)))


def key_pose(posed: bpy.types.PoseBone, frame: float) -> None:
    """Keys for place and rotation, in the bone's own rotation mode."""
    paths = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}
    posed.keyframe_insert("location", frame=frame, group=posed.name)
    posed.keyframe_insert(paths.get(posed.rotation_mode, "rotation_euler"), frame=frame, group=posed.name)


def set_rotation(posed: bpy.types.PoseBone, rotation: Quaternion) -> None:
    """In the mode in which the bone is, the nearest to how it is now."""
    if posed.rotation_mode == "QUATERNION":
        # Of a rotation's two quaternions the nearer one: between keys the bone takes the short way.
        posed.rotation_quaternion = rotation if rotation.dot(posed.rotation_quaternion) >= 0 else -rotation
    elif posed.rotation_mode == "AXIS_ANGLE":
        axis, angle_rad = rotation.to_axis_angle()
        posed.rotation_axis_angle = (angle_rad, *axis)
    else:
        posed.rotation_euler = rotation.to_euler(posed.rotation_mode, posed.rotation_euler)


def _rotation(matrix: Matrix) -> Matrix3:
    return np.array(matrix.to_quaternion().to_matrix(), np.float64)
