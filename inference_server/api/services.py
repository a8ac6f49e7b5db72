# SPDX-License-Identifier: GPL-3.0-or-later
"""What the views of one application work with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from flask import current_app

from inference_server.api.body_cache import BodyCache
from inference_server.api.documents import ComputeDocument
from inference_server.config import Config
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.queue import JobQueue
from inference_server.jobs.store import JobStore
from inference_server.weights import Download, WeightStore

EXTENSION = "figurine"


class WorkerWatch(Protocol):
    """Knows of the worker."""

    @property
    def is_worker_alive(self) -> bool:
        """Whether the worker process runs now."""


class ComputeWatch(Protocol):
    """Knows what networks would compute on."""

    def tell(self) -> ComputeDocument:
        """Devices and stages as they are now; answers at once."""


class WeightDownloads(Protocol):
    """Fetches weights, never in a job and never in this process."""

    @property
    def obstacle(self) -> str:
        """Why nothing can be fetched here, "" where it can."""

    def store(self) -> WeightStore:
        """The sets as they are now. Raises WeightsCorrupt."""

    def find(self, weight_id: str) -> Download | None:
        """The set's download that waits, runs or failed."""

    def start(self, weight_id: str) -> None:
        """Fetch a set of the store when its turn comes."""

    def cancel(self, weight_id: str) -> None:
        """End the set's download; what it has fetched stays."""


@dataclass(frozen=True)
class Services:
    """config: with the port that is really listened on. token: the bearer token that every request but one for the
    health needs. version: of the product. downloads: of weights. compute: what networks would run on. bodies: replies
    that are ready. started_s: by the steady clock.
    """

    config: Config
    store: JobStore
    folders: JobFolders
    queue: JobQueue
    token: str = field(repr=False)
    version: str
    worker: WorkerWatch
    downloads: WeightDownloads
    compute: ComputeWatch
    bodies: BodyCache = field(default_factory=BodyCache)
    started_s: float = field(default_factory=time.monotonic)


def current_services() -> Services:
    """Those of the application that handles this request."""
    services: Services = current_app.extensions[EXTENSION]
    return services
