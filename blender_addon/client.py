# SPDX-License-Identifier: GPL-3.0-or-later
"""A Figurine server, as Python: one method a request, documents as dataclasses, failures as errors of ours."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .connection import compatible, is_loopback, normalise_address
from .documents import (
    Artifact,
    Capabilities,
    Document,
    DocumentInvalid,
    ErrorDocument,
    Greeting,
    Health,
    Job,
    JobList,
    JobSummary,
    JobUnchanged,
    JobWarning,
    StageResult,
    WeightList,
    Weights,
    parse,
)
from .errors import DiskFull, NotFigurine, PictureUnreadable, ResultDamaged, WrongVersion, typed_file_errors
from .phrases import phrase
from .transport import Transport

__all__ = [
    "ARTIFACT_NAMES",
    "Artifact",
    "Capabilities",
    "Client",
    "ErrorDocument",
    "Health",
    "Job",
    "JobList",
    "JobSummary",
    "JobWarning",
    "StageResult",
    "is_loopback",
    "normalise_address",
]

# Nothing else is ever fetched, whatever a job lists.
ARTIFACT_NAMES = (
    "figure.fbx",
    "figure.glb",
    "rig.json",
    "report.json",
    "preview.png",
    "normalized.png",
    "texture.png",
    "texture.npz",
    "weights.npz",
)
# What is judged of a job that waits: before, after, and what was found.
REVIEW_NAMES = ("source.png", "normalized.png", "normalize.json")
# The steps whose own pictures can be seen beside them, in the order in which they are done.
PICTURED_STEPS = ("background", "resolution", "tilt", "pose")
_THUMBNAIL_NAMES = ("preview.png", "candidates.png", "normalized.png", "source.png")
_CONNECT_TIMEOUT_S = 3.0
# The server answers from a table; on a machine that is busy with a job this may take seconds.
_IDLE_TIMEOUT_S = 15.0
_LARGEST_THUMBNAIL_BYTES = 32 << 20
_THUMBNAIL_PATTERN = re.compile(r"/v1/jobs/([0-9a-f]{32})/artifacts/([a-z]+\.png)\?sha256=([0-9a-f]{64})")
# Left free on the disk when a result is fetched: Blender saves there too.
_SPARE_BYTES = 16 << 20
# A job whose files could not be fetched has this button.
_THEN = "click Retry"

# The routes that are called; a contract test holds them against the server's description.
ROUTES = {
    "health": ("GET", "/v1/health"),
    "capabilities": ("GET", "/v1/capabilities"),
    "create_job": ("POST", "/v1/jobs"),
    "jobs": ("GET", "/v1/jobs"),
    "job": ("GET", "/v1/jobs/{job_id}"),
    "cancel": ("DELETE", "/v1/jobs/{job_id}"),
    "replace_picture": ("POST", "/v1/jobs/{job_id}/picture"),
    "continue_job": ("POST", "/v1/jobs/{job_id}/continue"),
    "retry": ("POST", "/v1/jobs/{job_id}/retry"),
    "rerun": ("POST", "/v1/jobs/{job_id}/rerun"),
    "download": ("GET", "/v1/jobs/{job_id}/artifacts/{name}"),
    "delete_artifacts": ("DELETE", "/v1/jobs/{job_id}/artifacts"),
    "weights": ("GET", "/v1/weights"),
    "fetch_weights": ("POST", "/v1/weights/{weight_id}/fetch"),
    "cancel_weights": ("DELETE", "/v1/weights/{weight_id}/fetch"),
}


class Client:
    """A server at an address. One thread at a time may ask; `abort` may be called from any.

    Every method raises LinkError where the server cannot be reached or is not one of ours, Refused where it says no,
    and Aborted after `abort`. connect_timeout_s: until it takes the connection. idle_timeout_s: without a byte; there
    is no limit to the whole.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        connect_timeout_s: float = _CONNECT_TIMEOUT_S,
        idle_timeout_s: float = _IDLE_TIMEOUT_S,
    ) -> None:
        self.url = normalise_address(address)
        self._transport = Transport(self.url, token, connect_timeout_s, idle_timeout_s)

    def abort(self) -> None:
        """End what runs; nothing can be asked any more."""
        self._transport.abort()

    def close(self) -> None:
        """Let the connections go."""
        self._transport.close()

    def health(self, our_version: str) -> Health:
        """Whether the server is there and fits, and with the token its worker. Raises WrongVersion."""
        document = self._request("health")
        server_version = self._parsed(Greeting, document).version
        if not compatible(server_version, our_version):
            raise WrongVersion(server_version, our_version)
        return self._parsed(Health, document)

    def capabilities(self) -> Capabilities:
        """What the server can do."""
        return self._ask(Capabilities, "capabilities")

    def create_job(
        self,
        picture: Path | None,
        settings: Mapping[str, Any],
        key: str,
        name: str = "",
        mesh: Path | None = None,
        beside: Mapping[str, Path] = MappingProxyType({}),
    ) -> Job:
        """Send a picture, a mesh to be textured after it, or a mesh to be rigged; the same key and content bring the
        same job. name: of the file, as the server shall show it: the mesh's where there is one. beside: a picture's
        "mask", of its subject, or a mesh's "skeleton".

        Raises PictureUnreadable.
        """
        files = {part: (path.name, _content(path)) for part, path in beside.items()}
        if picture is not None:
            files["image"] = (picture.name if mesh is not None else name or picture.name, _content(picture))
        if mesh is not None:
            files["mesh"] = (name or mesh.name, _content(mesh))
        return self._ask(
            Job,
            "create_job",
            files=files,
            data={"settings": json.dumps(dict(settings)), "idempotency_key": key},
        )

    def jobs(self, limit: int = 20, before: int | None = None) -> JobList:
        """A page of the server's jobs, newest first."""
        query = {"limit": limit} if before is None else {"limit": limit, "before": before}
        return self._ask(JobList, "jobs", params=query)

    def job(self, job_id: str, since: int | None = None) -> Job | None:
        """A job, None where its revision is not above `since`."""
        document = self._request("job", job_id, params={} if since is None else {"since": since})
        if isinstance(document, Mapping) and "artifacts" not in document:
            self._parsed(JobUnchanged, document)
            return None
        return self._parsed(Job, document)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop."""
        return self._ask(Job, "cancel", job_id)

    def continue_job(self, job_id: str, settings: Mapping[str, Any]) -> Job:
        """Let a waiting job go on, with these settings changed."""
        return self._ask(Job, "continue_job", job_id, json={"settings": dict(settings)})

    def replace_picture(
        self, job_id: str, picture: Path, settings: Mapping[str, Any], name: str = "", mask: Path | None = None
    ) -> Job:
        """Have a job that waits or failed start again with another picture, and with these settings changed. name,
        mask: as for `create_job`; the first picture's mask goes with it. Raises PictureUnreadable.
        """
        return self._ask(
            Job,
            "replace_picture",
            job_id,
            files=_picture_parts(picture, name, mask),
            data={"settings": json.dumps(dict(settings))},
        )

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again."""
        return self._ask(Job, "retry", job_id, json={})

    def rerun(self, job_id: str, order: Mapping[str, Any], key: str) -> Job:
        """A new job from the same input. order: stage, settings, and seed where it is to differ."""
        return self._ask(Job, "rerun", job_id, json=dict(order), headers={"Idempotency-Key": key})

    def delete_artifacts(self, job_id: str) -> Job:
        """Delete the files of an ended job."""
        return self._ask(Job, "delete_artifacts", job_id)

    def weights(self) -> WeightList:
        """The networks' weights, and how far their downloads are."""
        return self._ask(WeightList, "weights")

    def fetch_weights(self, weight_id: str, licence: str) -> Weights:
        """Have the server download a set. licence: its own, which is agreed to."""
        return self._ask(Weights, "fetch_weights", weight_id, json={"licence": licence})

    def cancel_weights(self, weight_id: str) -> Weights:
        """End a set's download, or have it forgotten that it failed."""
        return self._ask(Weights, "cancel_weights", weight_id)

    def download(
        self, job_id: str, artifact: Artifact, target: Path, on_bytes: Callable[[int], None] = lambda count: None
    ) -> None:
        """Fetch a file of a job to `target`, which appears when it is complete and has the digest that was announced.

        on_bytes: told the size of every piece. Raises ResultDamaged, DiskFull, FolderUnwritable; nothing is left then.
        """
        partial = target.with_name(f"{target.name}.part")
        with typed_file_errors(target.parent, _THEN):
            if artifact.size_bytes + _SPARE_BYTES > shutil.disk_usage(target.parent).free:
                raise DiskFull(str(target.parent), _THEN)
        try:
            self._fetch(job_id, artifact, partial, on_bytes)
            with typed_file_errors(target.parent, _THEN):
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def thumbnail(self, address: str) -> bytes | None:
        """The small picture at the address that a list names, None where that is no address of one."""
        found = _THUMBNAIL_PATTERN.fullmatch(address)
        if found is None or found[2] not in _THUMBNAIL_NAMES:
            return None
        content = bytearray()
        method, path = _address("download", found[1], found[2])
        with self._transport.open(method, path, params={"sha256": found[3]}) as reply:
            for chunk in self._transport.read_chunks(reply):
                content += chunk
                if len(content) > _LARGEST_THUMBNAIL_BYTES:
                    return None
        return bytes(content) if hashlib.sha256(content).hexdigest() == found[3] else None

    def _fetch(self, job_id: str, artifact: Artifact, partial: Path, on_bytes: Callable[[int], None]) -> None:
        digest, size_bytes = hashlib.sha256(), 0
        method, path = _address("download", job_id, artifact.name)
        with self._transport.open(method, path, params={"sha256": artifact.sha256}) as reply:
            with typed_file_errors(partial.parent, _THEN):
                stream = partial.open("wb")
            with stream:
                for chunk in self._transport.read_chunks(reply):
                    size_bytes += len(chunk)
                    if size_bytes > artifact.size_bytes:
                        raise ResultDamaged(
                            artifact.name, phrase("it has more than {size_bytes} bytes", size_bytes=artifact.size_bytes)
                        )
                    digest.update(chunk)
                    with typed_file_errors(partial.parent, _THEN):
                        stream.write(chunk)
                    on_bytes(len(chunk))
                with typed_file_errors(partial.parent, _THEN):
                    stream.flush()
        if size_bytes != artifact.size_bytes:
            raise ResultDamaged(
                artifact.name,
                phrase(
                    "it has {size_bytes} bytes instead of {announced_bytes}",
                    size_bytes=size_bytes,
                    announced_bytes=artifact.size_bytes,
                ),
            )
        if digest.hexdigest() != artifact.sha256:
            raise ResultDamaged(artifact.name, "its content has another digest")

    def _ask(self, kind: type[Document], route: str, item_id: str = "", **options: Any) -> Document:
        return self._parsed(kind, self._request(route, item_id, **options))

    def _request(self, route: str, item_id: str = "", **options: Any) -> Any:
        method, path = _address(route, item_id)
        return self._transport.ask(method, path, **options)

    def _parsed(self, kind: type[Document], document: object) -> Document:
        try:
            return parse(kind, document)
        except DocumentInvalid as error:
            raise NotFigurine(self.url, str(error)) from error


def _picture_parts(picture: Path, name: str, mask: Path | None) -> dict[str, tuple[str, bytes]]:
    parts = {"image": (name or picture.name, _content(picture))}
    return parts if mask is None else parts | {"mask": (mask.name, _content(mask))}


def _content(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise PictureUnreadable(picture.name, error.strerror or str(error)) from error


def _address(route: str, item_id: str = "", name: str = "") -> tuple[str, str]:
    method, path = ROUTES[route]
    return method, path.format(job_id=item_id, weight_id=item_id, name=name)
