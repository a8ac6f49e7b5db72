# SPDX-License-Identifier: GPL-3.0-or-later
"""The active figure once more: with another seed from a stage on, beside it, to choose one; or by the neural engine, in
its place.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import bpy

from .. import runtime
from ..figure.adopt import active_figure, choice_of, hidden_collection, keep, original_of
from ..figure.lost_bones import lost_bones, lost_sentence
from ..figure.provenance import PREFIX
from ..job_actions import rerun_obstacle, sending_obstacle
from ..jobs.aim import Aim, Purpose
from ..jobs.views import JobView, ModelsView
from ..languages import told_in_report
from ..neural import neural_obstacle
from ..phrases import phrase
from ..pose.rig import active_rig
from ..properties import LARGEST_SEED
from ..runtime import Runtime
from ..status import obstacle as server_obstacle
from ..wording import STAGE_LABELS
from .common import file_mark, poll_reason

_STAGES = ("geometry", "texture", "rig")
_DRAFT = "draft"
# For a whole figure, of a server that does not tell what it lacks; by the ids of the manifest: one of each line, the
# first of which is named.
_NEEDED_WEIGHTS = (
    ("birefnet-lite", "birefnet", "birefnet-matting"),
    ("step1x3d-geometry-label", "step1x3d-geometry"),
    ("step1x3d-texture",),
    ("sdxl-base",),
    ("sdxl-vae-fp16-fix",),
    ("unirig-skeleton",),
    ("unirig-skin",),
)
_NO_FIGURE = "Select a figure that Figurine made."
_NOTHING_BESIDE = "Nothing stands beside this figure. Another Skeleton, Texture or Shape puts candidates there."


class _Another:
    """What the three have in common. stage: from which on the seed is another."""

    stage = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the figure cannot be made again, or would come out the same."""
        return poll_reason(cls, another_obstacle(context, cls.stage))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the job; its result comes beside the figure."""
        figure = original_of(active_figure(context))
        _rerun(figure, self.stage, {}, random.randrange(LARGEST_SEED), "beside")
        return {"FINISHED"}


class FIGURINE_OT_another_rig(_Another, bpy.types.Operator):
    """Make the skeleton with another seed, and show the result beside the figure. Shape and texture stay"""

    bl_idname = "figurine.another_rig"
    bl_label = "Another Skeleton"
    stage = "rig"


class FIGURINE_OT_another_texture(_Another, bpy.types.Operator):
    """Paint it with another seed, and show the result beside the figure. The shape stays"""

    bl_idname = "figurine.another_texture"
    bl_label = "Another Texture"
    stage = "texture"


class FIGURINE_OT_another_shape(_Another, bpy.types.Operator):
    """Make shape, texture and skeleton with another seed, and show the result beside the figure"""

    bl_idname = "figurine.another_shape"
    bl_label = "Another Shape"
    stage = "geometry"


class FIGURINE_OT_keep_candidate(bpy.types.Operator):
    """Keep the active one of the figures that stand beside each other, in the place, the pose and with the name and
    animation of the first; remove the others
    """

    bl_idname = "figurine.keep_candidate"
    bl_label = "Keep This One"
    bl_description = (
        "Keep the active one of the figures that stand beside each other, in the place, the pose and with the "
        "name and animation of the first; remove the others"
    )
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - Blender's way to declare it

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where there is no choice, or where what is kept could not be seen."""
        return poll_reason(cls, keep_obstacle(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Choose. What the first one's bones had and those of the chosen one lack is told."""
        chosen = active_rig(context)
        first = original_of(chosen)
        lost = lost_sentence(first.name, lost_bones(first, chosen))
        keep(chosen)
        if lost:
            self.report({"WARNING"}, told_in_report(lost))
        return {"FINISHED"}


class FIGURINE_OT_upgrade(bpy.types.Operator):
    """Make this draft again from its picture by the neural engine, and put the result in its place: name, place, pose
    and animation stay, the mesh is another one
    """

    bl_idname = "figurine.upgrade"
    bl_label = "Upgrade to Neural"
    bl_description = (
        "Make this draft again from its picture by the neural engine, and put the result in its place: name, place, "
        "pose and animation stay, the mesh is another one"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where it is no draft, or where no neural engine can run."""
        return poll_reason(cls, upgrade_obstacle(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the job; its result takes the figure's place."""
        settings = {"engine": "neural", "engines": {}}
        _rerun(original_of(active_figure(context)), "geometry", settings, None, "upgrade")
        return {"FINISHED"}


def keep_obstacle(context: bpy.types.Context) -> str:
    """Why the active figure cannot be kept of those that stand beside each other, "" where it can."""
    figure = active_rig(context)
    if figure is None or len(choice_of(figure, context.scene)) < 2:
        return _NOTHING_BESIDE
    if context.mode not in ("OBJECT", "POSE"):
        return "Leave this mode first: Keep This One works in Object Mode and Pose Mode."
    if not figure.data.bones:
        return phrase("{name} has no bones left to take over.", name=figure.name)
    collection = hidden_collection(figure, context)
    return phrase("{name} is hidden: show it first.", name=collection.name) if collection is not None else ""


def another_obstacle(context: bpy.types.Context, stage: str) -> str:
    """Why the active figure cannot be made again from this stage on, "" where it can."""
    figure, now = active_figure(context), runtime.current()
    if figure is None:
        return _NO_FIGURE
    reason = _made_again_obstacle(now, original_of(figure))
    if reason:
        return reason
    if engine_of(original_of(figure), stage) == _DRAFT:
        what = STAGE_LABELS[stage].lower()
        return phrase(
            "Its {what} is a draft, and has no chance in it: every seed gives the same. Rerun… has its settings.",
            what=what,
        )
    return ""


def is_draft(figure: bpy.types.Object) -> bool:
    """Whether any part of it is one."""
    return any(engine_of(figure, stage) == _DRAFT for stage in _STAGES)


def upgrade_obstacle(context: bpy.types.Context) -> str:
    """Why the active figure cannot be made by the neural engine, "" where it can."""
    figure, now = active_figure(context), runtime.current()
    if figure is None:
        return _NO_FIGURE
    if not is_draft(original_of(figure)):
        return "No part of this figure is a draft."
    reason = _made_again_obstacle(now, original_of(figure))
    if reason:
        return reason
    server = now.snapshot.server
    if server.state == "running" and "neural" not in server.engines:
        return "The server's version has no neural engine."
    return _missing_weights(now.snapshot.models) if server.compute is None else neural_obstacle(server.compute)


def _missing_weights(models: ModelsView) -> str:
    """What the neural engine lacks for a whole figure, "" where it is all there or not known."""
    here = {model.id for model in models.models if model.state == "present"}
    lacking = [choice[0] for choice in _NEEDED_WEIGHTS if not here.intersection(choice)]
    if not models.is_known or not lacking:
        return ""
    return phrase("The server lacks weights for it ({join}): download them under Models.", join=", ".join(lacking))


def engine_of(figure: bpy.types.Object, stage: str) -> str:
    """Who did this stage of it, "" where it was not done."""
    return str(figure.get(f"{PREFIX}stage_{stage}", "")).partition(",")[0]


def _made_again_obstacle(now: Runtime, figure: bpy.types.Object) -> str:
    if not engine_of(figure, "geometry"):
        return "Only a figure that was made from a picture can be made again from it."
    reason = server_obstacle(now, True)
    job = _job_of(now, figure)
    if reason or job is None:
        return reason
    return rerun_obstacle(job) or sending_obstacle(job, bpy.app.online_access)


def _job_of(now: Runtime, figure: bpy.types.Object) -> JobView | None:
    """The job that made it, where that is listed."""
    job_id = figure[f"{PREFIX}job"]
    return next((job for job in now.snapshot.jobs if job.job_id == job_id), None)


def _rerun(
    figure: bpy.types.Object, stage: str, settings: Mapping[str, Any], seed: int | None, purpose: Purpose
) -> None:
    now = runtime.current()
    job = _job_of(now, figure)
    key = str(figure[f"{PREFIX}job"]) if job is None else job.key
    made = now.engine.rerun(key, stage, settings, seed, True, Aim(purpose, figure.name))
    now.files[made] = file_mark(now)
    now.focus = made
    now.touch()


CLASSES = (
    FIGURINE_OT_another_rig,
    FIGURINE_OT_another_texture,
    FIGURINE_OT_another_shape,
    FIGURINE_OT_keep_candidate,
    FIGURINE_OT_upgrade,
)
