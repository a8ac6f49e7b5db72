# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done about a job that did not go through."""

from __future__ import annotations

import bpy

from ..job_actions import retry_obstacle, settle_obstacle
from ..jobs.views import JobView
from .approval import draw_other_picture

_RIG_CHOICES = (("keep", "Keep"), ("reweigh", "Keep Bones"), ("replace", "Replace"))


def draw_ways_on(box: bpy.types.UILayout, job: JobView, *, offers_retry: bool) -> None:
    """The answers where the job asked something, otherwise another try and another picture."""
    row = box.row(align=True)
    if not settle_obstacle(job):
        for choice, text in _RIG_CHOICES:
            button = row.operator("figurine.settle_rig", text=text)
            button.key, button.choice = job.key, choice
    else:
        if offers_retry and not retry_obstacle(job):
            row.operator("figurine.retry_job", icon="FILE_REFRESH").key = job.key
        draw_other_picture(row, job)
    box.operator("figurine.copy_diagnostics", icon="COPYDOWN")
