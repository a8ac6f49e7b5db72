# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that must not pass: one request and one status each; and each guard is proved by taking it away."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

from inference_server import security
from inference_server.config import load_config
from tests.unit.server.desk import PICTURE, TOKEN, Desk, code_of

# Addresses that exist, that do not, and that exist for another method.
PLACES = [
    ("GET", "/v1/health"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/weights"),
    ("POST", "/v1/weights/birefnet/fetch"),
    ("DELETE", "/v1/weights/birefnet/fetch"),
    ("GET", "/v1/nothing"),
    ("GET", "/"),
    ("PUT", "/v1/jobs"),
    ("OPTIONS", "/v1/jobs"),
    ("POST", "/v1/jobs"),
    ("DELETE", "/v1/jobs/" + "0" * 32),
    ("GET", "//v1/jobs"),
    ("GET", "/static/x"),
]
FOREIGN_HOSTS = ["evil.example:47110", "127.0.0.1.evil.example:47110", "localhost:80", "localhost", "10.0.0.7:47110"]
ODD_HOSTS = [
    "127.0.0.1:47110@evil",
    "127.0.0.1:47110:1",
    "127.0.0.1:+47110",
    "[::1]47110",
    "127.1:47110",
    ":47110",
    "a b",
    "",
]
FOREIGN_ORIGINS = [
    "http://evil.example",
    "null",
    "https://127.0.0.1:47110",
    "http://127.0.0.1:8080",
    "http://127.0.0.1",
    "http://localhost:47110",
    "file://",
    "",
]


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_a_foreign_host_is_refused_before_routing(desk: Desk, method: str, path: str) -> None:
    reply = desk.ask(method, path, base_url="http://evil.example:47110")
    assert (reply.status_code, code_of(reply)) == (403, "ForeignHost")


@pytest.mark.parametrize("host", FOREIGN_HOSTS + ODD_HOSTS)
def test_a_host_that_is_not_ours_is_refused(desk: Desk, host: str) -> None:
    reply = desk.ask("GET", "/v1/health", headers={"Host": host})
    assert (reply.status_code, code_of(reply)) == (403, "ForeignHost")


def test_a_request_without_a_host_is_refused(desk: Desk) -> None:
    reply = desk.ask("GET", "/v1/health", environ_overrides={"HTTP_HOST": ""})
    assert (reply.status_code, code_of(reply)) == (403, "ForeignHost")


@pytest.mark.parametrize("host", ["127.0.0.1:47110", "localhost:47110", "Localhost:47110", "LOCALHOST:47110"])
def test_our_own_names_pass(desk: Desk, host: str) -> None:
    assert desk.ask("GET", "/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("configured", "host", "status"),
    [
        ("192.168.1.5", "192.168.1.5:47110", 200),
        ("192.168.1.5", "127.0.0.1:47110", 200),
        ("192.168.1.5", "192.168.1.6:47110", 403),
        ("fe80::1", "[fe80::1]:47110", 200),
        ("::1", "[::1]:47110", 200),
        ("::1", "localhost:47110", 200),
        ("::1", "evil.example:47110", 403),
        ("localhost", "localhost:47110", 200),
        ("localhost", "[::1]:47110", 403),
        ("Workstation", "workstation:47110", 200),
        ("workstation", "WorkStation:47110", 200),
        ("fe80::1", "[FE80::1]:47110", 200),
        ("0.0.0.0", "LocalHost:47110", 200),
        ("workstation", "evil.example:47110", 403),
        ("0.0.0.0", "192.168.1.6:47110", 200),
        ("0.0.0.0", "localhost:47110", 200),
        ("0.0.0.0", "evil.example:47110", 403),
        ("::", "[fe80::1]:47110", 200),
        ("::", "evil.example:47110", 403),
    ],
)
def test_other_names_are_those_that_were_configured(tmp_path: Path, configured: str, host: str, status: int) -> None:
    assert Desk(tmp_path, host=configured).ask("GET", "/v1/jobs", headers={"Host": host}).status_code == status


def test_port_80_may_be_left_out(tmp_path: Path) -> None:
    assert Desk(tmp_path, port=80).ask("GET", "/v1/jobs", headers={"Host": "localhost"}).status_code == 200


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=["origin", "site"]
)
def test_a_foreign_page_is_refused_before_routing(desk: Desk, method: str, path: str, headers: dict[str, str]) -> None:
    reply = desk.ask(method, path, headers=headers)
    assert (reply.status_code, code_of(reply)) == (403, "ForeignOrigin")


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_an_origin_that_is_not_ours_is_refused(desk: Desk, origin: str) -> None:
    assert desk.ask("GET", "/v1/jobs", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "", "anything"])
