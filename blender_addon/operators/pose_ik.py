# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles for hands and feet, on and off."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty

from ..languages import told_in_report
from ..phrases import phrase
from ..pose import ik, shapes
from ..pose.rig import active_rig
from .rig_operator import RigOperator

NO_LIMBS = "The limbs of this rig are not known, so nothing can be given a handle."
_ALL = ("all", "All", "Every hand and foot: off where one is on, otherwise on")
_ITEMS = [_ALL, *((limb.key, limb.label, f"{limb.label} follows its handle") for limb in ik.LIMBS.values())]


class FIGURINE_OT_switch_ik(RigOperator, bpy.types.Operator):
    """Have hands and feet follow a handle (IK), or be turned bone by bone again (FK). The pose stays as it is"""

    bl_idname = "figurine.switch_ik"
    bl_label = "Switch IK"

    limb: EnumProperty(name="Limb", description="Which hand or foot", items=_ITEMS, options={"SKIP_SAVE"})

    @classmethod
    def reason(cls, armature: bpy.types.Object) -> str:
        """Limbs are needed, and a visible rig of this file."""
        if not ik.limbs_of(armature):
            return NO_LIMBS
        if armature.data.library:
            return phrase(
                "The bones of {name} are linked from another file: no handle can be added to them.",
                name=armature.name,
            )
        return "" if armature.visible_get() else phrase("{name} is hidden: show it first.", name=armature.name)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switch one limb, or all of them the same way."""
        armature = active_rig(context)
        limbs = [limb for limb in ik.limbs_of(armature) if self.limb in ("all", limb.key)]
        if not limbs:
            self.report(
                {"ERROR"},
                told_in_report(
                    phrase("This body has no {limb}.", limb=phrase(ik.LIMBS[self.limb].label).recased(str.lower))
                ),
            )
            return {"CANCELLED"}
        wanted = not any(ik.is_on(armature, limb) for limb in limbs)
        for limb in limbs:
            if ik.is_on(armature, limb) != wanted:
                ik.switch(armature, limb, wanted)
        if wanted:
            shapes.show_handles(armature)
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_switch_ik,)
