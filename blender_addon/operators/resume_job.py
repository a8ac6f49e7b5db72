# SPDX-License-Identifier: GPL-3.0-or-later
"""Continue: a job that waits for the artist."""

import bpy
from bpy.props import IntProperty, StringProperty

from .. import runtime
from ..job_actions import resume_obstacle
from ..job_settings import chosen_candidate
from .common import file_mark, find_job, poll_jobs


class FIGURINE_OT_resume_job(bpy.types.Operator):
    """Let this job go on from where it waits"""

    bl_idname = "figurine.resume_job"
    bl_label = "Continue"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    candidate: IntProperty(
        name="Shape",
        description="Which of the shapes it goes on with, counted from 1; 0 where there is no choice",
        min=0,
        options={"HIDDEN", "SKIP_SAVE"},
    )

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
        now.engine.resume(job.key, chosen_candidate(job.settings, self.candidate - 1) if self.candidate else None)
        now.touch()
        now.files[job.key] = file_mark(now)
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_resume_job,)
