# SPDX-License-Identifier: GPL-3.0-or-later
"""Correcting a job's rig: a new job from the same input, with the artist's changes to the skeleton that was found."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from inference_server.api.acceptance import Order, accept
from inference_server.api.answers import BODY_ERRORS, KEY, STORAGE_ERRORS, answer_accepted, merge_settings
from inference_server.api.bodies import read_body
from inference_server.api.documents import CorrectRequest, JobDocument
from inference_server.api.operation import Operation, describe
from inference_server.api.services import Services, current_services
from inference_server.api.uploads import read_key
from inference_server.core.correction import (
    RigCorrection,
    correction_from_document,
    read_corrections,
    write_corrections,
)
from inference_server.core.rig_document import RigDocument, read_rig
from inference_server.core.settings import JobSettings, settings_from_document
from inference_server.core.skeleton_edits import apply_correction
from inference_server.errors import (
    CorrectionInvalid,
    NotFound,
    QueueFull,
    RequestInvalid,
    SkeletonInvalid,
    StateError,
)
from inference_server.jobs.folder import CORRECTIONS
from inference_server.jobs.model import Job

blueprint = Blueprint("corrections", __name__, url_prefix="/v1/jobs/<job_id>/correct")

# A whole rig.json of a thousand bones takes half of it.
_MOST_BYTES = 1024 * 1024
# Settings that change neither the mesh nor the skeleton that was found.
_HARMLESS = ("name", "texture_px", "skin", "pause_after", "outputs")


@blueprint.post("")
@describe(
    Operation(
        "Make a new job from the same input with a corrected rig: bones moved, removed, added, renamed, or a whole "
        "other skeleton; other settings too. Mesh and texture are re-used where the settings leave them as they are.",
        {202: JobDocument, 200: JobDocument},
        (NotFound, StateError, QueueFull, CorrectionInvalid, SkeletonInvalid, *BODY_ERRORS, *STORAGE_ERRORS),
        headers=(KEY,),
        body=CorrectRequest,
        body_is_required=True,
    )
)
def correct_job(job_id: str) -> tuple[Response, int, dict[str, str]]:
    services = current_services()
    wanted = read_body(CorrectRequest, _MOST_BYTES)
    job = services.store.get(job_id)
    settings = merge_settings(job, {"outputs": "all", **wanted.settings})
    correction = correction_from_document(wanted.correction)
    is_empty = correction == replace(RigCorrection(), bounding_box=correction.bounding_box)
    if is_empty and not wanted.settings:
        raise RequestInvalid("The request corrects nothing.", "Send edits, a skeleton or settings.")
    corrections = _earlier(services, job)
    if not is_empty:
        rig = _rig_of(services, job)
        correction = replace(correction, bounding_box=rig.box)
        if _is_same_body(job.settings, settings):
            apply_correction(rig.skeleton, correction, rig.bounds)
        corrections = (*corrections, correction)

    def store_inputs(new_id: str) -> None:
        services.folders.copy_inputs(job_id, new_id)
        services.folders.save_input(new_id, CORRECTIONS, io.BytesIO(write_corrections(corrections)))

    order = Order(job.input_kind, job.input_name, settings, store_inputs, read_key(), parent=job_id)
    return answer_accepted(*accept(services, order))


def _earlier(services: Services, job: Job) -> tuple[RigCorrection, ...]:
    """What this job's own rig was corrected with already."""
    place = services.folders.input(job.id, CORRECTIONS)
    return read_corrections(place) if place.exists() else ()


def _rig_of(services: Services, job: Job) -> RigDocument:
    """The rig that the artist saw. Raises StateError, NotFound."""
    artifact = next((file for file in job.artifacts if file.name == "rig.json"), None)
    if artifact is None and job.state == "done":
        raise NotFound(
            "The files of this job were deleted, and its rig with them.", "Run it again, and correct the new result."
        )
    if artifact is None:
        raise StateError(f"The job is {job.state} and has no rig.", "Correct it when it lists its rig.json.")
    return read_rig(services.folders.find_artifact(job.id, artifact.file), "The job's rig.json")


def _is_same_body(before: Mapping[str, Any], after: JobSettings) -> bool:
    """Whether the corrected job has the mesh and the bones of the first one, so that edits can be tried at once."""
    documents = [settings.to_document() for settings in (settings_from_document(before), after)]
    first, second = ({key: document[key] for key in document if key not in _HARMLESS} for document in documents)
    return first == second
