# SPDX-License-Identifier: GPL-3.0-or-later
"""Open Picture: what a waiting job's picture was and became, as large as the screen."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty, StringProperty

from ..job_actions import review_obstacle
from ..wording import PICTURE_LABELS
from .common import find_job, poll_jobs

_PICTURES = tuple((name, label, f"The picture: {label}") for name, label in PICTURE_LABELS.items())


class FIGURINE_OT_open_picture(bpy.types.Operator):
    """See it large, in the system's picture viewer"""

    bl_idname = "figurine.open_picture"
    bl_label = "Open Picture"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    picture: EnumProperty(
        name="Picture",
        description="Which one, from what was sent to what the models get",
        items=_PICTURES,
        options={"HIDDEN", "SKIP_SAVE"},
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
        return bpy.ops.wm.path_open(filepath=str(job.review.pictures.get(self.picture, job.review.after)))


CLASSES = (FIGURINE_OT_open_picture,)
