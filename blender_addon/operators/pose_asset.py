# SPDX-License-Identifier: GPL-3.0-or-later
"""Save Pose: the present pose goes to the asset browser."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import StringProperty

from ..languages import told_in_report
from ..phrases import phrase
from ..pose.asset import save_pose
from ..pose.rig import active_rig
from .rig_operator import RigOperator, tweak_obstacle

LONGEST_NAME = 59
NO_NAME = "A pose needs a name: type one."


class FIGURINE_OT_save_pose(RigOperator, bpy.types.Operator):
    """Save the present pose as an asset of this file, with a picture: it appears in the asset browser"""

    bl_idname = "figurine.save_pose"
    bl_label = "Save Pose…"

    name: StringProperty(name="Name", description="What the pose is called", default="Pose", maxlen=LONGEST_NAME)

    @classmethod
    def reason(cls, armature: bpy.types.Object) -> str:
        """Its action has to be free."""
        return tweak_obstacle(armature)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the name first."""
        return context.window_manager.invoke_props_dialog(self, confirm_text="Save")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Save it."""
        name = self.name.strip()
        if not name:
            self.report({"ERROR"}, NO_NAME)
            return {"CANCELLED"}
        action = save_pose(active_rig(context), name)
        self.report(
            {"INFO"}, told_in_report(phrase("{name} is in the asset browser, under Current File.", name=action.name))
        )
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_save_pose,)
