# SPDX-License-Identifier: GPL-3.0-or-later
"""Rerun: a new job from an old one, with another seed."""

# No postponed annotations: Blender reads them as they are.
import random

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from .. import runtime
from ..job_actions import rerun_obstacle
from ..wording import STAGE_LABELS
from .common import file_mark, find_job, poll_jobs

# Blender's integers are signed.
_LARGEST_SEED = 2**31 - 1
_STAGES = tuple(
    (stage, label, f"Keep everything before this step: {label}")
    for stage, label in STAGE_LABELS.items()
    if stage != "export"
)


class FIGURINE_OT_rerun_job(bpy.types.Operator):
    """Make a new job from this one with another seed; earlier steps are re-used"""

    bl_idname = "figurine.rerun_job"
    bl_label = "Rerun…"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    stage: EnumProperty(name="From", description="Where it starts to differ", items=_STAGES, default="geometry")
    seed: IntProperty(
        name="Seed",
        description="For this step and the later ones. The draft engine has no chance in it",
        min=0,
        max=_LARGEST_SEED,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the server has nothing to start from."""
        return poll_jobs(cls, context, rerun_obstacle)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask from which step, and offer a fresh seed."""
        self.seed = random.randrange(_LARGEST_SEED)
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the new job."""
        job = find_job(self, context, self.key, rerun_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        key = now.engine.rerun(job.key, self.stage, {}, self.seed)
        now.files[key] = file_mark(now)
        now.focus = key
        now.touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_rerun_job,)
