# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancel: a job, or a request that waits for the server to start."""

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
        return bool(runtime.current().waiting_requests) or poll_jobs(cls, context, cancel_obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the server to stop it, or take the waiting requests back."""
        now = runtime.current()
        if now.waiting_requests and not self.key:
            now.waiting_requests.clear()
            now.touch()
            return {"FINISHED"}
        job = find_job(self, context, self.key, cancel_obstacle)
        if job is None:
            return {"CANCELLED"}
        now.engine.cancel(job.key)
        now.touch()
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_cancel,)
