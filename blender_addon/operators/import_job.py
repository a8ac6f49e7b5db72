# SPDX-License-Identifier: GPL-3.0-or-later
"""Import: a finished job's character into this file."""

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import runtime
from ..errors import FigurineError
from ..importer import ImportOptions
from ..importing import import_first, import_job
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
        """Grey where there is no result."""
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


class FIGURINE_OT_import_ready(bpy.types.Operator):
    """Bring the character that was generated into the file; called by the pump"""

    bl_idname = "figurine.import_ready"
    bl_label = "Import Figurine"
    bl_options = {"INTERNAL", "UNDO"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where a result waits."""
        return bool(runtime.current().results)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import one result, as one undo step."""
        return {"FINISHED"} if import_first(context, runtime.current()) else {"CANCELLED"}


CLASSES = (FIGURINE_OT_import_job, FIGURINE_OT_import_ready)
