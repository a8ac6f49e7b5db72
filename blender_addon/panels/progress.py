# SPDX-License-Identifier: GPL-3.0-or-later
"""The job that runs, or was the last to run: a row for each stage."""

from __future__ import annotations

import math

import bpy

from .. import previews
from ..documents import StageResult
from ..errors import FigurineError, ServerNotRunning
from ..job_settings import candidates_of
from ..jobs.views import JobView
from ..languages import told
from ..phrases import Phrase, phrase
from ..runtime import Runtime
from ..wording import OPEN_STATES, STAGE_LABELS, STATE_LABELS, duration, engine_label, percent, stage_label
from .approval import draw_approval
from .failure import draw_ways_on
from .layout import draw_faint, draw_text, draw_words

# Of Blender's icon size.
_CHOICE_SCALE = 10.0


def shown_job(now: Runtime) -> JobView | None:
    """The job to show at large: the one that runs, otherwise the one that was asked for last."""
    going_on = now.open_jobs
    active = [job for job in going_on if job.state in ("running", "fetching", "waiting")]
    if active or going_on:
        return (active or going_on)[0]
    return now.job(now.focus) if now.focus is not None else None


def shown_error(job: JobView) -> FigurineError | None:
    """What is said of the job at large. That the server does not run is said in the server's part of the panel."""
    return None if job.state in OPEN_STATES and isinstance(job.error, ServerNotRunning) else job.error


def draw_progress(layout: bpy.types.UILayout, now: Runtime) -> None:
    """How far the job is, and how many wait behind it."""
    job = shown_job(now)
    if job is None:
        return
    box = layout.box()
    _draw_title(box, job)
    if job.state in OPEN_STATES:
        _draw_bar(box, job, now.snapshot.server.state == "running")
    count = candidates_of(job.settings)
    if job.state == "waiting" and count > 1 and job.settings.get("pause_after") != "normalize":
        _draw_choice(box, job, count)
    elif job.state == "waiting":
        draw_approval(box, job)
    if job.state in ("running", "waiting", "done") or job.stages:
        _draw_stages(box, job)
    error = shown_error(job)
    if error is not None:
        draw_words(box, error.message, error.hint)
        draw_ways_on(box, job, offers_retry=True)
    for warning in untold_warnings(job):
        draw_text(box, warning, "INFO")
    if now.postponed and any(result.key == job.key for result in now.results):
        draw_text(box, now.postponed, "TIME")
    behind = [other for other in now.open_jobs if other.key != job.key]
    waiting = len([other for other in behind if other.state == "waiting"])
    if waiting:
        draw_text(
            layout, phrase("{count} more for you to look at; see Jobs below.", count=waiting), "PAUSE", is_in_box=False
        )
    if len(behind) > waiting:
        draw_faint(
            layout, phrase("{count} more in the queue; see Jobs below.", count=len(behind) - waiting), is_in_box=False
        )


def untold_warnings(job: JobView) -> list[str]:
    """Its warnings, but for those that stand among what was found about its picture."""
    told = [] if job.review is None else [diagnosis.sentence for diagnosis in job.review.diagnoses]
    return [warning for warning in job.warnings if warning not in told]


def _draw_title(box: bpy.types.UILayout, job: JobView) -> None:
    row = box.row()
    icons = {"done": "CHECKMARK", "failed": "ERROR", "lost": "ERROR", "cancelled": "CANCEL", "waiting": "PAUSE"}
    title = phrase("{name}: {state}", name=job.name, state=STATE_LABELS[job.state].recased(str.lower))
    row.label(text=told(title), icon=icons.get(job.state, "TIME"), translate=False)
    buttons = row.row()
    buttons.alignment = "RIGHT"
    if job.state in OPEN_STATES:
        buttons.operator("figurine.cancel", text="Cancelling…" if job.is_cancelling else "Cancel").key = job.key
    else:
        buttons.operator("figurine.close_progress", text="", icon="X", emboss=False)


def _draw_bar(box: bpy.types.UILayout, job: JobView, is_server_here: bool) -> None:
    texts = {
        "sending": "Sending the picture",
        "queued": "Waiting for its turn",
        "fetching": phrase("Fetching the result · {percent}", percent=percent(job.stage_progress)),
        "waiting": phrase("{percent} · waits for you", percent=percent(job.progress)),
    }
    text = texts.get(job.state, percent(job.progress))
    if job.state in ("sending", "queued", "fetching") and not is_server_here:
        text = "Waits for the server"
    if job.state == "running" and job.eta_s is not None:
        text = phrase("{percent} · {time} left", percent=text, time=duration(job.eta_s))
    box.progress(factor=job.stage_progress if job.state == "fetching" else job.progress, text=told(text), type="BAR")


# Of Blender's icon size.
_CHOICE_SCALE = 10.0


def _draw_choice(box: bpy.types.UILayout, job: JobView, count: int) -> None:
    """The shapes, in rows from left to right, and a button for each in the same places."""
    icon = previews.thumbnail_icon(job.thumbnail)
    if icon:
        box.template_icon(icon_value=icon, scale=_CHOICE_SCALE)
    draw_faint(box, "Choose the shape to go on with:", is_in_box=False)
    across = math.ceil(math.sqrt(count))
    for first in range(1, count + 1, across):
        row = box.row(align=True)
        for number in range(first, min(first + across, count + 1)):
            button = row.operator("figurine.resume_job", text=str(number))
            button.key, button.candidate = job.key, number


def _draw_stages(box: bpy.types.UILayout, job: JobView) -> None:
    done = {result.stage: result for result in job.stages}
    names = [*STAGE_LABELS, *(stage for stage in done if stage not in STAGE_LABELS)]
    column = box.column(align=True)
    for stage in names:
        result = done.get(stage)
        if result is not None:
            row = column.row()
            row.label(text=stage_label(stage), icon="CHECKMARK")
            facts = row.row()
            facts.alignment = "RIGHT"
            facts.active = False
            facts.label(text=told(_facts(result)), translate=False)
        elif stage == job.stage and job.state == "running":
            row = column.row()
            row.label(text=stage_label(stage), icon="PLAY")
            row.progress(factor=job.stage_progress, text=told(engine_label(job.engine or "")), type="BAR")
        else:
            row = column.row()
            row.active = False
            row.label(text=stage_label(stage), icon="RADIOBUT_OFF")
    for reason in dict.fromkeys(result.fallback_reason for result in job.stages if result.fallback_reason):
        draw_faint(column, phrase("Draft: {reason}", reason=phrase(reason)))


def _facts(result: StageResult) -> Phrase:
    engine = phrase(engine_label(result.engine))
    if result.reused:
        return phrase("{engine} · kept", engine=engine)
    return phrase("{engine} · {time}", engine=engine, time=duration(result.seconds))
