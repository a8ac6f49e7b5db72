# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancel: a job that goes on, or waits for its turn or the server."""

import bpy
from bpy.props import StringProperty

from .. import runtime
from ..job_actions import cancel_obstacle
from .common import find_job, poll_jobs


class FIGURINE_OT_cancel(bpy.types.Operator):
    """Stop this job; it ends within two seconds. Steps that are done are kept for Retry"""

    bl_idname = "figurine.cancel"
    bl_label = "Cancel"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing goes on."""
        return poll_jobs(cls, context, cancel_obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the server to stop it; one that it does not have ends at once."""
        job = find_job(self, context, self.key, cancel_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        now.engine.cancel(job.key)
        now.touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_cancel,)
