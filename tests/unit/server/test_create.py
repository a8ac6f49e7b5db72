# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /v1/jobs: what is accepted is on disk and in the table; what is refused is in neither."""

from __future__ import annotations

import errno
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from inference_server.jobs.folder import JobFolders
from tests.unit.server.desk import MESH, PICTURE, Desk, code_of


def assert_nothing_is_left(desk: Desk) -> None:
    assert desk.store.page(10) == []
    assert not desk.config.jobs_root.exists() or list(desk.config.jobs_root.iterdir()) == []


def test_a_picture_becomes_a_job(desk: Desk) -> None:
    reply = desk.send(image=(io.BytesIO(PICTURE), "fox kid.png"), settings='{"seed": 7, "height_m": 2}')
    assert reply.status_code == 202
    job = reply.json
    assert reply.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert job == desk.show(job["id"])
    assert (job["state"], job["number"], job["revision"]) == ("queued", 1, 1)
    assert job["input"] == {"kind": "image", "name": "fox kid.png"}
    assert (job["settings"]["name"], job["settings"]["seed"], job["settings"]["height_m"]) == ("fox_kid", 7, 2.0)
    assert desk.folders.input(job["id"], "picture").read_bytes() == PICTURE


def test_a_picture_with_a_mask_becomes_a_job_and_its_rerun_has_both(desk: Desk) -> None:
    job_id = desk.queue(image=PICTURE, mask=PICTURE + b"!")
    stored = {path.name: path.read_bytes() for path in desk.folders.inputs(job_id)}
    assert stored == {"picture": PICTURE, "mask": PICTURE + b"!"}
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json={"stage": "rig", "seed": 3})
    assert reply.status_code == 202, reply.json
    copied = {path.name: path.read_bytes() for path in desk.folders.inputs(reply.json["id"])}
    assert copied == stored


def test_a_mesh_with_a_picture_becomes_a_job_that_is_named_for_the_mesh(desk: Desk) -> None:
    job_id = desk.queue(mesh=(io.BytesIO(MESH), "meshes/Fox.OBJ"), image=PICTURE, mask=PICTURE + b"!")
    job = desk.show(job_id)
    assert job["input"] == {"kind": "mesh+image", "name": "Fox.OBJ"}
    assert job["settings"]["name"] == "Fox"
    stored = {path.name: path.read_bytes() for path in desk.folders.inputs(job_id)}
    assert stored == {"mesh.obj": MESH, "picture": PICTURE, "mask": PICTURE + b"!"}


def test_a_mesh_with_a_skeleton_becomes_a_job(desk: Desk) -> None:
    job_id = desk.queue(mesh=(io.BytesIO(MESH), "meshes/Fox.OBJ"), skeleton=b"{}")
    job = desk.show(job_id)
    assert job["input"] == {"kind": "mesh", "name": "Fox.OBJ"}
    assert job["settings"]["name"] == "Fox"
    stored = {path.name: path.read_bytes() for path in desk.folders.inputs(job_id)}
    assert stored == {"mesh.obj": MESH, "rig.json": b"{}"}


def test_the_configured_engine_counts_where_the_request_names_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path, engine="draft")
    assert desk.show(desk.queue())["settings"]["engine"] == "draft"
    assert desk.show(desk.queue(image=PICTURE, settings='{"engine": "auto"}'))["settings"]["engine"] == "auto"


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ({}, 400, "RequestInvalid"),
        ({"settings": "{}"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "mesh": MESH, "skeleton": b"{}"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "mesh": MESH, "settings": '{"pause_after": "rig"}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "mesh": MESH, "settings": '{"outputs": "rig"}'}, 400, "SettingInvalid"),
        ({"image": b"no picture", "mesh": MESH}, 415, "UnsupportedMedia"),
        ({"image": PICTURE, "mesh": b""}, 400, "MeshInvalid"),
        ({"image": PICTURE, "skeleton": b"{}"}, 400, "RequestInvalid"),
        ({"skeleton": b"{}"}, 400, "RequestInvalid"),
        ({"mask": PICTURE}, 400, "RequestInvalid"),
        ({"mesh": MESH, "mask": PICTURE}, 400, "RequestInvalid"),
        ({"image": PICTURE, "mask": b""}, 400, "ImageUnreadable"),
        ({"image": PICTURE, "mask": b"text"}, 415, "UnsupportedMedia"),
        ({"image": "no file"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": b"{}"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "colour": "red"}, 400, "RequestInvalid"),
        ({"image": [(io.BytesIO(PICTURE), "a.png"), (io.BytesIO(PICTURE), "b.png")]}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": ["{}", "{}"]}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": "seed=1"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": "[]"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": "[" * 50_000}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": '{"seed": ' + "9" * 5000 + "}"}, 400, "RequestInvalid"),
        ({"image": PICTURE, "settings": '{"colour": "red"}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"seed": true}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"seed": "1"}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"depth": NaN}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"height_m": 1' + "0" * 400 + "}"}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"name": "../up"}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"name": "\\ud800"}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "settings": '{"pause_after": "export"}'}, 400, "SettingInvalid"),
        ({"mesh": MESH, "settings": '{"pause_after": "geometry"}'}, 400, "SettingInvalid"),
        ({"image": PICTURE, "idempotency_key": ""}, 400, "RequestInvalid"),
        ({"image": PICTURE, "idempotency_key": "k" * 129}, 400, "RequestInvalid"),
        ({"image": PICTURE, "idempotency_key": "ключ"}, 400, "RequestInvalid"),
        ({"image": b""}, 400, "ImageUnreadable"),
        ({"mesh": b""}, 400, "MeshInvalid"),
        ({"image": b"Dear sir or madam"}, 415, "UnsupportedMedia"),
        ({"image": b"BM then a bitmap"}, 415, "UnsupportedMedia"),
        ({"mesh": (io.BytesIO(MESH), "fox.blend")}, 415, "UnsupportedMedia"),
        ({"mesh": (io.BytesIO(MESH), "fox")}, 415, "UnsupportedMedia"),
    ],
)
def test_what_is_refused_leaves_nothing(desk: Desk, parts: dict[str, Any], status: int, code: str) -> None:
    reply = desk.send(**parts)
    assert (reply.status_code, code_of(reply)) == (status, code)
    assert_nothing_is_left(desk)


