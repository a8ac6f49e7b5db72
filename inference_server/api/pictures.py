# SPDX-License-Identifier: GPL-3.0-or-later
"""Another picture for a job that waits for the artist, or could do nothing with the first."""

from __future__ import annotations

from flask import Blueprint, Response

from inference_server.api.answers import BODY_ERRORS, STORAGE_ERRORS, answer, merge_settings
from inference_server.api.documents import JobDocument
from inference_server.api.operation import Operation, describe
from inference_server.api.services import current_services
from inference_server.api.uploads import PICTURE_FORM, read_picture
from inference_server.errors import ImageUnreadable, NotFound, QueueFull, StateError, typed_system_errors
from inference_server.jobs.model import OtherInput

blueprint = Blueprint("pictures", __name__, url_prefix="/v1/jobs/<job_id>/picture")


@blueprint.post("")
@describe(
    Operation(
        "Give a job that waits or failed another picture, with its mask if there is one, and other settings if wanted. "
        "It starts again with that, and pauses where it was to pause unless the settings say otherwise.",
        {202: JobDocument},
        (NotFound, StateError, QueueFull, ImageUnreadable, *BODY_ERRORS, *STORAGE_ERRORS),
        form=PICTURE_FORM,
    )
)
def replace_picture(job_id: str) -> tuple[Response, int]:
    services = current_services()
    upload = read_picture()
    job = services.store.get(job_id)
    if job.input_kind == "mesh":
        raise StateError("The job starts from a mesh; it has no picture.", "Make a new job from the picture.")
    settings = merge_settings(job, {"pause_after": job.settings["pause_after"], **upload.changes})
    with (
        typed_system_errors("the server's data folder"),
        services.folders.incoming_picture(job_id, upload.files) as put,
    ):
        name = upload.name if job.input_kind == "image" else job.input_name
        other = OtherInput(name, settings.to_document(), put)
        queued = services.store.replace_input(job_id, other, services.config.max_queued)
    services.queue.put(job_id)
    return answer(queued), 202
