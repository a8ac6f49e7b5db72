# SPDX-License-Identifier: GPL-3.0-or-later
"""Change: a job that waits repeats what the change concerns, and waits again: nothing that was not seen goes on."""

# No postponed annotations: Blender reads them as they are.
from dataclasses import replace
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from .. import runtime
from ..job_actions import change_obstacle
from ..job_settings import STEPS, Treatment, changed_treatment, treatment_of
from ..languages import told
from ..phrases import phrase
from ..properties import DEPTH, ENGINES, HEIGHT, KINDS
from ..units import metres_per_unit
from .common import file_mark, find_job, poll_jobs

_MODES = (
    ("auto", "Automatic", "Where what was found about the picture asks for it"),
    ("on", "On", "In any case"),
    ("off", "Off", "Not at all"),
)
_EDITORS = (
    ("auto", "Automatic", "The one on the server's own machine, where it is there. The picture is sent nowhere else"),
    ("local", "On the Server", "The one on the server's own machine"),
    ("hosted", "Hosted", "A provider's model. The picture is sent to that provider"),
)
_LEAVES = "The picture is sent to the provider of the hosted model."
_OFFLINE = "Allow Online Access is off in Preferences: the picture is sent nowhere."
_DIALOG_WIDTH_PX = 340


def _mode(name: str, description: str) -> Any:
    return EnumProperty(name=name, description=description, items=_MODES, default="auto", options={"SKIP_SAVE"})


class FIGURINE_OT_change_job(bpy.types.Operator):
    """Change what is done to the picture, or what is made of it. The job then waits again with the new result"""

    bl_idname = "figurine.change_job"
    bl_label = "Change…"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    engine: EnumProperty(
        name="Cut Out With", description="What cuts the subject out", items=ENGINES, options={"SKIP_SAVE"}
    )
    background: _mode("Remove Background", "Cut the subject out where the picture brings no transparency")
    resolution: _mode("Enlarge", "Give a small picture more pixels")
    pose: _mode("Pose and View", "Redraw the character from the front with its arms away from the body")
    tilt: _mode("Straighten", "Turn a leaning character upright")
    framing: _mode("Centre", "Centre the character in a square")
    editor: EnumProperty(
        name="Redraw With", description="What changes pose and view", items=_EDITORS, options={"SKIP_SAVE"}
    )
    kind: EnumProperty(
        name="Body", description="What body the character has", items=KINDS, default="auto", options={"SKIP_SAVE"}
    )
    height: FloatProperty(
        name="Height",
        description="Total height of a humanoid, largest side of anything else. 0 is automatic",
        options={"SKIP_SAVE"},
        **HEIGHT,
    )
    depth: FloatProperty(name="Thickness", description="How thick a draft is", options={"SKIP_SAVE"}, **DEPTH)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing waits."""
        return poll_jobs(cls, context, change_obstacle)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask, beginning with how it is."""
        job = find_job(self, context, self.key, change_obstacle)
        if job is None:
            return {"CANCELLED"}
        now = treatment_of(job.settings)
        self.engine, self.editor = now.engine, now.editor
        for step in STEPS:
            setattr(self, step, now.steps[step])
        self.kind, self.depth = now.shape.kind, now.shape.depth
        self.height = now.shape.height_m / metres_per_unit(context.scene)
        title, button = told(phrase("Change {name}", name=job.name)), "Look Again"
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH_PX, title=title, confirm_text=button
        )

    def draw(self, context: bpy.types.Context) -> None:
        """What the server knows of."""
        job = runtime.current().job(self.key)
        if job is None:
            return
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if "normalize_steps" in job.settings:
            column = layout.column(heading="Picture")
            for step in STEPS:
                column.prop(self, step)
            column.prop(self, "editor")
            if self.editor == "hosted":
                column.label(text=_LEAVES if bpy.app.online_access else _OFFLINE, icon="INTERNET")
        if len(runtime.current().snapshot.server.cut_out_engines) > 1:
            layout.prop(self, "engine")
        column = layout.column()
        column.prop(self, "kind")
        column.prop(self, "height")
        column.prop(self, "depth")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Let it repeat and wait again. What was not set stays as it is."""
        job = find_job(self, context, self.key, change_obstacle)
        if job is None:
            return {"CANCELLED"}
        changes = changed_treatment(job.settings, self._wanted(context.scene, treatment_of(job.settings)))
        if not changes:
            self.report({"INFO"}, "Nothing was changed: the job waits as before.")
            return {"CANCELLED"}
        if changes.get("editor") == "hosted" and not bpy.app.online_access:
            self.report({"WARNING"}, _OFFLINE)
            return {"CANCELLED"}
        now = runtime.current()
        now.engine.resume(job.key, {**changes, "pause_after": job.settings.get("pause_after")})
        now.files[job.key] = file_mark(now)
        now.touch()
        return {"FINISHED"}

    def _wanted(self, scene: bpy.types.Scene, before: Treatment) -> Treatment:
        names = (*STEPS, "engine", "editor", "kind", "depth")
        chosen = {name: getattr(self, name) for name in names if self.properties.is_property_set(name)}
        shape = {name: chosen[name] for name in ("kind", "depth") if name in chosen}
        if self.properties.is_property_set("height"):
            shape["height_m"] = self.height * metres_per_unit(scene)
        return Treatment(
            shape=replace(before.shape, **shape),
            engine=chosen.get("engine", before.engine),
            steps={step: chosen.get(step, mode) for step, mode in before.steps.items()},
            editor=chosen.get("editor", before.editor),
        )


CLASSES = (FIGURINE_OT_change_job,)
