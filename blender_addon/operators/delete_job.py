# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete: a job and its files."""

import bpy
from bpy.props import StringProperty

from .. import runtime
from ..job_actions import delete_obstacle
from .common import find_job, poll_jobs


class FIGURINE_OT_delete_job(bpy.types.Operator):
    """Delete this job and its files, here and on the server. Characters that were imported stay"""

    bl_idname = "figurine.delete_job"
    bl_label = "Delete Job"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey while it goes on."""
        return poll_jobs(cls, context, delete_obstacle)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first: it cannot be undone."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it."""
        job = find_job(self, context, self.key, delete_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        now.forget_messages(job.key)
        now.engine.delete(job.key)
        now.touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_delete_job,)
