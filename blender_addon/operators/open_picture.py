# SPDX-License-Identifier: GPL-3.0-or-later
"""Open Picture: what a waiting job's picture was and became, as large as the screen."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import BoolProperty, StringProperty

from ..job_actions import review_obstacle
from .common import find_job, poll_jobs


class FIGURINE_OT_open_picture(bpy.types.Operator):
    """See it large, in the system's picture viewer"""

    bl_idname = "figurine.open_picture"
    bl_label = "Open Picture"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    is_after: BoolProperty(
        name="After", description="What the models get, not what was sent", options={"HIDDEN", "SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where there is none to see."""
        return poll_jobs(cls, context, review_obstacle)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the file to the system."""
        job = find_job(self, context, self.key, review_obstacle)
        if job is None or job.review is None:
            return {"CANCELLED"}
        return bpy.ops.wm.path_open(filepath=str(job.review.after if self.is_after else job.review.before))


CLASSES = (FIGURINE_OT_open_picture,)
