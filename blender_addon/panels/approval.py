# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits for the artist: its picture before and after, what was found about it, and what can be done."""

from __future__ import annotations

import bpy

from .. import previews
from ..job_actions import replace_obstacle
from ..jobs.review import Review
from ..jobs.views import JobView
from ..phrases import phrase
from ..wording import PICTURE_LABELS, sentence_case
from .layout import draw_faint, draw_text, picture_scale

_BIG = 1.4
_COLUMNS = 2
_CHOICES_IN_ROW = 3  # more are cut off where the sidebar is as narrow as it is at first


def draw_approval(box: bpy.types.UILayout, job: JobView) -> None:
    """What there is to judge, where the job waits after its picture, and the ways on."""
    is_about_picture = job.settings.get("pause_after") == "normalize"
    if job.review is not None:
        _draw_review(box, job, job.review)
    elif is_about_picture:
        draw_faint(box, "The pictures are on their way.")
    row = box.row()
    row.scale_y = _BIG
    text, icon = (phrase("Approve"), "CHECKMARK") if is_about_picture else (phrase("Continue"), "PLAY")
    row.operator("figurine.resume_job", text=text, icon=icon).key = job.key
    row = box.row(align=True)
    row.operator("figurine.change_job", icon="OPTIONS").key = job.key
    draw_other_picture(row, job)


def draw_other_picture(layout: bpy.types.UILayout, job: JobView) -> None:
    """The menu of pictures that a job can start again with; nothing where it takes none."""
    if not replace_obstacle(job):
        layout.operator_menu_enum("figurine.replace_picture", "source", icon="IMAGE_DATA").key = job.key


def _draw_review(box: bpy.types.UILayout, job: JobView, review: Review) -> None:
    pictures, window = review.pictures, bpy.context.window_manager.figurine
    row = box.row()
    scale = picture_scale(_COLUMNS)
    for name in ("before", window.beside if window.beside in pictures else "after"):
        column = row.box().column()
        line = column.row()
        line.label(text=PICTURE_LABELS[name])
        button = line.operator("figurine.open_picture", text="", icon="ZOOM_IN", emboss=False)
        button.key, button.picture = job.key, name
        column.template_icon(icon_value=previews.thumbnail_icon(pictures[name]), scale=scale)
    if review.between:
        _draw_choice(box, list(pictures)[1:])
    for diagnosis in review.diagnoses:
        draw_text(box, diagnosis.sentence, "ERROR" if diagnosis.is_serious else "INFO")
    if not review.diagnoses:
        draw_text(box, "Nothing was found in it that would harm the model.", "CHECKMARK")
    steps = box.column(align=True)
    for step in review.steps:
        draw_faint(steps, sentence_case(step))


def _draw_choice(box: bpy.types.UILayout, names: list[str]) -> None:
    """Which of these pictures stands beside the first."""
    column = box.column(align=True)
    for start in range(0, len(names), _CHOICES_IN_ROW):
        row = column.row(align=True)
        for name in names[start : start + _CHOICES_IN_ROW]:
            row.prop_enum(bpy.context.window_manager.figurine, "beside", name)
