# SPDX-License-Identifier: GPL-3.0-or-later
"""A real application on a real table in a folder of its own, asked without a network; and the worker's half of the
table, to bring jobs into any state.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from inference_server.api.documents import ComputeDocument, DeviceDocument, NeuralStageDocument
from inference_server.app import Services, create_app
from inference_server.config import load_config
from inference_server.core.types import STAGE_NAMES
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.model import Artifact, Job, StageEntry
from inference_server.jobs.queue import TableQueue
from inference_server.jobs.store import JobStore
from inference_server.weights_downloads import Downloads

TOKEN = "a-token-of-thirty-two-characters"
PICTURE = b"\x89PNG\r\n\x1a\n and nothing that a decoder would like"
MESH = b"o nothing\n"
# Hips, and an arm on each side, in a mesh of one metre.
RIG = json.dumps(
    {
        "format": "figurine-rig",
        "version": 1,
        "kind": "generic",
        "bounding_box": {"min": [-0.5, -0.5, 0], "max": [0.5, 0.5, 1]},
        "bones": [
            {"name": "hips", "parent": None, "head": [0, 0, 0.4], "tail": [0, 0, 0.8]},
            {"name": "arm.L", "parent": "hips", "head": [0.1, 0, 0.7], "tail": [0.4, 0, 0.7]},
            {"name": "arm.R", "parent": "hips", "head": [-0.1, 0, 0.7], "tail": [-0.4, 0, 0.7]},
        ],
    }
).encode()
MEDIA_TYPES = dict.fromkeys(("preview.png", "normalized.png", "source.png"), "image/png")


class Supervisor:
    """What the application asks of the supervisor."""

    is_worker_alive = True


class Compute:
    """What the application asks about devices."""

    told = ComputeDocument(
        (DeviceDocument("cuda", "NVIDIA GeForce RTX 4090", 24 << 30), DeviceDocument("cpu", "x86_64", 64 << 30)),
        (NeuralStageDocument("rig", "no_weights", "They are not here.", ("unirig-skin",)),),
    )

    def tell(self) -> ComputeDocument:
        """Always the same."""
        return self.told


class Desk:
    """The application under test. settings: of the configuration, where they differ from the default."""

    def __init__(self, home: Path, **settings: Any) -> None:
        loaded = load_config({"FIGURINE_HOME": str(home)}).config
        self.config = replace(loaded, **settings)
        self.store = JobStore(self.config.database)
        self.folders = JobFolders(self.config.jobs_root)
        self.compute = Compute()
        self.services = Services(
            self.config,
            self.store,
            self.folders,
            TableQueue(self.store),
            TOKEN,
            "1.2.3",
            Supervisor(),
            Downloads(self.config.home, self.config.weights_root),
            self.compute,
        )
        self.app = create_app(self.services)
        self.client = self.app.test_client()
        self.url = f"http://127.0.0.1:{self.config.port}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Send a request, with the token unless told otherwise."""
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        options.setdefault("base_url", self.url)
        options.setdefault("buffered", True)
        return self.client.open(path, method=method, headers={**authorization, **(headers or {})}, **options)

    def send(self, *, headers: dict[str, str] | None = None, **parts: Any) -> TestResponse:
        """POST /v1/jobs; bytes become files of a fitting name."""
        names = {"image": "fox.png", "mask": "mask.png", "mesh": "fox.obj", "skeleton": "rig.json"}
        form = {
            name: (io.BytesIO(part), names.get(name, "file")) if isinstance(part, bytes) else part
            for name, part in parts.items()
        }
        return self.ask("POST", "/v1/jobs", data=form, headers=headers, content_type="multipart/form-data")

    def replace_picture(self, job_id: str, **parts: Any) -> TestResponse:
        """POST /v1/jobs/<id>/picture; bytes become a file."""
        form = {
            name: (io.BytesIO(part), "other.png") if isinstance(part, bytes) else part for name, part in parts.items()
        }
        path = f"/v1/jobs/{job_id}/picture"
        return self.ask("POST", path, data=form, content_type="multipart/form-data")

    def pause(self, job_id: str, **files: bytes) -> str:
        """Run a job up to its pause after its first stage, with these files; a dot is written as __."""
        job = self.start(job_id)
        assert job.lease is not None
        self.record(job, "normalize" if job.input_kind == "image" else "rig", notes=("It is small.",))
        made = [self.publish(job.id, name.replace("__", "."), content) for name, content in files.items()]
        self.store.add_artifacts(job.id, job.lease, made)
        self.store.pause(job.id, job.lease)
        return job_id

    def queue(self, **parts: Any) -> str:
        """The id of a new job, from a picture unless told otherwise."""
        reply = self.send(**(parts or {"image": PICTURE}))
        assert reply.status_code == 202, reply.json
        return str(reply.json["id"])

    def show(self, job_id: str) -> Any:
        """The job's document."""
        reply = self.ask("GET", f"/v1/jobs/{job_id}")
        assert reply.status_code == 200, reply.json
        return reply.json

    # --- the worker's half ---

    def start(self, job_id: str) -> Job:
        """Run queued jobs up to this one."""
        while True:
            job = self.store.claim("worker")
            assert job is not None
            if job.id == job_id:
                return job

    def record(self, job: Job, *stages: str, seconds: float = 1.0, **entry: Any) -> None:
        """Write stages into the journal."""
        assert job.lease is not None
        for stage in stages:
            engine = "blender" if stage == "export" else "draft"
            line = StageEntry(stage, engine, seconds, 1 << 20, entry.pop("reused", False), **entry)
            self.store.record_stage(job.id, job.lease, line)

    def finish(self, job_id: str, **files: bytes) -> str:
        """Run a job to its end with these files; a dot is written as __."""
        job = self.start(job_id)
        assert job.lease is not None
        self.record(job, *(STAGE_NAMES if job.input_kind == "image" else ("rig", "export")))
        made = [self.publish(job.id, name.replace("__", "."), content) for name, content in files.items()]
        self.store.finish(job.id, job.lease, made)
        return job_id

    def publish(self, job_id: str, name: str, content: bytes) -> Artifact:
        """Store a file as the worker does; it is not declared yet."""
        stored = self.folders.save_artifact(job_id, name, content)
        kind = MEDIA_TYPES.get(name, "application/octet-stream")
        return Artifact(name, stored.file, kind, stored.size_bytes, stored.sha256)

    def place_of(self, job_id: str, name: str) -> Path:
        """Where a declared file lies."""
        return next(
            self.folders.artifact(job_id, artifact.file)
            for artifact in self.store.get(job_id).artifacts
            if artifact.name == name
        )

    def bring_to(self, state: str) -> str:
        """A job in this state."""
        job_id = self.queue()
        if state == "cancelled":
            self.store.cancel(job_id)
        elif state == "done":
            self.finish(job_id, preview__png=b"preview", rig__json=RIG)
        elif state != "queued":
            job = self.start(job_id)
            assert job.lease is not None
            if state == "waiting":
                self.store.pause(job_id, job.lease)
            elif state == "failed":
                error = {"code": "NoSubject", "message": "Nothing stands out.", "hint": "Crop it.", "retryable": False}
                self.store.fail(job_id, job.lease, error)
        assert self.show(job_id)["state"] == state
        return job_id


def code_of(reply: TestResponse) -> str:
    """The code of an error's reply, whose shape is the one shape."""
    assert set(reply.json) == {"error"}, reply.json
    error = reply.json["error"]
    assert set(error) == {"code", "message", "hint", "retryable"}
    assert error["message"]
    assert reply.mimetype == "application/json"
    return str(error["code"])
