# SPDX-License-Identifier: GPL-3.0-or-later
"""Import: a finished job's character into this file."""

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import runtime
from ..errors import FigurineError
from ..importer import ImportOptions
from ..importing import cancel_event, import_first, import_job, is_event_requested, reason_to_postpone
from ..job_actions import import_obstacle
from .common import file_mark, find_job, poll_jobs, tell


class FIGURINE_OT_import_job(bpy.types.Operator):
    """Bring this job's character into the file, as one undo step"""

    bl_idname = "figurine.import_job"
    bl_label = "Import"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender's way to declare it

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    at_cursor: BoolProperty(name="Place at 3D Cursor", description="Otherwise at the world's origin", default=True)
    enter_pose_mode: BoolProperty(name="Enter Pose Mode", description="Have it ready to be posed", default=False)
    show_texture: BoolProperty(name="Show Texture", description="In Solid viewports of this window", default=False)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where there is no result, or the mode forbids it."""
        return poll_jobs(cls, context, import_obstacle)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Start with what the panel says."""
        request = context.scene.figurine
        self.at_cursor, self.enter_pose_mode = request.at_cursor, request.enter_pose_mode
        self.show_texture = request.show_texture
        return self.execute(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import it now where its files are here; otherwise fetch them, and import them then."""
        job = find_job(self, context, self.key, import_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = runtime.current()
        now.forget_messages(job.key)
        if job.result is None:
            now.files[job.key] = file_mark(now)
            now.engine.fetch(job.key)
            now.touch()
            return {"CANCELLED"}
        try:
            options = ImportOptions(self.at_cursor, self.enter_pose_mode, self.show_texture)
            import_job(context, job, job.result, options)
        except FigurineError as error:
            tell(self, error, job.key)
            return {"CANCELLED"}
        return {"FINISHED"}


class FIGURINE_OT_import_waiting(bpy.types.Operator):
    """Bring this character into the file that is open now"""

    bl_idname = "figurine.import_waiting"
    bl_label = "Import into This File"
    bl_options = {"INTERNAL"}  # noqa: RUF012

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import it at the pump's next turn, which fetches it first where it has to."""
        now = runtime.current()
        now.files[self.key] = file_mark(now)
        now.forget_messages(self.key)
        now.engine.fetch(self.key)
        now.touch()
        return {"FINISHED"}


class FIGURINE_OT_import_ready(bpy.types.Operator):
    """Bring the character that was generated into the file; called by a timer event of the window"""

    bl_idname = "figurine.import_ready"
    bl_label = "Import Figurine"
    bl_options = {"INTERNAL", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether the pump has asked for it."""
        return is_event_requested()

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import one result, unless the artist has begun something meanwhile."""
        cancel_event()
        now = runtime.current()
        if not now.results or reason_to_postpone(context) or not import_first(context, now):
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_import_job, FIGURINE_OT_import_waiting, FIGURINE_OT_import_ready)
