# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs: made, listed, watched, cancelled, continued, retried, run again."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, jsonify

from inference_server.api.acceptance import Order, accept
from inference_server.api.answers import (
    BODY_ERRORS,
    KEY,
    STORAGE_ERRORS,
    answer,
    answer_accepted,
    merge_settings,
)
from inference_server.api.bodies import EmptyRequest, read_body
from inference_server.api.documents import (
    ContinueRequest,
    JobDocument,
    JobList,
    JobUnchanged,
    RerunRequest,
)
from inference_server.api.operation import IntegerQuery, Operation, describe
from inference_server.api.progress import Estimator
from inference_server.api.rendering import job_summary
from inference_server.api.services import current_services
from inference_server.api.uploads import FORM, read_key, read_upload
from inference_server.core.chains import CHAINS
from inference_server.errors import (
    ImageUnreadable,
    JobFinished,
    MeshInvalid,
    NotFound,
    QueueFull,
    RequestInvalid,
    StateError,
)

blueprint = Blueprint("jobs", __name__, url_prefix="/v1/jobs")

LIMIT = IntegerQuery("limit", "So many jobs at most.", 1, 100, 20)
BEFORE = IntegerQuery("before", "Only jobs with a smaller number.", 1)
SINCE = IntegerQuery("since", "The revision that is known already: where there is no later one, the reply is short.")


@blueprint.post("")
@describe(
    Operation(
        "Make a job from a picture, from a mesh with or without a skeleton, or from mesh and picture to texture it.",
        {202: JobDocument, 200: JobDocument},
        (*BODY_ERRORS, *STORAGE_ERRORS, ImageUnreadable, MeshInvalid, QueueFull, StateError),
        headers=(KEY,),
        form=FORM,
    )
)
def create_job() -> tuple[Response, int, dict[str, str]]:
    services = current_services()
    upload = read_upload(services.config)

    def store_inputs(job_id: str) -> None:
        for name, stream in upload.files.items():
            services.folders.save_input(job_id, name, stream)

    order = Order(upload.input_kind, upload.input_name, upload.settings, store_inputs, upload.key)
    return answer_accepted(*accept(services, order))


@blueprint.get("")
@describe(Operation("List jobs, newest first.", {200: JobList}, (RequestInvalid,), query=(LIMIT, BEFORE)))
def list_jobs() -> Response:
    services = current_services()
    limit = LIMIT.read() or LIMIT.maximum
    found = services.store.page(limit + 1, BEFORE.read())
    estimator = Estimator(services.store, services.folders)
    shown = found[:limit]
    next_before = shown[-1].number if len(found) > limit else None
    return jsonify(JobList(tuple(job_summary(job, estimator) for job in shown), next_before))


@blueprint.get("/<job_id>")
@describe(
    Operation("Watch a job.", {200: JobDocument | JobUnchanged}, (NotFound, RequestInvalid), query=(SINCE,)),
)
def show_job(job_id: str) -> Response:
    services = current_services()
    since = SINCE.read()
    revision, state = services.store.peek(job_id)
    if since is not None and revision <= since:
        return jsonify(JobUnchanged(job_id, revision, state, unchanged=True))
    body = services.bodies.get(job_id, revision)
    if body is None:
        job = services.store.get(job_id)
        body = answer(job).get_data()
        services.bodies.put(job_id, job.revision, body)
    return Response(body, mimetype="application/json")


@blueprint.delete("/<job_id>")
@describe(Operation("Cancel a job.", {202: JobDocument}, (NotFound, JobFinished)))
def cancel_job(job_id: str) -> tuple[Response, int]:
    return answer(current_services().store.cancel(job_id)), 202


@blueprint.post("/<job_id>/continue")
@describe(
    Operation(
        "Let a waiting job go on, with other settings if wanted. It does not pause again unless these say so.",
        {202: JobDocument},
        (NotFound, StateError, QueueFull, *BODY_ERRORS),
        body=ContinueRequest,
    )
)
def continue_job(job_id: str) -> tuple[Response, int]:
    services = current_services()
    wanted = read_body(ContinueRequest)
    job = services.store.get(job_id)
    settings = merge_settings(job, dict(wanted.settings))
    resumed = services.store.resume(job_id, settings.to_document(), services.config.max_queued)
    services.queue.put(job_id)
    return answer(resumed), 202


@blueprint.post("/<job_id>/retry")
@describe(
    Operation(
        "Queue a failed or cancelled job again; it starts at the first stage that has no result.",
        {202: JobDocument},
        (NotFound, StateError, QueueFull, *BODY_ERRORS),
        body=EmptyRequest,
    )
)
def retry_job(job_id: str) -> tuple[Response, int]:
    read_body(EmptyRequest)
    services = current_services()
    queued = services.store.retry(job_id, services.config.max_queued)
    services.queue.put(job_id)
    return answer(queued), 202


@blueprint.post("/<job_id>/rerun")
@describe(
    Operation(
        "Make a new job from the same input: other settings, or another seed from a stage on. Results that these do "
        "not change are re-used.",
        {202: JobDocument, 200: JobDocument},
        (NotFound, StateError, QueueFull, *BODY_ERRORS, *STORAGE_ERRORS),
        headers=(KEY,),
        body=RerunRequest,
        body_is_required=True,
    )
)
def rerun_job(job_id: str) -> tuple[Response, int, dict[str, str]]:
    services = current_services()
    wanted = read_body(RerunRequest)
    job = services.store.get(job_id)
    chain = CHAINS[job.input_kind]
    if wanted.stage not in chain:
        raise RequestInvalid(
            f"A job that starts from {job.input_kind} has no {wanted.stage} stage.", f"Its stages: {', '.join(chain)}."
        )
    settings = merge_settings(job, dict(wanted.settings))
    if wanted.seed is not None:
        later = chain[chain.index(wanted.stage) :]
        settings = replace(settings, seeds={**settings.seeds, **dict.fromkeys(later, wanted.seed)})
    order = Order(
        job.input_kind,
        job.input_name,
        settings,
        lambda new_id: services.folders.copy_inputs(job_id, new_id),
        read_key(),
        parent=job_id,
    )
    return answer_accepted(*accept(services, order))
