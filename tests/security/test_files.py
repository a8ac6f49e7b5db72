# SPDX-License-Identifier: GPL-3.0-or-later
"""No name, id or link leads to a file that is not the job's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_server.jobs.model import Artifact
from tests.unit.server.desk import Desk, code_of

UPWARD = [
    "..",
    "../../jobs.sqlite",
    "..%2f..%2fjobs.sqlite",
    "%2e%2e/%2e%2e/jobs.sqlite",
    "..%5c..%5cjobs.sqlite",
    "%252e%252e%252fjobs.sqlite",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "C:%5cWindows%5cwin.ini",
    "preview.png%00.txt",
    "%00",
    "%c0%ae%c0%ae/",
    "preview.png/..",
    "preview.png ",
    "./preview.png",
]


@pytest.mark.parametrize("name", UPWARD)
def test_names_never_lead_out_of_the_folder(desk: Desk, name: str) -> None:
    job_id = desk.bring_to("done")
    for path in (f"/v1/jobs/{job_id}/artifacts/{name}", f"/v1/jobs/{name}", f"/v1/jobs/{name}/artifacts/preview.png"):
        reply = desk.ask("GET", path)
        assert (reply.status_code, code_of(reply)) == (404, "NotFound"), path


@pytest.mark.parametrize("verb", ["continue", "retry", "rerun"])
def test_ids_never_lead_out_of_the_folder(desk: Desk, verb: str) -> None:
    reply = desk.ask("POST", f"/v1/jobs/..%2f..%2f/{verb}", json={"stage": "rig"} if verb == "rerun" else {})
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege on Windows")
@pytest.mark.parametrize("what", ["file", "folder", "job"])
def test_links_are_not_followed(desk: Desk, tmp_path_factory: pytest.TempPathFactory, what: str) -> None:
    job_id = desk.bring_to("done")
    place = desk.place_of(job_id, "preview.png")
    away = tmp_path_factory.mktemp("away")
    moved = {"file": place, "folder": place.parent, "job": place.parent.parent}[what]
    moved.rename(away / "moved")
    moved.symlink_to(away / "moved")
    assert place.read_bytes() == b"preview"
    reply = desk.ask("GET", f"/v1/jobs/{job_id}/artifacts/preview.png")
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


@pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege on Windows")
def test_a_data_folder_behind_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    desk = Desk(tmp_path / "home")
    job_id = desk.bring_to("done")
    assert desk.ask("GET", f"/v1/jobs/{job_id}/artifacts/preview.png").data == b"preview"


def test_a_file_of_another_job_is_not_sent(desk: Desk) -> None:
    first, second = desk.finish(desk.queue(), preview__png=b"one"), desk.finish(desk.queue(), rig__json=b"{}")
    assert desk.ask("GET", f"/v1/jobs/{first}/artifacts/preview.png").status_code == 200
    reply = desk.ask("GET", f"/v1/jobs/{second}/artifacts/preview.png")
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


def test_a_path_in_the_table_does_not_lead_out_either(desk: Desk) -> None:
    job_id = desk.queue()
    job = desk.start(job_id)
    assert job.lease is not None
    desk.store.finish(job_id, job.lease, [Artifact("x", "../../../jobs.sqlite", "text/plain", 1, "0" * 64)])
    assert desk.ask("GET", f"/v1/jobs/{job_id}/artifacts/x").status_code == 404
