# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a job, and the reason where it cannot: these sentences are the tooltips of grey buttons."""

from __future__ import annotations

from .jobs.views import JobView
from .phrases import phrase
from .wording import ENDED_STATES, STATE_LABELS

NO_JOB = "Choose a job in the list first."
_OFFLINE = (
    "Its picture would be sent to a service again: turn on Preferences > System > Network > Allow Online Access first."
)


def import_obstacle(job: JobView) -> str:
    """Why its result cannot be imported, "" where it can."""
    if job.state == "done":
        return ""
    if job.state in ENDED_STATES:
        return "This job has no result. Retry it."
    return "This job has no result yet."


def retry_obstacle(job: JobView) -> str:
    """Why it cannot be tried again, "" where it can."""
    if not settle_obstacle(job):
        return "This job asks what becomes of the mesh's own rig: answer that."
    if job.state in ("failed", "cancelled", "lost") or (job.state == "done" and job.error is not None):
        return ""
    if job.state == "done":
        return "This job did not fail. Rerun makes a new one from it."
    return "This job has not ended."


def rerun_obstacle(job: JobView) -> str:
    """Why no new job can be made from it, "" where one can."""
    if job.state == "lost" or job.job_id is None:
        return "The server does not have this job any more. Retry sends the picture again."
    if job.target:
        return "This job textured a mesh. Texture Selected Mesh makes a new one."
    if job.aim is not None and job.aim.parts:
        verb = "Update Skin" if job.aim.purpose == "skin" else "Rig Selected Mesh"
        return phrase("This job was for meshes of a Blender file. {verb} makes a new one.", verb=verb)
    return "" if job.state in ENDED_STATES else "This job has not ended."


def sending_obstacle(job: JobView, has_online_access: bool) -> str:
    """Why its picture may not be sent to a service once more, "" where it may, or where it is not sent to any."""
    return "" if has_online_access or job.settings.get("editor") != "hosted" else _OFFLINE


def resume_obstacle(job: JobView) -> str:
    """Why it cannot go on, "" where it can."""
    return "" if job.state == "waiting" else "Only a job that waits for you can be continued."


def change_obstacle(job: JobView) -> str:
    """Why it cannot go on differently, "" where it can."""
    return "" if job.state == "waiting" else "Only a job that waits for you can be changed. Rerun makes a new one."


def replace_obstacle(job: JobView) -> str:
    """Why it cannot start again with another picture, "" where it can."""
    if job.state == "waiting" or (job.state == "failed" and job.job_id is not None):
        return ""
    return "Only a job that waits for you, or failed, takes another picture. Generate makes a new one."


def settle_obstacle(job: JobView) -> str:
    """Why it does not ask what becomes of a mesh's rig, "" where it does."""
    code = "" if job.error is None else job.error.code
    if job.state == "failed" and job.job_id is not None and code == "AlreadyRigged":
        return ""
    return "Only a job whose mesh was rigged already asks what becomes of that rig."


def review_obstacle(job: JobView) -> str:
    """Why its pictures cannot be seen, "" where they can."""
    return "" if job.review is not None else "Only a job that waits for you after its cut-out has pictures to judge."


def cancel_obstacle(job: JobView) -> str:
    """Why it cannot be cancelled, "" where it can."""
    if job.is_cancelling:
        return "This job is being cancelled."
    if job.state in ("sending", "queued", "running", "waiting"):
        return ""
    return phrase("There is nothing to cancel: {state}.", state=STATE_LABELS[job.state].recased(str.lower))


def delete_obstacle(job: JobView) -> str:
    """Why it cannot be deleted, "" where it can."""
    return "" if job.state in ENDED_STATES else "This job has not ended. Cancel it first."


def folder_obstacle(job: JobView) -> str:
    """Why its folder cannot be opened, "" where it can."""
    return "" if job.result is not None else "The files of this job are not on this computer. Import it first."
