# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake Voxel Animation: every frame of a figure voxelized anew, in place of voxels that bend."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import IntProperty

from ..figure.voxel_bake import VoxelBake, baked_from
from ..figure.voxel_choice import choice, obstacle
from ..languages import told, told_in_report
from ..phrases import phrase
from ..voxel.errors import VoxelError
from .common import poll_reason, told_error
from .voxel_options import VoxelOptions, draw_colours

TICK_s = 0.01
FIRST, LAST = -1_048_574, 1_048_574  # Blender's own
GONE = "What was being baked is not there any more, so nothing was made. Bake it again."
BACKWARDS = "The last frame lies before the first, so there is nothing to bake. Choose a later one."
NO_MEMORY = "There is not enough memory for so many voxels. Choose a smaller size, or fewer frames."


class FIGURINE_OT_bake_voxels(bpy.types.Operator, VoxelOptions):
    """Voxelize every frame of the figure's animation: cubes stay upright, and take turns instead of bending"""

    bl_idname = "figurine.bake_voxels"
    bl_label = "Bake Voxel Animation"
    bl_options = {"UNDO"}  # noqa: RUF012

    start: IntProperty(name="First Frame", description="Where the bake begins", default=1, min=FIRST, max=LAST)
    end: IntProperty(name="Last Frame", description="Where the bake ends", default=250, min=FIRST, max=LAST)
    step: IntProperty(name="Step", description="Frames from one figure of voxels to the next", default=1, min=1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a mesh that can be seen, or a bake of one."""
        return poll_reason(cls, "" if context.mode == "OBJECT" and baked_from(context.object) else obstacle(context))

    def draw(self, context: bpy.types.Context) -> None:
        """The dialog."""
        self.layout.use_property_split = True
        self.layout.use_property_decorate = False
        frames = self.layout.column(align=True)
        frames.prop(self, "start")
        frames.prop(self, "end", text="Last")
        frames.prop(self, "step")
        look = self.layout.column()
        look.prop(self, "size")
        draw_colours(look, self)
        look.prop(self, "close")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the frames and the voxels first."""
        if not self.properties.is_property_set("start"):
            self.start = context.scene.frame_start
        if not self.properties.is_property_set("end"):
            self.end = context.scene.frame_end
        if bpy.app.background:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self, confirm_text="Bake")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Bake; with a window a frame at a time, so that it can be watched and ended."""
        if self.end < self.start:
            self.report({"ERROR"}, BACKWARDS)
            return {"CANCELLED"}
        self._begin(context)
        if self.options.is_invoke and not bpy.app.background:
            return self._wait(context)
        while (result := self._go_on(context)) == {"RUNNING_MODAL"}:
            context.window_manager.progress_update(self._done)
        return result

    def _begin(self, context: bpy.types.Context) -> None:
        self._frames = list(range(self.start, self.end + 1, self.step))
        self._done, self._bake = 0, None
        self._choice = baked_from(context.object) or choice(context)
        self._is_shown = [item.visible_get() for item in self._choice.objects]
        for item in self._choice.objects:  # what is hidden has no pose
            item.hide_set(False)
        context.window_manager.progress_begin(0, len(self._frames))

    def _wait(self, context: bpy.types.Context) -> set[str]:
        self._timer = context.window_manager.event_timer_add(TICK_s, window=context.window)
        context.window_manager.modal_handler_add(self)
        self._show_progress(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """One frame at every tick."""
        if event.type == "ESC":
            self.cancel(context)
            self.report({"INFO"}, "The bake was cancelled; nothing has changed.")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"RUNNING_MODAL"}
        try:
            result = self._go_on(context)
        except ReferenceError:  # an undo in another window
            self.report({"ERROR"}, GONE)
            result = {"CANCELLED"}
        if result != {"RUNNING_MODAL"}:
            self._end_waiting(context)
        else:
            self._show_progress(context)
        return result

    def cancel(self, context: bpy.types.Context) -> None:
        """Esc, or another file is opened meanwhile."""
        self._give_up(context)
        self._end_waiting(context)

    def _go_on(self, context: bpy.types.Context) -> set[str]:
        try:
            if self._bake is None:
                self._bake = VoxelBake(context, self._choice, self.settings(), self.look().glow)
            elif self._done < len(self._frames):
                self._bake.add_frame(context, self._frames[self._done])
                self._done += 1
            else:
                return self._finish(context)
        except VoxelError as error:
            self.report({"ERROR"}, told_error(error))
        except MemoryError:
            self.report({"ERROR"}, NO_MEMORY)
        else:
            return {"RUNNING_MODAL"}
        self._give_up(context)
        return {"CANCELLED"}

    def _finish(self, context: bpy.types.Context) -> set[str]:
        carrier = self._bake.finish(context)
        context.window_manager.progress_end()
        for item in self._choice.objects:
            item.select_set(False)
            item.hide_set(True)
            item.hide_render = True
        for item in context.selected_objects:
            item.select_set(False)
        carrier.select_set(True)
        context.view_layer.objects.active = carrier
        if self._bake.warning:
            self.report({"WARNING"}, told_in_report(self._bake.warning))
        return {"FINISHED"}

    def _give_up(self, context: bpy.types.Context) -> None:
        context.window_manager.progress_end()
        if self._bake is not None:
            self._bake.give_up()
        for item, is_shown in zip(self._choice.objects, self._is_shown, strict=True):
            item.hide_set(not is_shown)

    def _show_progress(self, context: bpy.types.Context) -> None:
        context.workspace.status_text_set(
            told(phrase("Bake: frame {number} of {count}   Esc: Cancel", number=self._done, count=len(self._frames)))
        )

    def _end_waiting(self, context: bpy.types.Context) -> None:
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)


CLASSES = (FIGURINE_OT_bake_voxels,)
