# SPDX-License-Identifier: GPL-3.0-or-later
"""Rerun: a new job from an old one, with another body, size or seed."""

# No postponed annotations: Blender reads them as they are.
import random
from dataclasses import replace
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from .. import runtime
from ..figure.adopt import original_of
from ..figure.provenance import PREFIX
from ..job_actions import rerun_obstacle, sending_obstacle
from ..job_settings import changed_settings, shape_of
from ..jobs.aim import Aim
from ..jobs.views import JobView
from ..properties import DEPTH, HEIGHT, KINDS, LARGEST_SEED
from ..units import metres_per_unit
from ..wording import STAGE_LABELS
from .common import file_mark, find_job, poll_jobs

_STAGES = tuple(
    (stage, label, f"Keep everything before this step: {label}")
    for stage, label in STAGE_LABELS.items()
    if stage != "export"
)


def _start_from_skeleton(self: bpy.types.OperatorProperties, _context: bpy.types.Context) -> None:
    """Another body is another skeleton: the shape before it can stay."""
    self.stage = "rig"


class FIGURINE_OT_rerun_job(bpy.types.Operator):
    """Make a new job from this one with another body, size or seed; what that does not change is re-used"""

    bl_idname = "figurine.rerun_job"
    bl_label = "Rerun…"

    key: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    kind: EnumProperty(
        name="Body",
        description="What body the character has",
        items=KINDS,
        default="auto",
        update=_start_from_skeleton,
        options={"SKIP_SAVE"},
    )
    height: FloatProperty(
        name="Height", description="Total height of a humanoid, otherwise the largest side. 0 is automatic", **HEIGHT
    )
    depth: FloatProperty(name="Thickness", description="How thick a draft is: 1 is as estimated", **DEPTH)
    stage: EnumProperty(
        name="New Seed From", description="Steps before this one keep their seed", items=_STAGES, default="geometry"
    )
    seed: IntProperty(
        name="Seed",
        description="For this step and the later ones. The draft engine has no chance in it",
        min=0,
        max=LARGEST_SEED,
        options={"SKIP_SAVE"},
    )

    beside: BoolProperty(
        name="Compare Side by Side",
        description="Put the result beside the figure that this job made, to keep one of the two",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the server has nothing to start from."""
        return poll_jobs(cls, context, _obstacle)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask what is to differ, and offer a fresh seed."""
        job = find_job(self, context, self.key, _obstacle)
        if job is None:
            return {"CANCELLED"}
        shape = shape_of(job.settings)
        self.kind, self.depth = shape.kind, shape.depth
        self.height = shape.height_m / metres_per_unit(context.scene)
        self.stage = "geometry"
        self.seed = random.randrange(LARGEST_SEED)
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the new job. What was not set stays as it is in the old one."""
        job = find_job(self, context, self.key, _obstacle)
        if job is None:
            return {"CANCELLED"}
        before = shape_of(job.settings)
        wanted = replace(before, **self._chosen(context.scene))
        changes, does_import = changed_settings(before, wanted), context.scene.figurine.import_when_done
        now = runtime.current()
        aim = _aim(context.scene, job) if self.beside else None
        key = now.engine.rerun(job.key, self.stage, changes, self.seed, does_import, aim)
        now.files[key] = file_mark(now)
        now.focus = key
        now.touch()
        return {"FINISHED"}

    def _chosen(self, scene: bpy.types.Scene) -> dict[str, Any]:
        chosen = {name: getattr(self, name) for name in ("kind", "depth") if self.properties.is_property_set(name)}
        if self.properties.is_property_set("height"):
            chosen["height_m"] = self.height * metres_per_unit(scene)
        return chosen


def _aim(scene: bpy.types.Scene, job: JobView) -> Aim | None:
    """Beside the figure of the job; None where that is not in the scene."""
    made = [item for item in scene.objects if item.type == "ARMATURE" and item.get(f"{PREFIX}job") == job.job_id]
    return Aim("beside", original_of(made[0]).name) if made else None


def _obstacle(job: JobView) -> str:
    return rerun_obstacle(job) or sending_obstacle(job, bpy.app.online_access)


CLASSES = (FIGURINE_OT_rerun_job,)