def test_a_site_that_is_not_ours_is_refused(desk: Desk, site: str) -> None:
    assert desk.ask("GET", "/v1/jobs", headers={"Sec-Fetch-Site": site}).status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_our_own_page_passes(desk: Desk, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": desk.url}
    assert desk.ask("GET", "/v1/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(("method", "path"), [place for place in PLACES if place[1] != "/v1/health"])
def test_without_the_token_nothing_is_told(desk: Desk, method: str, path: str) -> None:
    reply = desk.ask(method, path, token=None)
    assert (reply.status_code, code_of(reply)) == (401, "BadToken")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        "Bearer ",
        "Bearer",
        "",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer \xff\xfe",
    ],
)
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/health"])
def test_a_wrong_token_is_refused(desk: Desk, authorization: str, path: str) -> None:
    reply = desk.ask("GET", path, token=None, headers={"Authorization": authorization})
    assert (reply.status_code, code_of(reply)) == (401, "BadToken")


@pytest.mark.parametrize("query", [f"token={TOKEN}", f"access_token={TOKEN}"])
def test_a_token_in_the_address_or_a_cookie_does_not_count(desk: Desk, query: str) -> None:
    assert desk.ask("GET", f"/v1/jobs?{query}", token=None).status_code == 401
    assert desk.ask("GET", "/v1/jobs", token=None, headers={"Cookie": query}).status_code == 401


def test_tokens_are_compared_in_constant_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(given: bytes, right: bytes) -> bool:
        compared.append((given, right))
        return False

    monkeypatch.setattr(security.hmac, "compare_digest", compare)
    assert desk.ask("GET", "/v1/jobs").status_code == 401
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "application/json", "image/png", "", "multipart/mixed"]
)
def test_other_bodies_than_a_form_make_no_job(desk: Desk, kind: str) -> None:
    reply = desk.ask("POST", "/v1/jobs", data=b"image=x", headers={"Content-Type": kind})
    assert (reply.status_code, code_of(reply)) == (415, "UnsupportedMedia")


@pytest.mark.parametrize("verb", ["continue", "retry", "rerun"])
@pytest.mark.parametrize("data", [b"{}", b""])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=X"])
def test_types_that_a_foreign_form_can_send_are_refused(desk: Desk, verb: str, data: bytes, kind: str) -> None:
    job_id = desk.bring_to("waiting")
    reply = desk.ask("POST", f"/v1/jobs/{job_id}/{verb}", data=data, headers={"Content-Type": kind})
    assert (reply.status_code, code_of(reply)) == (415, "UnsupportedMedia")
    assert desk.show(job_id)["state"] == "waiting"


def test_an_oversize_body_is_refused_unread(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_upload_mib=1)

    class Unreadable(io.BytesIO):
        def read(self, *size: Any) -> bytes:
            raise AssertionError("the body was read")

    headers = {"Content-Type": "multipart/form-data; boundary=X"}
    for path in ("/v1/jobs", "/v1/nothing"):
        overrides = {"CONTENT_LENGTH": str(2 << 20), "wsgi.input": Unreadable()}
        reply = desk.ask("POST", path, headers=headers, environ_overrides=overrides)
        assert (reply.status_code, code_of(reply)) == (413, "UploadTooLarge")