@pytest.mark.parametrize("cut", [3, 8, 60, 150])
def test_an_upload_that_was_cut_short_is_refused(desk: Desk, cut: int) -> None:
    body = (
        b'--X\r\nContent-Disposition: form-data; name="image"; filename="fox.png"\r\nContent-Type: image/png\r\n\r\n'
        + PICTURE
        + b"\r\n--X--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=X"}
    assert desk.ask("POST", "/v1/jobs", data=body, headers=headers).status_code == 202
    reply = desk.ask("POST", "/v1/jobs", data=body[:-cut], headers=headers | {"Content-Length": str(len(body))})
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")
    assert len(desk.store.page(10)) == 1


def test_a_form_without_a_boundary_is_refused(desk: Desk) -> None:
    reply = desk.ask("POST", "/v1/jobs", data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")


def test_a_repeat_with_the_same_key_brings_the_same_job(desk: Desk) -> None:
    first = desk.send(image=PICTURE, settings='{"seed": 1}', headers={"Idempotency-Key": "k1"})
    again = desk.send(image=PICTURE, settings='{"seed": 1}', idempotency_key="k1")
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json["id"] == first.json["id"]
    assert [path.name for path in desk.config.jobs_root.iterdir()] == [first.json["id"]]


@pytest.mark.parametrize(
    "parts",
    [{"image": PICTURE + b"!"}, {"image": PICTURE, "settings": '{"seed": 2}'}, {"mesh": MESH}],
)
def test_a_key_is_not_used_twice_for_different_requests(desk: Desk, parts: dict[str, Any]) -> None:
    job_id = desk.queue(image=PICTURE, idempotency_key="k1")
    reply = desk.send(**parts, idempotency_key="k1")
    assert (reply.status_code, code_of(reply)) == (409, "StateError")
    assert [path.name for path in desk.config.jobs_root.iterdir()] == [job_id]


def test_two_different_keys_in_one_request_are_refused(desk: Desk) -> None:
    reply = desk.send(image=PICTURE, idempotency_key="a", headers={"Idempotency-Key": "b"})
    assert (reply.status_code, code_of(reply)) == (400, "RequestInvalid")


def test_requests_without_a_key_make_a_job_each(desk: Desk) -> None:
    assert desk.queue() != desk.queue()


def test_a_full_queue_refuses_until_a_job_has_started(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_queued=2)
    first, _ = desk.queue(), desk.queue(image=PICTURE, idempotency_key="k")
    reply = desk.send(image=PICTURE)
    assert (reply.status_code, code_of(reply), reply.json["error"]["retryable"]) == (429, "QueueFull", True)
    assert int(reply.headers["Retry-After"]) > 0
    assert len(list(desk.config.jobs_root.iterdir())) == 2
    assert desk.send(image=PICTURE, idempotency_key="k").status_code == 200
    desk.start(first)
    assert desk.send(image=PICTURE).status_code == 202


def test_a_full_disk_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def save_half(folders: JobFolders, job_id: str, name: str, source: Any) -> Path:
        place = folders.input(job_id, name)
        place.parent.mkdir(parents=True)
        place.write_bytes(source.read(4))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(JobFolders, "save_input", save_half)
        reply = desk.send(image=PICTURE)
    assert (reply.status_code, code_of(reply), reply.json["error"]["retryable"]) == (507, "DiskFull", True)
    assert str(desk.config.home) not in json.dumps(reply.json)
    assert_nothing_is_left(desk)
    assert desk.send(image=PICTURE).status_code == 202


def test_a_table_that_cannot_grow_leaves_nothing(desk: Desk) -> None:
    def stay_small(connection: sqlite3.Connection, record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}").close()

    desk.store.close()
    sa.event.listen(desk.store._engine, "connect", stay_small)
    replies = [desk.send(image=PICTURE, settings='{"name": "' + "n" * 59 + '"}') for _ in range(30)]
    refused = [reply for reply in replies if reply.status_code != 202]
    assert refused
    for reply in refused:
        assert (reply.status_code, code_of(reply)) == (507, "DiskFull")
    assert len(list(desk.config.jobs_root.iterdir())) == len(replies) - len(refused)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../a/évil\u202e\x07.png", "évil.png"),
        ("C:\\\\pictures\\\\fox.png", "fox.png"),
        ("x" * 3000 + ".png", "x" * 251 + ".png"),
        ("..", ".."),
        ("\x07", "input"),
        ("", "image"),
    ],
)
def test_names_are_only_shown(desk: Desk, sent: str, shown: str) -> None:
    part = f'--X\r\nContent-Disposition: form-data; name="image"; filename="{sent}"\r\n\r\n'
    body = part.encode() + PICTURE + b"\r\n--X--\r\n"
    reply = desk.ask("POST", "/v1/jobs", data=body, headers={"Content-Type": "multipart/form-data; boundary=X"})
    assert reply.status_code == 202
    assert reply.json["input"]["name"] == shown
    assert [path.name for path in desk.folders.inputs(reply.json["id"])] == ["picture"]
