# SPDX-License-Identifier: GPL-3.0-or-later
"""Each guard is needed: without it the request that it stops would pass."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference_server import security
from tests.unit.server.desk import Desk, code_of

FORGED: dict[Callable[..., None], dict[str, Any]] = {
    security.require_known_host: {"headers": {"Host": "evil.example:47110"}},
    security.require_own_site: {"headers": {"Sec-Fetch-Site": "cross-site"}},
    security.require_own_origin: {"headers": {"Origin": "http://evil.example"}},
    security.require_token: {"token": None},
}


@pytest.mark.parametrize("guard", FORGED, ids=lambda guard: guard.__name__)
def test_without_its_guard_the_request_would_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: Callable[..., None]
) -> None:
    assert Desk(tmp_path / "guarded").ask("GET", "/v1/jobs", **FORGED[guard]).status_code in (401, 403)
    monkeypatch.setattr(security, "GUARDS", tuple(kept for kept in security.GUARDS if kept is not guard))
    monkeypatch.setattr("inference_server.app.trusted_hosts", lambda host: None)
    assert Desk(tmp_path / "open").ask("GET", "/v1/jobs", **FORGED[guard]).status_code == 200


def test_flask_refuses_a_foreign_host_on_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "GUARDS", ())
    reply = desk.ask("GET", "/v1/jobs", headers={"Host": "evil.example:47110"})
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")


def test_without_its_guard_an_oversize_body_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, max_upload_mib=1)
    overrides = {"CONTENT_LENGTH": str(2 << 20)}
    assert desk.ask("DELETE", "/v1/jobs/x", environ_overrides=overrides).status_code == 413
    monkeypatch.setattr(security, "GUARDS", security.GUARDS[:-1])
    assert security.require_small_body not in security.GUARDS
    assert desk.ask("DELETE", "/v1/jobs/x", environ_overrides=overrides).status_code == 404


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege on Windows")
def test_without_the_check_a_link_would_be_followed(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = desk.bring_to("done")
    place = desk.place_of(job_id, "preview.png")
    secret = tmp_path_factory.mktemp("away") / "secret"
    secret.write_bytes(b"secret")
    place.unlink()
    place.symlink_to(secret)
    path = f"/v1/jobs/{job_id}/artifacts/preview.png"
    assert desk.ask("GET", path).status_code == 404
    monkeypatch.setattr(type(desk.folders), "find_artifact", lambda self, *names: self.artifact(*names))
    assert desk.ask("GET", path).data == b"secret"


def test_without_the_check_a_lie_would_be_stored(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"image": (io.BytesIO(b"MZ a program"), "fox.png")}
    monkeypatch.setattr("inference_server.api.uploads.sniff_picture", lambda head: "PNG")
    assert desk.send(**parts).status_code == 202
