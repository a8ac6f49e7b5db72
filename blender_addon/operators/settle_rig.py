# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep or replace: a mesh that was rigged already goes through again, now that it is said what becomes of its rig."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty, StringProperty

from .. import runtime
from ..job_actions import settle_obstacle
from ..languages import told_in_tooltip
from .common import file_mark, find_job, poll_jobs

_CHOICES = (
    ("keep", "Keep", "Keep the mesh's own bones and weights. Vertices that no bone moves are weighed"),
    ("reweigh", "Keep Bones", "Keep the mesh's own bones, and weigh all of it anew"),
    ("replace", "Replace", "Find new bones and weights. Those of the mesh are not in the result"),
)


class FIGURINE_OT_settle_rig(bpy.types.Operator):
    """Say what becomes of the rig that the mesh has, in a new job from the same mesh"""

    bl_idname = "figurine.settle_rig"
    bl_label = "Existing Rig"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    choice: EnumProperty(name="Existing Rig", items=_CHOICES, options={"SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What this choice does."""
        return told_in_tooltip(next(words for choice, _, words in _CHOICES if choice == properties.choice))

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where no job asks."""
        return poll_jobs(cls, context, settle_obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the new job."""
        job = find_job(self, context, self.key, settle_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        now.forget_messages(job.key)
        settings = {"existing_rig": self.choice}
        key = now.engine.rerun(job.key, "rig", settings, None, context.scene.figurine.import_when_done)
        now.files[key] = file_mark(now)
        now.focus = key
        now.touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_settle_rig,)
