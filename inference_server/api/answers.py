# SPDX-License-Identifier: GPL-3.0-or-later
"""What views that make or change jobs have in common."""

from __future__ import annotations

from typing import Any

from flask import Response, g, jsonify, url_for

from inference_server.api.acceptance import require_stages_of_chain
from inference_server.api.operation import TextQuery
from inference_server.api.progress import Estimator
from inference_server.api.rendering import job_document
from inference_server.api.services import current_services
from inference_server.api.uploads import KEY_PATTERN
from inference_server.core.settings import JobSettings, settings_from_document
from inference_server.errors import (
    DiskFull,
    OutputUnwritable,
    RequestInvalid,
    SettingInvalid,
    UnsupportedMedia,
    UploadTooLarge,
)
from inference_server.jobs.model import Job

KEY = TextQuery(
    "Idempotency-Key",
    "Chosen by the client: a repeat of the request with the same key brings the job that the first one made.",
    KEY_PATTERN,
)
BODY_ERRORS = (RequestInvalid, SettingInvalid, UnsupportedMedia, UploadTooLarge)
STORAGE_ERRORS = (DiskFull, OutputUnwritable)


def answer(job: Job) -> Response:
    """The job's document."""
    services = current_services()
    return jsonify(job_document(job, Estimator(services.store, services.folders)))


def answer_accepted(job: Job, is_new: bool) -> tuple[Response, int, dict[str, str]]:
    """The job's document, its status and its address."""
    g.job_id = job.id
    return answer(job), 202 if is_new else 200, {"Location": url_for("jobs.show_job", job_id=job.id)}


def merge_settings(job: Job, changes: dict[str, Any]) -> JobSettings:
    """The job's settings with these changes; it pauses, and makes several shapes, only where they say so.

    Raises SettingInvalid.
    """
    settings = settings_from_document({**job.settings, "pause_after": None, "candidates": 1, **changes})
    require_stages_of_chain(job.input_kind, settings)
    return settings
