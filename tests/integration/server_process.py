# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts real servers and talks to them as a client on this machine does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import requests

from inference_server.jobs.handshake import Handshake, read_handshake
from tests.integration.jobs import ROOT, command

START_TIMEOUT_S = 30.0
JOB_TIMEOUT_S = 240.0
EXAMPLE = ROOT / "examples/adventurer.png"


@dataclass
class Server:
    """A `figurine serve` process on a data folder of its own; a `with` block ends it."""

    home: Path
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = os.environ | {"FIGURINE_HOME": str(self.home), "FIGURINE_PORT": "0"} | dict(self.environment)
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self._console = self.home.with_name(f"{self.home.name}.console").open("ab")
        self.process = subprocess.Popen(
            command("serve", *self.arguments),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._console,
        )
        self.session = requests.Session()
        self.session.trust_env = False
        started = time.monotonic()
        while not self._answers():
            assert self.process.poll() is None, self.console()
            assert time.monotonic() - started < START_TIMEOUT_S
            time.sleep(0.02)
        self.start_s = time.monotonic() - started

    def _answers(self) -> bool:
        handshake = read_handshake(self.home)
        if handshake is None or handshake.pid != self.process.pid:
            return False
        self.handshake: Handshake = handshake
        try:
            return self.session.get(f"{handshake.url}/v1/health", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        """End it gracefully; its children must be gone then."""
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=30)
            _, alive = psutil.wait_procs(children, timeout=10)
            assert not alive
        self._close()

    def kill(self) -> None:
        """SIGKILL the HTTP process alone."""
        self.process.kill()
        self.process.communicate()
        self._close()

    def _close(self) -> None:
        self.session.close()
        self._console.close()

    def console(self) -> str:
        """What the server wrote to standard error. A file: nobody reads a pipe here, and a full one would stop it."""
        return Path(self._console.name).read_text(encoding="utf-8")

    def workers(self) -> list[psutil.Process]:
        """The worker child, if it runs."""
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request with the token."""
        headers = {"Authorization": f"Bearer {self.handshake.token}", **more.pop("headers", {})}
        return self.session.request(method, f"{self.handshake.url}{path}", headers=headers, timeout=30, **more)

    def submit(self, picture: Path = EXAMPLE, key: str | None = None, **settings: Any) -> str:
        """Send a picture; the job's id."""
        data = {"settings": json.dumps(settings)}
        if key is not None:
            data["idempotency_key"] = key
        with picture.open("rb") as stream:
            answer = self.request("POST", "/v1/jobs", data=data, files={"image": (picture.name, stream)})
        assert answer.status_code in (200, 202), answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        """The job's document."""
        answer = self.request("GET", f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def wait(
        self, job_id: str, is_enough: Callable[[dict[str, Any]], bool] = lambda job: has_ended(job)
    ) -> dict[str, Any]:
        """Poll until enough has happened."""
        deadline = time.monotonic() + JOB_TIMEOUT_S
        while not is_enough(job := self.job(job_id)):
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        return job

    def digests(self, job_id: str) -> dict[str, str]:
        """The digests in the report of a finished job."""
        answer = self.request("GET", f"/v1/jobs/{job_id}/artifacts/report.json")
        assert answer.status_code == 200, answer.text
        found: dict[str, str] = answer.json()["digests"]
        return found


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether nothing more will happen to the job."""
    return job["state"] in ("done", "failed", "cancelled")
