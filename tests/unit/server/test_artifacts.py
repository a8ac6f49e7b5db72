# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's files: whole, in part, not again, and gone."""

from __future__ import annotations

import hashlib
import threading

import pytest

from inference_server.jobs.model import Artifact
from inference_server.jobs.store import JobStore, LeaseLost
from tests.unit.server.desk import Desk, code_of

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def job_id(desk: Desk) -> str:
    return desk.finish(desk.queue(), preview__png=CONTENT)


def url_of(desk: Desk, job_id: str) -> str:
    return str(desk.show(job_id)["artifacts"][0]["url"])


def test_a_file_is_listed_and_sent_whole(desk: Desk, job_id: str) -> None:
    (listed,) = desk.show(job_id)["artifacts"]
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert listed == {
        "name": "preview.png",
        "media_type": "image/png",
        "size_bytes": len(CONTENT),
        "sha256": sha256,
        "url": f"/v1/jobs/{job_id}/artifacts/preview.png?sha256={sha256}",
    }
    reply = desk.ask("GET", listed["url"])
    assert (reply.status_code, reply.data, reply.mimetype) == (200, CONTENT, "image/png")
    assert reply.headers["ETag"] == f'"{sha256}"'
    assert reply.headers["Content-Disposition"] == "attachment; filename=preview.png"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in reply.headers["Cache-Control"]
    assert "private" in reply.headers["Cache-Control"]


def test_an_address_without_the_digest_is_asked_again(desk: Desk, job_id: str) -> None:
    reply = desk.ask("GET", f"/v1/jobs/{job_id}/artifacts/preview.png")
    assert (reply.status_code, reply.data) == (200, CONTENT)
    assert "immutable" not in reply.headers["Cache-Control"]
    assert "no-cache" in reply.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("0-99", 0, 99), ("1000-", 1000, 1023), ("-24", 1000, 1023), ("1000-5000", 1000, 1023)],
)
def test_a_part_of_a_file(desk: Desk, job_id: str, asked: str, first: int, last: int) -> None:
    reply = desk.ask("GET", url_of(desk, job_id), headers={"Range": f"bytes={asked}"})
    assert (reply.status_code, reply.data) == (206, CONTENT[first : last + 1])
    assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


def test_a_part_that_is_not_there(desk: Desk, job_id: str) -> None:
    reply = desk.ask("GET", url_of(desk, job_id), headers={"Range": "bytes=5000-"})
    assert (reply.status_code, code_of(reply)) == (416, "RangeInvalid")


def test_a_part_of_a_changed_file_is_the_whole(desk: Desk, job_id: str) -> None:
    reply = desk.ask("GET", url_of(desk, job_id), headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (reply.status_code, reply.data) == (200, CONTENT)


def test_a_file_that_is_known_is_not_sent_again(desk: Desk, job_id: str) -> None:
    url = url_of(desk, job_id)
    etag = desk.ask("GET", url).headers["ETag"]
    reply = desk.ask("GET", url, headers={"If-None-Match": etag})
    assert (reply.status_code, reply.data) == (304, b"")
    assert desk.ask("GET", url, headers={"If-None-Match": '"another"'}).status_code == 200


def test_the_head_of_a_file(desk: Desk, job_id: str) -> None:
    reply = desk.ask("HEAD", url_of(desk, job_id))
    assert (reply.status_code, reply.data, reply.content_length) == (200, b"", len(CONTENT))


@pytest.mark.parametrize("name", ["rig.json", "preview", "PREVIEW.PNG", "preview.png.part", "%00", "preview.png%00"])
def test_only_declared_names_are_sent(desk: Desk, job_id: str, name: str) -> None:
    (desk.folders.artifact(job_id, "rig.json")).write_bytes(b"{}")
    reply = desk.ask("GET", f"/v1/jobs/{job_id}/artifacts/{name}")
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


def test_another_content_is_not_sent_for_a_digest(desk: Desk, job_id: str) -> None:
    reply = desk.ask("GET", f"/v1/jobs/{job_id}/artifacts/preview.png?sha256={'0' * 64}")
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


def test_a_file_that_was_deleted_from_the_disk(desk: Desk, job_id: str) -> None:
    desk.place_of(job_id, "preview.png").unlink()
    reply = desk.ask("GET", url_of(desk, job_id))
    assert (reply.status_code, code_of(reply)) == (404, "NotFound")


def test_files_are_deleted_and_the_job_stays(desk: Desk, job_id: str) -> None:
    url, place = url_of(desk, job_id), desk.place_of(job_id, "preview.png")
    stray = desk.folders.artifact(job_id, desk.publish(job_id, "report.json", b"of a run that was given up on").file)
    assert place.exists() and stray.exists()
    reply = desk.ask("DELETE", f"/v1/jobs/{job_id}/artifacts")
    assert (reply.status_code, reply.json["artifacts"], reply.json["state"]) == (200, [], "done")
    assert not place.exists() and not stray.exists()
    assert desk.folders.input(job_id, "picture").exists()
    assert desk.ask("GET", url).status_code == 404


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
def test_files_of_a_job_that_goes_on_are_kept(desk: Desk, state: str) -> None:
    reply = desk.ask("DELETE", f"/v1/jobs/{desk.bring_to(state)}/artifacts")
    assert (reply.status_code, code_of(reply)) == (409, "StateError")


def test_a_run_that_was_given_up_on_overwrites_nothing(desk: Desk) -> None:
    job_id = desk.queue()
    lost = desk.start(job_id)
    assert desk.store.give_up(lost, 3, {}) is not None
    mine = desk.start(job_id)
    assert lost.lease is not None and mine.lease is not None
    early = desk.publish(job_id, "normalized.png", b"of the lost run, before")
    desk.store.finish(job_id, mine.lease, [desk.publish(job_id, "normalized.png", CONTENT)])
    late = desk.publish(job_id, "normalized.png", b"of the lost run, after")
    for file in (early, late):
        with pytest.raises(LeaseLost):
            desk.store.add_artifacts(job_id, lost.lease, [file])
    assert desk.ask("GET", url_of(desk, job_id)).data == CONTENT


def test_files_named_as_declared_by_an_earlier_version_are_found(desk: Desk) -> None:
    job_id = desk.queue()
    job = desk.start(job_id)
    assert job.lease is not None
    place = desk.folders.artifact(job_id, "figure.fbx")
    place.parent.mkdir()
    place.write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    file = Artifact("figure.fbx", "figure.fbx", "application/octet-stream", len(CONTENT), sha256)
    desk.store.finish(job_id, job.lease, [file])
    reply = desk.ask("GET", url_of(desk, job_id))
    assert (reply.status_code, reply.data) == (200, CONTENT)
    assert reply.headers["Content-Disposition"] == "attachment; filename=figure.fbx"
    desk.ask("DELETE", f"/v1/jobs/{job_id}/artifacts")
    assert not place.exists()


def test_a_retry_waits_until_the_files_are_deleted(desk: Desk) -> None:
    job_id = desk.bring_to("cancelled")
    order = []

    def retry() -> None:
        other = JobStore(desk.config.database)
        other.retry(job_id, 100)
        order.append("retried")
        other.close()

    thread = threading.Thread(target=retry)

    def delete_files() -> None:
        thread.start()
        thread.join(0.3)
        order.append("deleted")

    desk.store.remove_artifacts(job_id, delete_files)
    thread.join()
    assert order == ["deleted", "retried"]