def test_a_body_that_hides_its_length_is_cut(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_upload_mib=1)
    part = b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    stream = io.BytesIO(part + PICTURE + bytes(2 << 20) + b"\r\n--X--\r\n")
    reply = desk.ask(
        "POST",
        "/v1/jobs",
        input_stream=stream,
        headers={"Content-Type": "multipart/form-data; boundary=X"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (reply.status_code, code_of(reply)) == (413, "UploadTooLarge")


@pytest.mark.parametrize(
    "parts",
    [{f"part{n}": "x" for n in range(50)}, {"image": PICTURE, "settings": " " * 300_000}],
    ids=["parts", "text"],
)
def test_an_oversize_form_is_refused(desk: Desk, parts: dict[str, Any]) -> None:
    reply = desk.send(**parts)
    assert (reply.status_code, code_of(reply)) == (413, "UploadTooLarge")


def test_an_extension_that_lies_is_refused(desk: Desk) -> None:
    reply = desk.send(image=(io.BytesIO(b"MZ\x90\x00 a program"), "fox.png"))
    assert (reply.status_code, code_of(reply)) == (415, "UnsupportedMedia")


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:47110", "http://evil.example"])
def test_no_header_lets_a_foreign_page_read(desk: Desk, method: str, path: str, origin: str | None) -> None:
    headers = {"Access-Control-Request-Method": "POST"} | ({"Origin": origin} if origin else {})
    reply = desk.ask(method, path, headers=headers)
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control-")]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Frame-Options"] == "DENY"
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in reply.headers


def test_reading_has_no_effects(desk: Desk) -> None:
    jobs = [desk.bring_to(state) for state in ("done", "failed", "waiting", "queued")]
    before = [desk.store.get(job_id) for job_id in jobs]
    files = sorted(desk.config.home.rglob("*"))
    paths = [
        "/v1/health",
        "/v1/capabilities",
        "/v1/openapi.json",
        "/v1/jobs",
        "/v1/weights",
        "/v1/weights/birefnet/fetch",
    ]
    for job_id in jobs:
        paths += [f"/v1/jobs/{job_id}{rest}" for rest in ("", "/artifacts/preview.png", "/artifacts")]
        paths += [f"/v1/jobs/{job_id}/{verb}" for verb in ("continue", "retry", "rerun")]
    for path in paths:
        for method in ("GET", "HEAD"):
            assert desk.ask(method, path).status_code in (200, 404, 405), path
    assert [desk.store.get(job_id) for job_id in jobs] == before
    assert sorted(desk.config.home.rglob("*")) == files


def test_the_token_is_in_no_reply(desk: Desk) -> None:
    replies = [desk.ask(method, path) for method, path in PLACES]
    replies += [desk.ask(method, path, token=f"{TOKEN}x") for method, path in PLACES]
    replies.append(desk.ask("GET", "/v1/capabilities"))
    for reply in replies:
        assert TOKEN not in reply.text
        assert TOKEN not in str(reply.headers)
    assert TOKEN not in repr(desk.services)


def test_a_configured_token_is_not_shown(tmp_path: Path) -> None:
    config = load_config({"FIGURINE_HOME": str(tmp_path), "FIGURINE_TOKEN": TOKEN}).config
    assert TOKEN not in repr(config)


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_queued=1)
    desk.queue()
    assert desk.send(image=PICTURE).status_code == 429


def test_uploads_are_not_decoded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    save = desk.folders.save_input
    monkeypatch.setattr(type(desk.folders), "save_input", lambda self, *a: read.append(a[2].tell()) or save(*a))
    bomb = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff"
    assert desk.send(image=bomb).status_code == 202
    assert read == [0]


def test_the_stream_of_a_refused_upload_is_closed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[Any] = []
    original = FileStorage.__init__

    def remember(self: FileStorage, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        streams.append(self.stream)

    monkeypatch.setattr(FileStorage, "__init__", remember)
    big = b"x" * 2_000_000
    reply = desk.ask(
        "POST",
        "/v1/jobs",
        input_stream=io.BytesIO(
            b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + big + b"\r\n--X--\r\n"
        ),
        headers={"Content-Type": "multipart/form-data; boundary=X"},
    )
    assert reply.status_code in (400, 415)
    assert all(stream.closed for stream in streams)


def test_no_reply_names_a_path_of_this_machine(desk: Desk) -> None:
    replies = [desk.ask(method, path) for method, path in PLACES]
    replies.append(desk.ask("GET", f"/v1/jobs/{desk.bring_to('done')}"))
    assert str(desk.config.home) not in json.dumps([reply.text for reply in replies])
