# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting a job: its files are on disk before its row is, and are gone again where there is no row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inference_server.api.services import Services
from inference_server.core.chains import CHAINS, InputKind
from inference_server.core.settings import JobSettings
from inference_server.errors import SettingInvalid, typed_system_errors
from inference_server.jobs.folder import new_job_id
from inference_server.jobs.model import Job, NewJob


@dataclass(frozen=True)
class Order:
    """What is to be accepted. store_inputs: puts the files into the folder of the job of this id."""

    input_kind: InputKind
    input_name: str
    settings: JobSettings
    store_inputs: Callable[[str], None]
    key: str | None = None
    parent: str | None = None


def accept(services: Services, order: Order) -> tuple[Job, bool]:
    """The job, and whether it is new or what an earlier request with the same key made.

    Raises SettingInvalid, StateError, QueueFull, DiskFull.
    """
    require_stages_of_chain(order.input_kind, order.settings)
    job_id = new_job_id()
    is_new = False
    try:
        with typed_system_errors("the server's data folder"):
            order.store_inputs(job_id)
            digest = _digest(order, services.folders.inputs(job_id))
        settings = order.settings.to_document()
        new = NewJob(job_id, order.input_kind, order.input_name, settings, digest, order.key, order.parent)
        job, is_new = services.store.add(new, services.config.max_queued)
        if is_new:
            services.queue.put(job.id)
        return job, is_new
    finally:
        if not is_new:
            services.folders.remove(job_id)


def require_stages_of_chain(kind: InputKind, settings: JobSettings) -> None:
    """Raises SettingInvalid where the job would wait after a stage that it does not have, or end with one."""
    if settings.pause_after is not None and settings.pause_after not in CHAINS[kind]:
        raise SettingInvalid(
            f"A job that starts from {kind} has no {settings.pause_after} stage to pause after.",
            f"Its stages: {', '.join(CHAINS[kind])}.",
        )
    if settings.outputs == "rig" and "rig" not in CHAINS[kind]:
        raise SettingInvalid(f"A job that starts from {kind} makes no rig.", "Leave outputs at all.")


def _digest(order: Order, files: list[Path]) -> str:
    """Tells whether a second request with the same key asks for the same."""
    asked = [order.parent, order.input_kind, order.input_name, order.settings.to_document()]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    for path in files:
        with path.open("rb") as stream:
            digest.update(f"{path.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}".encode())
    return digest.hexdigest()
