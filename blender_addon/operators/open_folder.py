# SPDX-License-Identifier: GPL-3.0-or-later
"""Open Folder: a job's files, in the system's file browser."""

import bpy
from bpy.props import StringProperty

from ..job_actions import folder_obstacle
from .common import find_job, poll_jobs


class FIGURINE_OT_open_folder(bpy.types.Operator):
    """Show this job's files: FBX, GLB, rig.json, report.json and the preview"""

    bl_idname = "figurine.open_folder"
    bl_label = "Open Folder"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the files are not on this computer."""
        return poll_jobs(cls, context, folder_obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the folder to the system."""
        job = find_job(self, context, self.key, folder_obstacle)
        if job is None or job.result is None:
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=str(job.result))


CLASSES = (FIGURINE_OT_open_folder,)
