# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is remembered and heard of a job to what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..documents import Job, JobSummary
from ..errors import FigurineError, JobFailed, JobLost
from ..wording import OPEN_STATES
from .journal import Record
from .review import Review
from .views import JobView, ViewState


@dataclass(frozen=True)
class Surroundings:
    """heard: the job's last document. summary: its line in the server's list. error: why it could not be fetched, or
    is not heard of. picture, thumbnail, result, review: local files. is_asked: something was asked of it in this
    Blender.
    """

    heard: Job | None = None
    summary: JobSummary | None = None
    error: FigurineError | None = None
    picture: str = ""
    thumbnail: Path | None = None
    result: Path | None = None
    review: Review | None = None
    is_fetching: bool = False
    is_elsewhere: bool = False
    is_asked: bool = False


def describe_record(record: Record, around: Surroundings) -> JobView:
    """A job of this user."""
    job = around.heard or record.job
    state = _state(record, job, around)
    error = (None if record.order else record.error) or around.error
    has_to_be_done = record.job_id is None or record.order or record.cancel_asked or around.is_fetching
    if state == "lost" and not record.end:
        error = JobLost.elsewhere(record.name)
    view = JobView(
        key=record.key,
        state=state,
        name=record.name,
        job_id=record.job_id,
        picture=around.picture,
        error=error,
        created_s=record.created_s,
        thumbnail=around.thumbnail,
        result=around.result,
        is_ours=not record.is_adopted,
        is_imported=record.is_imported,
        is_cancelling=record.cancel_asked and state in ("sending", "queued", "running", "waiting"),
        waits_for_server=around.is_asked and state in OPEN_STATES and bool(has_to_be_done),
        settings=record.settings,
        review=around.review if state == "waiting" else None,
        target=record.target,
        aim=record.aim,
    )
    if job is not None:
        return _with_job(view, job)
    if around.summary is not None:
        return _with_summary(view, around.summary)
    return view


def describe_summary(summary: JobSummary, thumbnail: Path | None) -> JobView:
    """A job that only the server's list names."""
    view = JobView(
        key=summary.id,
        state=summary.state,
        name=summary.name,
        job_id=summary.id,
        created_s=summary.created_s,
        error=None if summary.error is None else JobFailed(summary.error, f"job {summary.id}"),
        thumbnail=thumbnail,
        is_ours=False,
    )
    return _with_summary(view, summary)


def _state(record: Record, job: Job | None, around: Surroundings) -> ViewState:
    if record.end:
        return record.end
    if record.is_busy and around.is_elsewhere:
        return "lost"
    if record.order:
        return "queued"
    if job is not None:
        return "fetching" if around.is_fetching else job.state
    if record.job_id is None:
        return "sending"
    return "queued" if around.summary is None else around.summary.state


def _with_job(view: JobView, job: Job) -> JobView:
    known = {item: getattr(job, item) for item in ("number", "stage", "engine", "progress", "eta_s", "stages")}
    share = 0.0 if view.state == "fetching" else job.stage_progress
    warnings = tuple(warning.sentence for warning in job.warnings)
    return _replaced(view, **known, stage_progress=share, warnings=warnings, settings=job.settings)


def _with_summary(view: JobView, summary: JobSummary) -> JobView:
    known = {item: getattr(summary, item) for item in ("number", "stage", "engine", "progress", "eta_s")}
    return _replaced(view, **known)


def _replaced(view: JobView, **values: object) -> JobView:
    return JobView(**{**vars(view), **values})
