# SPDX-License-Identifier: GPL-3.0-or-later
"""Continue: a job that waits for the artist."""

import bpy
from bpy.props import StringProperty

from .. import runtime
from ..job_actions import resume_obstacle
from .common import file_mark, find_job, poll_jobs


class FIGURINE_OT_resume_job(bpy.types.Operator):
    """Let this job go on from where it waits"""

    bl_idname = "figurine.resume_job"
    bl_label = "Continue"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing waits."""
        return poll_jobs(cls, context, resume_obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Let it go on."""
        job = find_job(self, context, self.key, resume_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        now.engine.resume(job.key)
        now.touch()
        now.files[job.key] = file_mark(now)
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_resume_job,)
