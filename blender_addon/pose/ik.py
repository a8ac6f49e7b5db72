# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles for hands and feet: a limb follows its handle, and an arrow of elbow or knee, while it is switched on.

Handles are bones of the armature that deform nothing and have no parent. Switching a limb on puts its handle where the
limb is and turns the pole's angle so that the solver finds the pose that is there; switching it off gives the bones the
pose that is seen. Neither moves the mesh.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..figure.armature import ROLE_PROPERTY
from ..figure.rollback import all_or_nothing, restore_work
from .rig import HANDLE_ROLE, read_rig, role_of, set_rotation
from .skeleton import sided

COLLECTION = "Handles"
REACH, TURN = "Figurine IK", "Figurine IK Rotation"
_PALETTE = "THEME03"
# A limb that is bent less, as a share of its length, has no plane of its own.
_STRAIGHT = 0.005
# The arrow's distance from the joint, and the handles' lengths, as shares of the limb's.
_POLE_AWAY, _HANDLE_LENGTH, _POLE_LENGTH = 0.6, 0.25, 0.08


@dataclass(frozen=True)
class Limb:
    """key: for operators. chain: roles of the bones that bend. end: the role that takes the handle's turn. handle,
    pole: names of the bones that are added.
    """

    key: str
    label: str
    chain: tuple[str, ...]
    end: str
    handle: str
    pole: str
    bends_back: bool


def _limbs() -> tuple[Limb, ...]:
    found = []
    for side, letter in (("left", "L"), ("right", "R")):
        for part, joint, end in (("Arm", "elbow", "hand"), ("Leg", "knee", "foot")):
            chain = tuple(sided(f"{place}{part}", side) for place in ("upper", "lower"))
            names = (f"{end}_ik.{letter}", f"{joint}_pole.{letter}")
            label = f"{side.capitalize()} {end.capitalize()}"
            found.append(Limb(f"{side}_{end}", label, chain, sided(end, side), *names, part == "Arm"))
        for end in ("front", "back"):
            chain = tuple(sided(f"{end}{part}", side) for part in ("UpperLeg", "LowerLeg", "Foot"))
            names = (f"{end}_paw_ik.{letter}", f"{end}_leg_pole.{letter}")
            label = f"{side.capitalize()} {end.capitalize()} Paw"
            found.append(Limb(f"{side}_{end}_paw", label, chain, sided(f"{end}Paw", side), *names, end == "front"))
    return tuple(found)


LIMBS = {limb.key: limb for limb in _limbs()}


def limbs_of(armature: bpy.types.Object) -> list[Limb]:
    """Those that this body has."""
    roles = {role_of(bone) for bone in armature.data.bones}
    return [limb for limb in LIMBS.values() if roles >= {*limb.chain, limb.end}]


def is_on(armature: bpy.types.Object, limb: Limb) -> bool:
    """Whether the limb follows its handle: all of what it takes is there, and switched on."""
    last, end = _bones(armature, limb)[-2:]
    reach = last.constraints.get(REACH)
    return _has_handle(armature, limb) and TURN in end.constraints and reach is not None and reach.influence > 0.0


def switch(armature: bpy.types.Object, limb: Limb, on: bool) -> None:
    """On or off, and nothing moves. Makes of handle and constraints what is not there yet."""
    if on and not _has_handle(armature, limb):
        _add_handle(armature, limb)
    if on:
        _tie(armature, limb)
        _to_handle(armature, limb)
    else:
        _to_bones(armature, limb)
    _show(armature, limb, on)
    bpy.context.view_layer.update()


@contextmanager
def paused(armature: bpy.types.Object) -> Iterator[None]:
    """The bones have the pose that is seen and may be posed; after that the handles follow them."""
    following = [limb for limb in limbs_of(armature) if is_on(armature, limb)]
    for limb in following:
        _to_bones(armature, limb)
    yield
    for limb in following:
        _to_handle(armature, limb)


def _bones(armature: bpy.types.Object, limb: Limb) -> list[bpy.types.PoseBone]:
    """Of the chain, and then its end."""
    by_role = {role_of(bone): bone.name for bone in reversed(armature.data.bones)}
    return [armature.pose.bones[by_role[role]] for role in (*limb.chain, limb.end)]


def _has_handle(armature: bpy.types.Object, limb: Limb) -> bool:
    return limb.handle in armature.pose.bones and limb.pole in armature.pose.bones


def _to_bones(armature: bpy.types.Object, limb: Limb) -> None:
    """Each bone takes the turn against its parent with which it is seen."""
    bpy.context.view_layer.update()
    bones = _bones(armature, limb)
    seen = []
    for posed in bones:
        rest = posed.bone.matrix_local.to_3x3()
        above, rest_above = Matrix.Identity(3), Matrix.Identity(3)
        if posed.parent is not None:
            above, rest_above = posed.parent.matrix.to_quaternion().to_matrix(), posed.bone.parent.matrix_local.to_3x3()
        within = above.inverted() @ posed.matrix.to_quaternion().to_matrix()
        seen.append((rest.inverted() @ rest_above @ within).to_quaternion())
    bones[-2].constraints[REACH].influence = 0.0
    bones[-1].constraints[TURN].influence = 0.0
    for posed, rotation in zip(bones, seen, strict=True):
        set_rotation(posed, rotation)
    bpy.context.view_layer.update()


