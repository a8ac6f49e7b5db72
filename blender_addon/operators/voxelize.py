# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize: meshes as a figure of voxels that keeps their colours and their bones.

What takes longer than a moment is done in a thread: everything is read from Blender before, and added to it after, on
Blender's own. Where nobody can wait for it (the redo panel, scripts, no window) it is done at once.
"""

# No postponed annotations: Blender reads them as they are.
from collections.abc import Callable
from dataclasses import replace

import bpy
from bpy.props import BoolProperty

from ..figure.voxel_choice import choice, obstacle
from ..figure.voxel_figure import add_figure
from ..figure.voxel_source import armature_of, read_source
from ..languages import told, told_in_report, told_in_tooltip
from ..phrases import phrase
from ..voxel.errors import VoxelError
from ..voxel.work import FigureOrder, FigureWork, MadeFigure, make
from ..wording import percent
from .common import poll_reason, told_error
from .voxel_options import VoxelOptions, draw_options

PATIENCE_s = 0.4  # a figure that is there by then needs no progress
TICK_s = 0.05
CHANGED = "What was voxelized is not there any more, or is not chosen, so nothing was made. Voxelize it again."
NO_MEMORY = "There is not enough memory for so many voxels. Choose a smaller size."
_LOOKING = ("MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE", "TRACKPADPAN", "TRACKPADZOOM", "MOUSEMOVE")


class FIGURINE_OT_voxelize(bpy.types.Operator, VoxelOptions):
    """The active mesh, and the selected ones on the same armature, as one figure of voxels."""

    bl_idname = "figurine.voxelize"
    bl_label = "Voxelize"
    bl_description = (
        "Make a figure of voxels from the active mesh and the selected ones on the same armature. It keeps their "
        "colours and bones; the meshes are hidden"
    )
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    ask: BoolProperty(name="Ask First", description="Choose the options before", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """What the button's tooltip says."""
        return told_in_tooltip("Choose size, colours and rig, then voxelize" if properties.ask else cls.bl_description)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a mesh that can be seen, in Object Mode."""
        return poll_reason(cls, obstacle(context))

    def draw(self, context: bpy.types.Context) -> None:
        """The redo panel."""
        draw_options(self.layout, self)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """From a button or a menu: large figures can be watched and cancelled."""
        if bpy.app.background:
            return self.execute(context)
        if self.picture not in bpy.data.images:  # remembered from another file
            self.picture = ""
        if self.ask:
            self.has_bones = choice(context).has_bones
            return context.window_manager.invoke_props_dialog(self)
        return self._run(context, self._wait)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the voxels and hide the meshes."""
        if self.ask and self.options.is_invoke and not self.options.is_repeat:
            return self._run(context, self._wait)
        return self._run(context, self._do_now)

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Watch the thread."""
        if event.type == "ESC":
            self.cancel(context)
            self.report({"INFO"}, "Voxelize was cancelled.")
            return {"CANCELLED"}
        if event.type in _LOOKING:
            return {"PASS_THROUGH"}
        if event.type != "TIMER":
            return {"RUNNING_MODAL"}
        self._show_progress(context)
        if not self._work.is_done():
            return {"RUNNING_MODAL"}
        self._end_waiting(context)
        if not self._finds_objects_again(context):
            self.report({"ERROR"}, CHANGED)
            return {"CANCELLED"}
        return self._guarded(lambda: self._finish(context, self._work.result()))

    def cancel(self, context: bpy.types.Context) -> None:
        """Esc, or another file is opened meanwhile."""
        self._work.give_up()
        self._end_waiting(context)

    def _finds_objects_again(self, context: bpy.types.Context) -> bool:
        """After an undo in another window the objects that were known are none any more; only names can be trusted."""
        if obstacle(context):
            return False
        self._choice = choice(context)
        self._source = replace(self._source, armature=armature_of(self._choice.figure), objects=self._choice.objects)
        return self._names == [item.name for item in self._choice.objects]

    def _run(self, context: bpy.types.Context, go_on: Callable[[bpy.types.Context], set[str]]) -> set[str]:
        def start() -> set[str]:
            self._choice = choice(context)
            self._source = read_source(self._choice.figure, self._choice.others)
            self.has_bones = self._source.armature is not None
            return go_on(context)

        return self._guarded(start)

    def _guarded(self, work: Callable[[], set[str]]) -> set[str]:
        try:
            return work()
        except VoxelError as error:
            self.report({"ERROR"}, told_error(error))
        except MemoryError:
            self.report({"ERROR"}, NO_MEMORY)
        return {"CANCELLED"}

    def _order(self) -> FigureOrder:
        return FigureOrder(self._source.mesh, self._source.skeleton, self.settings(), self.look())

    def _do_now(self, context: bpy.types.Context) -> set[str]:
        manager = context.window_manager
        manager.progress_begin(0, 1)
        try:
            made = make(self._order(), manager.progress_update)
        finally:
            manager.progress_end()
        return self._finish(context, made)

    def _wait(self, context: bpy.types.Context) -> set[str]:
        self._names = [item.name for item in self._choice.objects]
        self._work = FigureWork(self._order())
        if self._work.is_done(PATIENCE_s):
            return self._finish(context, self._work.result())
        self._timer = context.window_manager.event_timer_add(TICK_s, window=context.window)
        context.window_manager.modal_handler_add(self)
        self._show_progress(context)
        return {"RUNNING_MODAL"}

    def _show_progress(self, context: bpy.types.Context) -> None:
        context.workspace.status_text_set(
            told(
                phrase(
                    "Voxelize, {size} voxels high: {percent}   Esc: Cancel",
                    size=self.size,
                    percent=percent(self._work.share),
                )
            )
        )

    def _end_waiting(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)

    def _finish(self, context: bpy.types.Context, made: MadeFigure) -> set[str]:
        add_figure(context, self._choice.figure, self._source, made.figure, made.mesh)
        for original in self._source.objects:
            original.select_set(False)
            original.hide_set(True)
            original.hide_render = True
        for warning in (made.figure.grid.warning, self._choice.warning):
            if warning:
                self.report({"WARNING"}, told_in_report(warning))
        if made.figure.printed is not None:
            self.report({"INFO"}, told_in_report(made.figure.printed.sentence))
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_voxelize,)
