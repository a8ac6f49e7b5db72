# SPDX-License-Identifier: GPL-3.0-or-later
"""From a row of the table to what clients see. Leases, workers and digests stay inside."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from inference_server.api.documents import (
    ArtifactDocument,
    ErrorBody,
    InputDocument,
    JobDocument,
    JobSummary,
    StageDocument,
    WarningDocument,
)
from inference_server.api.progress import Estimator
from inference_server.jobs.model import Artifact, Job

# The first of these that a job has stands for it in a list.
_THUMBNAILS = ("preview.png", "candidates.png", "normalized.png", "source.png")


def job_document(job: Job, estimator: Estimator) -> JobDocument:
    """The whole job."""
    outlook = estimator.look(job)
    stage: Any = job.stage
    engine: Any = job.engine
    return JobDocument(
        id=job.id,
        number=job.number,
        revision=job.revision,
        state=job.state,
        input=InputDocument(job.input_kind, job.input_name),
        settings=job.settings,
        created_s=job.created_s,
        updated_s=job.updated_s,
        started_s=job.started_s,
        ended_s=job.ended_s,
        attempts=job.attempts,
        parent=job.parent,
        cancel_requested=job.cancel_requested,
        stage=stage,
        engine=engine,
        stage_progress=job.fraction,
        progress=outlook.progress,
        eta_s=outlook.eta_s,
        stages=_stages(job),
        warnings=_warnings(job),
        error=_error(job),
        artifacts=tuple(
            ArtifactDocument(file.name, file.media_type, file.size_bytes, file.sha256, _url(job, file))
            for file in job.artifacts
        ),
    )


def job_summary(job: Job, estimator: Estimator) -> JobSummary:
    """A line of a list."""
    outlook = estimator.look(job)
    stage: Any = job.stage
    engine: Any = job.engine
    return JobSummary(
        id=job.id,
        number=job.number,
        revision=job.revision,
        state=job.state,
        input=InputDocument(job.input_kind, job.input_name),
        name=job.settings["name"],
        created_s=job.created_s,
        ended_s=job.ended_s,
        parent=job.parent,
        stage=stage,
        engine=engine,
        progress=outlook.progress,
        eta_s=outlook.eta_s,
        error=_error(job),
        thumbnail=_thumbnail(job),
    )


def _error(job: Job) -> ErrorBody | None:
    return None if job.error is None else ErrorBody(**job.error)


def _stages(job: Job) -> tuple[StageDocument, ...]:
    documents = []
    for entry in job.journal:
        stage: Any = entry.stage
        engine: Any = entry.engine
        documents.append(
            StageDocument(stage, engine, entry.seconds, entry.peak_bytes, entry.reused, entry.fallback_reason)
        )
    return tuple(documents)


def _warnings(job: Job) -> tuple[WarningDocument, ...]:
    found = []
    for entry in job.journal:
        stage: Any = entry.stage
        found += [WarningDocument(stage, sentence) for sentence in entry.notes]
    return tuple(found)


def _url(job: Job, file: Artifact) -> str:
    return f"/v1/jobs/{job.id}/artifacts/{quote(file.name, safe='')}?sha256={file.sha256}"


def _thumbnail(job: Job) -> str | None:
    files = {file.name: file for file in job.artifacts}
    return next((_url(job, files[name]) for name in _THUMBNAILS if name in files), None)
