# SPDX-License-Identifier: GPL-3.0-or-later
"""What is exported: the active armature, or the active mesh's, with every visible mesh that it carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ..phrases import phrase
from ..pose.bound import seen_meshes
from ..pose.rig import HANDLE_ROLE, active_rig, body_kind, role_of
from .errors import FigureUnusable
from .naming import missing_bones
from .targets import Target

NO_FIGURE = "Select a figure, its armature or its mesh: that is what is exported."
NO_SHAPE = "Select a figure or a mesh: that is what is printed."
NO_EDITING = "Leave {mode} first: exporting works in Object Mode and Pose Mode."
_MODES = ("OBJECT", "POSE")
# Of the largest scale; more is a shape that bones cannot have.
_UNEVEN = 1e-3


@dataclass(frozen=True)
class Subject:
    """armature: None for a mesh alone, which can be printed. meshes: at least one."""

    armature: bpy.types.Object | None
    meshes: tuple[bpy.types.Object, ...]

    @property
    def name(self) -> str:
        """Whose file it is."""
        return str((self.armature or self.meshes[0]).name)


def obstacle(context: bpy.types.Context) -> str:
    """Why no figure can be exported now, for the artist; empty where one can. Quick: panels ask for it."""
    armature = active_rig(context)
    if armature is None:
        return NO_FIGURE
    return _busy(context) or (
        "" if any(seen_meshes(armature)) else phrase("{name} moves no mesh that can be seen.", name=armature.name)
    )


def print_obstacle(context: bpy.types.Context) -> str:
    """As obstacle; a mesh without bones can be printed too."""
    active = context.view_layer.objects.active
    if active_rig(context) is not None:
        return obstacle(context)
    return _busy(context) if active is not None and active.type == "MESH" else NO_SHAPE


def target_obstacle(context: bpy.types.Context, target: Target) -> str:
    """Why the figure cannot become such a file: it is no humanoid."""
    armature = active_rig(context)
    if not target.needs_humanoid or armature is None:
        return ""
    missing = missing_bones([role_of(bone) for bone in armature.data.bones])
    if not missing:
        return ""
    why = (
        phrase("no bone of it is known as {role}", role=missing[0])
        if body_kind(armature) == "humanoid"
        else "it is no humanoid"
    )
    return phrase(
        "{name} cannot be exported for {program}: {why}. Choose glTF or Unreal Engine.",
        name=armature.name,
        program=target.label,
        why=phrase(why),
    )


def subject_of(context: bpy.types.Context) -> Subject:
    """The figure, or the active mesh alone; only where nothing stands against it (obstacle, print_obstacle)."""
    armature = active_rig(context)
    if armature is None:
        return Subject(None, (context.view_layer.objects.active,))
    return Subject(armature, tuple(seen_meshes(armature)))


def check_scale(armature: bpy.types.Object) -> None:
    """Raises FigureUnusable for an armature that is mirrored, or wider in one direction than in another."""
    linear = armature.matrix_world.to_3x3()
    lengths = [axis.length for axis in linear.col]
    if linear.determinant() <= 0 or max(lengths) - min(lengths) > _UNEVEN * max(lengths):
        raise FigureUnusable(
            phrase("The scale of {name} is mirrored, or not the same along its axes.", name=armature.name),
            "Apply it (Ctrl A, Scale), then export again.",
        )


def unsaved_pictures(subject: Subject) -> list[str]:
    """Names of pictures of its materials that are in no file and not packed, so that FBX cannot take them along."""
    trees = [slot.material.node_tree for item in subject.meshes for slot in item.material_slots if slot.material]
    images = {node.image for tree in trees if tree for node in tree.nodes if node.type == "TEX_IMAGE" and node.image}
    return sorted(
        image.name
        for image in images
        if image.packed_file is None and not Path(bpy.path.abspath(image.filepath, library=image.library)).is_file()
    )


def carried_bones(armature: bpy.types.Object) -> list[bpy.types.Bone]:
    """Those that go into a file: bones of the body and those above them; handles and controls do not."""
    held = {item.parent_bone for item in armature.children if item.parent_type == "BONE"}
    wanted: set[str] = set()
    for bone in armature.data.bones:
        role = role_of(bone)
        if role != HANDLE_ROLE and (role or bone.use_deform or bone.name in held):
            wanted |= {bone.name, *(above.name for above in bone.parent_recursive)}
    return [bone for bone in armature.data.bones if bone.name in wanted]


def _busy(context: bpy.types.Context) -> str:
    if context.mode in _MODES:
        return ""
    return phrase(NO_EDITING, mode=phrase(f"{context.mode.split('_')[0].capitalize()} Mode"))
