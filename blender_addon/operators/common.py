# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators share: the job they act on, and the file that is open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from .. import runtime
from ..errors import FigurineError
from ..job_actions import NO_JOB
from ..jobs.views import JobView
from ..languages import told_in_report, told_in_tooltip
from ..properties import FigurineRequest
from ..runtime import FileMark, Runtime


def file_mark(now: Runtime) -> FileMark:
    """The .blend file that is open, and the scene of the window."""
    return FileMark(now.opened, bpy.data.filepath, bpy.context.scene.name)


def chosen_key(context: bpy.types.Context) -> str:
    """The key of the job that is highlighted in the list, "" for none."""
    window = context.window_manager.figurine
    return window.jobs[window.active].key if 0 <= window.active < len(window.jobs) else ""


def candidates(context: bpy.types.Context) -> list[JobView]:
    """The jobs that a button of the panel can mean: the highlighted one, those shown at large, those with messages."""
    now = runtime.current()
    keys = [chosen_key(context), now.focus, *(job.key for job in now.open_jobs), *(m.key for m in now.messages)]
    found = [now.job(key) for key in dict.fromkeys(keys) if key]
    return [job for job in found if job is not None]


def poll_jobs(
    operator: type[bpy.types.Operator], context: bpy.types.Context, why_not: Callable[[JobView], str]
) -> bool:
    """Whether the verb fits a job that is shown; otherwise the reason becomes the button's tooltip."""
    jobs = candidates(context)
    reasons = [why_not(job) for job in jobs]
    return poll_reason(operator, "" if jobs and not all(reasons) else reasons[0] if reasons else NO_JOB)


def poll_reason(operator: type[bpy.types.Operator], reason: str) -> bool:
    """Whether nothing stands against the verb; otherwise the reason becomes the button's tooltip."""
    if reason:
        operator.poll_message_set(told_in_tooltip(reason))
    return not reason


def may_still(operator: bpy.types.Operator, reason: str) -> bool:
    """Whether nothing stands against the verb after a file window, which stays open while selection and mode change;
    otherwise the reason is reported.
    """
    if reason:
        operator.report({"ERROR"}, told_in_report(reason))
    return not reason


def find_job(
    operator: bpy.types.Operator, context: bpy.types.Context, key: str, why_not: Callable[[JobView], str]
) -> JobView | None:
    """The job of this key, or the highlighted one for ""; where the verb does not fit it, that is reported."""
    job = runtime.current().job(key or chosen_key(context))
    reason = NO_JOB if job is None else why_not(job)
    if reason:
        operator.report({"WARNING"}, told_in_report(reason))
        return None
    return job


def choose_picture(request: FigurineRequest, path: Path) -> None:
    """Make this file the picture."""
    request.image = None
    request.picture = str(path)


def replace_picture(now: Runtime, key: str, picture: Path, name: str = "", mask: Path | None = None) -> None:
    """Have this job start again with another picture. name: of the character, "" for the job's own. mask: of the
    picture. What was said of the job has been read by then.
    """
    now.forget_messages(key)
    now.engine.replace_picture(key, picture, {"name": name} if name else {}, mask)
    now.files[key] = file_mark(now)
    now.touch()


def told_error(error: FigurineError) -> str:
    """What happened and what to do, as one report."""
    return f"{told_in_report(error.message)} {told_in_report(error.hint)}".strip()


def tell(operator: bpy.types.Operator, error: FigurineError, key: str | None = None) -> None:
    """Show the error in the panel, and where the mouse is."""
    runtime.current().complain(error, key)
    operator.report({"WARNING"}, told_error(error))
