# SPDX-License-Identifier: GPL-3.0-or-later
"""Retry: a job that failed, was cancelled or lost."""

import bpy
from bpy.props import StringProperty

from .. import runtime
from ..job_actions import retry_obstacle, sending_obstacle
from ..jobs.views import JobView
from .common import file_mark, find_job, poll_jobs


class FIGURINE_OT_retry_job(bpy.types.Operator):
    """Try this job again. Steps that have their result are not repeated"""

    bl_idname = "figurine.retry_job"
    bl_label = "Retry"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing failed."""
        return poll_jobs(cls, context, _obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Queue it again."""
        job = find_job(self, context, self.key, _obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        now.forget_messages(job.key)
        now.engine.retry(job.key)
        now.files[job.key] = file_mark(now)
        now.focus = job.key
        now.touch()
        return {"FINISHED"}


def _obstacle(job: JobView) -> str:
    return retry_obstacle(job) or sending_obstacle(job, bpy.app.online_access)


CLASSES = (FIGURINE_OT_retry_job,)
