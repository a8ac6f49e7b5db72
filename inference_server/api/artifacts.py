# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a job, by the names that the table declares. No path comes from a request."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request, send_file

from inference_server.api.documents import JobDocument
from inference_server.api.operation import Operation, TextQuery, describe
from inference_server.api.progress import Estimator
from inference_server.api.rendering import job_document
from inference_server.api.services import current_services
from inference_server.errors import NotFound, RangeInvalid, StateError

blueprint = Blueprint("artifacts", __name__, url_prefix="/v1/jobs/<job_id>/artifacts")

DIGEST = TextQuery("sha256", "Of the content that is wanted; another is not given.", "[0-9a-f]{64}")
_A_YEAR_S = 365 * 86_400


@blueprint.get("/<name>")
@describe(
    Operation(
        "A file of a job, whole or in part.",
        {200: None, 206: None, 304: None},
        (NotFound, RangeInvalid),
        query=(DIGEST,),
    )
)
def send_artifact(job_id: str, name: str) -> Response:
    services = current_services()
    artifact = next((file for file in services.store.get(job_id).artifacts if file.name == name), None)
    wanted = request.args.get(DIGEST.name)
    if artifact is None or wanted not in (None, artifact.sha256):
        raise NotFound("The job has no such file.", "The job lists its files.")
    reply = send_file(
        services.folders.find_artifact(job_id, artifact.file),
        mimetype=artifact.media_type,
        as_attachment=True,
        download_name=artifact.name,
        etag=artifact.sha256,
        last_modified=None,
        max_age=_A_YEAR_S if wanted else None,
    )
    reply.cache_control.public = False
    reply.cache_control.private = True
    reply.cache_control.immutable = bool(wanted)
    if request.method == "HEAD" or reply.status_code == HTTPStatus.NOT_MODIFIED:
        reply.close()  # nobody will read the file
    return reply


@blueprint.delete("")
@describe(Operation("Delete the files of a job that has ended.", {200: JobDocument}, (NotFound, StateError)))
def delete_artifacts(job_id: str) -> Response:
    services = current_services()
    job = services.store.remove_artifacts(job_id, lambda: services.folders.remove_artifacts(job_id))
    return jsonify(job_document(job, Estimator(services.store, services.folders)))
