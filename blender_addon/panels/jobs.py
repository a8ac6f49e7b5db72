# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs, and what can be done with the one that is chosen."""

from __future__ import annotations

import bpy

from .. import previews, runtime
from ..job_actions import cancel_obstacle, resume_obstacle, retry_obstacle
from ..jobs.views import JobView
from ..languages import told
from ..phrases import phrase
from ..properties import FigurineJobRow, FigurineWindow
from ..runtime import Runtime
from ..wording import STATE_LABELS, duration, percent
from .approval import draw_approval
from .failure import draw_ways_on
from .layout import draw_faint, draw_text, draw_words
from .progress import shown_job, untold_warnings

_ROWS = 4
_STATE_ICONS = {
    "sending": "EXPORT",
    "queued": "TIME",
    "running": "PLAY",
    "waiting": "PAUSE",
    "fetching": "IMPORT",
    "done": "CHECKMARK",
    "failed": "ERROR",
    "cancelled": "CANCEL",
    "lost": "QUESTION",
}


class FIGURINE_UL_jobs(bpy.types.UIList):
    """Jobs, newest first."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: FigurineWindow,
        item: FigurineJobRow,
        icon: int,
        active_data: FigurineWindow,
        active_property: str,
        index: int = 0,
        flt_flag: int = 0,
    ) -> None:
        """A thumbnail, the name, and how far it is."""
        job = runtime.current().job(item.key)
        if job is None:
            return
        row = layout.row()
        thumbnail = previews.thumbnail_icon(previews.row_picture(job))
        name = f"{job.number}  {job.name}" if job.number else job.name
        if thumbnail:
            row.label(text=name, icon_value=thumbnail, translate=False)
        else:
            row.label(text=name, icon="IMAGE_DATA", translate=False)
        if job.state == "running":
            row.progress(factor=job.progress, text=_how_far(job), type="BAR")
        else:
            right = row.row()
            right.alignment = "RIGHT"
            right.active = False
            right.label(text=_state_text(job), icon=_STATE_ICONS[job.state])


class FIGURINE_PT_jobs(bpy.types.Panel):
    """The list of jobs."""

    bl_label = "Jobs"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 1

    def draw(self, context: bpy.types.Context) -> None:
        """The list and the chosen job."""
        now, window = runtime.current(), context.window_manager.figurine
        if not now.snapshot.jobs:
            draw_faint(self.layout, "What you generate is kept here, also after Blender was closed.", is_in_box=False)
            return
        self.layout.template_list("FIGURINE_UL_jobs", "", window, "jobs", window, "active", rows=_ROWS)
        if now.snapshot.has_more:
            self.layout.operator("figurine.load_more", icon="TRIA_DOWN")
        job = chosen_job(now, window)
        if job is not None:
            _draw_actions(self.layout, job)
            if shown_job(now) != job:
                _draw_details(self.layout, job)


def chosen_job(now: Runtime, window: FigurineWindow) -> JobView | None:
    """The job that is highlighted in the list."""
    if not 0 <= window.active < len(window.jobs):
        return None
    return now.job(window.jobs[window.active].key)


def _how_far(job: JobView) -> str:
    if job.eta_s is None:
        return percent(job.progress)
    return told(phrase("{percent} · {time}", percent=percent(job.progress), time=duration(job.eta_s)))


def _state_text(job: JobView) -> str:
    if job.state == "done" and job.is_imported:
        return phrase("Imported")
    if job.is_cancelling:
        return phrase("Cancelling")
    return STATE_LABELS[job.state]


def _draw_actions(layout: bpy.types.UILayout, job: JobView) -> None:
    row = layout.row(align=True)
    if not resume_obstacle(job):
        text = phrase("Approve") if job.review is not None else phrase("Continue")
        row.operator("figurine.resume_job", text=text, icon="PLAY").key = job.key
    elif not retry_obstacle(job):
        row.operator("figurine.retry_job", icon="FILE_REFRESH").key = job.key
    else:
        text = phrase("Import Again") if job.is_imported else phrase("Import")
        row.operator("figurine.import_job", text=text, icon="IMPORT").key = job.key
    if cancel_obstacle(job):
        row.operator("figurine.rerun_job", icon="DUPLICATE").key = job.key
    else:
        row.operator("figurine.cancel", icon="CANCEL").key = job.key
    row.operator("figurine.open_folder", text="", icon="FILE_FOLDER").key = job.key
    row.operator("figurine.delete_job", text="", icon="TRASH").key = job.key


def _draw_details(layout: bpy.types.UILayout, job: JobView) -> None:
    if job.error is None and not job.warnings and job.state != "waiting":
        return
    box = layout.box()
    if job.state == "waiting":
        draw_approval(box, job)
    if job.error is not None:
        draw_words(box, job.error.message, job.error.hint)
        draw_ways_on(box, job, offers_retry=False)
    for warning in untold_warnings(job):
        draw_text(box, warning, "INFO")


CLASSES = (FIGURINE_UL_jobs, FIGURINE_PT_jobs)
