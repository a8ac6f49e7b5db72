# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be corrected of the active figure, and a rig for any mesh."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ..figure.adopt import active_figure, choice_of, original_of
from ..figure.rig_mesh import chosen_meshes
from ..operators.another import is_draft
from ..operators.rig_mesh import rig_obstacle
from ..operators.update_skin import skin_obstacle
from ..phrases import phrase
from ..pose.rig import active_rig
from .layout import draw_faint

_BIG = 1.3


class FIGURINE_PT_correct(bpy.types.Panel):
    """Bones and weights of the active figure or of the selected meshes, and other results to choose from."""

    bl_label = "Correct"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 4
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's way to declare it

    def draw(self, context: bpy.types.Context) -> None:
        """What the buttons would act on, or why they cannot."""
        layout, armature = self.layout, active_rig(context)
        if armature is None and not rig_obstacle(context):
            draw_faint(layout, phrase("{name} has no bones yet", name=chosen_meshes(context)[0].name), is_in_box=False)
        else:
            draw_faint(layout, skin_obstacle(context) or armature.name, is_in_box=False)
        row = layout.row()
        row.scale_y = _BIG
        row.operator("figurine.update_skin", icon="MOD_VERTEX_WEIGHT")
        layout.operator("figurine.rig_mesh", icon="OUTLINER_OB_ARMATURE")
        if active_figure(context) is not None:
            _draw_others(layout, armature)
        choice = [] if armature is None else choice_of(armature, context.scene)
        if len(choice) > 1:
            _draw_choice(layout, armature, choice)


def _draw_others(layout: bpy.types.UILayout, armature: bpy.types.Object) -> None:
    """The same figure with another seed, and by the neural engine."""
    draw_faint(layout, "Once more with another seed, beside it:", is_in_box=False)
    row = layout.row(align=True)
    for name, label in (("another_rig", "Skeleton"), ("another_texture", "Texture"), ("another_shape", "Shape")):
        row.operator(f"figurine.{name}", text=label)
    if is_draft(original_of(armature)):
        layout.operator("figurine.upgrade", icon="TRIA_UP")


def _draw_choice(layout: bpy.types.UILayout, armature: bpy.types.Object, choice: Sequence[bpy.types.Object]) -> None:
    """Which of those that stand beside each other is active."""
    box = layout.box()
    place = choice.index(armature) + 1
    draw_faint(
        box,
        phrase(
            "{place} of {count}: {name}. Select another one to look at that.",
            place=place,
            count=len(choice),
            name=armature.name,
        ),
    )
    row = box.row()
    row.scale_y = _BIG
    row.operator("figurine.keep_candidate", icon="CHECKMARK")


CLASSES = (FIGURINE_PT_correct,)