def _to_handle(armature: bpy.types.Object, limb: Limb) -> None:
    """Handle and pole go where the limb is, and the constraints take over."""
    bpy.context.view_layer.update()
    bones = _bones(armature, limb)
    handle, pole = armature.pose.bones[limb.handle], armature.pose.bones[limb.pole]
    tip = bones[-2].tail.copy()
    turned = bones[-1].matrix.to_quaternion().to_matrix().to_4x4()
    handle.matrix_basis = handle.bone.matrix_local.inverted() @ Matrix.Translation(tip) @ turned
    aim = _bend_direction(armature, limb, bones)
    joint = bones[1].head
    reach = sum(posed.bone.length for posed in bones[:-1])
    place = pole.bone.matrix_local.to_3x3().to_4x4()
    place.translation = joint + _POLE_AWAY * reach * aim
    pole.matrix_basis = pole.bone.matrix_local.inverted() @ place
    constraint = bones[-2].constraints[REACH]
    constraint.pole_angle = _pole_angle_rad(bones[0], tip, place.translation)
    constraint.influence = 1.0
    bones[-1].constraints[TURN].influence = 1.0
    bpy.context.view_layer.update()


def _bend_direction(armature: bpy.types.Object, limb: Limb, bones: list[bpy.types.PoseBone]) -> Vector:
    """Unit: from the line between the limb's ends to its joint; of a straight limb, where it would bend to."""
    start, end = bones[0].head, bones[-2].tail
    line = (end - start).normalized()
    off = bones[1].head - start
    off -= off.dot(line) * line
    if off.length > _STRAIGHT * (end - start).length:
        return off.normalized()
    back = Vector(read_rig(armature).to_character[1])
    turn = bones[0].matrix.to_3x3() @ bones[0].bone.matrix_local.to_3x3().inverted()
    aim = turn @ (back if limb.bends_back else -back)
    return (aim - aim.dot(line) * line).normalized()


def _pole_angle_rad(first: bpy.types.PoseBone, tip: Vector, pole: Vector) -> float:
    """The angle with which the solver leaves the chain as it is.

    Blender's solver turns the chain about the line from its root to its tip until X·cos + Z·sin, of the axes of
    its first bone, points to the pole's side of that line.
    """
    line = np.array((tip - first.head).normalized())
    toward = np.array(pole - first.head)
    side = np.cross(line, toward - (toward @ line) * line)
    axes = np.array(first.matrix.to_3x3())
    angle_rad = float(np.arctan2(-(axes[:, 0] @ side), axes[:, 2] @ side))
    ahead = np.cos(angle_rad) * axes[:, 0] + np.sin(angle_rad) * axes[:, 2]
    if ahead @ (toward - (toward @ line) * line) < 0:
        angle_rad += np.pi
    return float((angle_rad + np.pi) % (2 * np.pi) - np.pi)


def _add_handle(armature: bpy.types.Object, limb: Limb) -> None:
    bones = _bones(armature, limb)
    last, end, joint = (posed.bone.name for posed in (bones[-2], bones[-1], bones[1]))
    reach = sum(posed.bone.length for posed in bones[:-1])
    with all_or_nothing() as work:
        bpy.context.view_layer.objects.active = armature
        bpy.ops.object.mode_set(mode="EDIT")
        edited = armature.data.edit_bones
        handle, pole = (edited.get(name) or edited.new(name) for name in (limb.handle, limb.pole))
        along = edited[end].vector.normalized() * _HANDLE_LENGTH * reach
        handle.head, handle.tail = edited[last].tail, edited[last].tail + along
        handle.align_roll(edited[end].z_axis)
        pole.head = edited[joint].head
        pole.tail = pole.head + Vector((0.0, 0.0, _POLE_LENGTH * reach))
        for bone in (handle, pole):
            bone.use_deform = False
        bpy.ops.object.mode_set(mode="OBJECT")
        _dress_handles(armature, limb)
    restore_work(work)


def _tie(armature: bpy.types.Object, limb: Limb) -> None:
    """The constraints with which the limb follows; a figure that took another one's bones has none on new ones."""
    last, end = _bones(armature, limb)[-2:]
    if REACH not in last.constraints:
        reach = last.constraints.new("IK")
        reach.name, reach.influence = REACH, 0.0
        reach.target = reach.pole_target = armature
        reach.subtarget, reach.pole_subtarget = limb.handle, limb.pole
        reach.chain_count = len(limb.chain)
    if TURN not in end.constraints:
        turn = end.constraints.new("COPY_ROTATION")
        turn.name, turn.influence, turn.target, turn.subtarget = TURN, 0.0, armature, limb.handle


def _dress_handles(armature: bpy.types.Object, limb: Limb) -> None:
    groups = armature.data.collections
    group = groups.get(COLLECTION) or groups.new(COLLECTION)
    for name in (limb.handle, limb.pole):
        bone = armature.data.bones[name]
        bone[ROLE_PROPERTY] = HANDLE_ROLE
        bone.color.palette = _PALETTE
        for other in list(bone.collections):
            other.unassign(bone)
        group.assign(bone)


def _show(armature: bpy.types.Object, limb: Limb, on: bool) -> None:
    for name in (limb.handle, limb.pole):
        armature.data.bones[name].hide = not on
        if hasattr(armature.pose.bones[name], "hide"):  # Blender 5.0 hides pose bones by themselves
            armature.pose.bones[name].hide = not on
