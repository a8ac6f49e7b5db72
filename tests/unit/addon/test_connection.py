# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as artists type them, the handshake, and what may be asked at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blender_addon.connection import (
    compatible,
    default_home,
    expanded_folder,
    find_endpoint,
    is_loopback,
    normalise_address,
)
from blender_addon.errors import AddressInvalid, OnlineAccessOff, ServerNotInstalled, ServerNotRunning
from tests.unit.addon.servers import at_address, managed


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost", "http://localhost:47110"),
        ("localhost:5000", "http://localhost:5000"),
        (" http://127.0.0.1:47110/ ", "http://127.0.0.1:47110"),
        ("HTTP://LocalHost:47110//", "http://localhost:47110"),
        ("127.0.0.1/v1", "http://127.0.0.1:47110"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("http://[::1]", "http://[::1]:47110"),
        ("0.0.0.0:5000", "http://127.0.0.1:5000"),
        ("[::]:5000", "http://[::1]:5000"),
        ("https://figures.example.org", "https://figures.example.org"),
        ("studio-box.local:8080", "http://studio-box.local:8080"),
    ],
)
def test_every_form_of_an_address_is_accepted(text: str, url: str) -> None:
    assert normalise_address(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "ftp://localhost",
        "file:///etc/passwd",
        "localhost:port",
        "localhost:70000",
        "localhost:0",
        "user:secret@localhost",
        "localhost/other",
        "localhost?x=1",
        "two words",
        "a\nb",
        "http://",
        "1.2.3",
        "999.1.1.1",
        "[nonsense]",
        "-box",
        "fig\\urine",
    ],
)
def test_what_is_no_address_is_said_so(text: str) -> None:
    with pytest.raises(AddressInvalid) as caught:
        normalise_address(text)
    assert "Preferences" in caught.value.hint


def test_loopback_is_told_by_number_and_not_by_likeness() -> None:
    assert all(map(is_loopback, ("http://127.0.0.1:1", "http://127.1.2.3:1", "http://[::1]:1", "http://localhost:1")))
    assert not any(map(is_loopback, ("http://127.0.0.1.example.org:1", "http://10.0.0.1:1", "http://localhost.me:1")))


def test_versions_fit_by_major_and_minor() -> None:
    assert compatible("1.2.9", "1.2.0")
    assert compatible("1.2.0.dev1", "1.2.0")
    assert not compatible("1.3.0", "1.2.0")
    assert not compatible("2.2.0", "1.2.0")


def write(home: Path, **values: object) -> None:
    document = {"url": "http://127.0.0.1:5000", "token": "secret", "pid": 1, "version": "1.2.3", **values}
    (home / "server.json").write_text(json.dumps(document))


def test_the_managed_server_is_found_by_its_handshake(tmp_path: Path) -> None:
    with pytest.raises(ServerNotRunning):
        find_endpoint(managed(tmp_path))
    with pytest.raises(ServerNotInstalled):
        find_endpoint(managed(tmp_path, is_installed=False))
    write(tmp_path)
    first = find_endpoint(managed(tmp_path))
    assert (first.url, first.token) == ("http://127.0.0.1:5000", "secret")
    write(tmp_path, url="http://127.0.0.1:5001", token="other")
    second = find_endpoint(managed(tmp_path))
    assert (second.url, second.token, second.identity) == ("http://127.0.0.1:5001", "other", first.identity)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"url": 1}', "[" * 9999, '{"url": "http://127.0.0.1"}'])
def test_a_handshake_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)
    with pytest.raises(ServerNotRunning):
        find_endpoint(managed(tmp_path))


def test_an_address_on_this_machine_takes_the_token_of_the_handshake(tmp_path: Path) -> None:
    write(tmp_path)
    assert find_endpoint(at_address("localhost:5000", "", home=tmp_path)).token == "secret"
    assert find_endpoint(at_address("localhost:5000", "mine", home=tmp_path)).token == "mine"
    with pytest.raises(ServerNotRunning):
        find_endpoint(at_address("localhost:5000", "", home=tmp_path / "none"))


def test_the_token_of_this_machine_goes_to_no_other(tmp_path: Path) -> None:
    write(tmp_path)
    assert find_endpoint(at_address("10.0.0.9", "", home=tmp_path, online_access=True)).token == ""
    write(tmp_path, url="http://10.0.0.9:5000")
    with pytest.raises(OnlineAccessOff):
        find_endpoint(managed(tmp_path))


def test_another_machine_needs_online_access() -> None:
    with pytest.raises(OnlineAccessOff) as caught:
        find_endpoint(at_address("figures.example.org"))
    assert "Nothing was sent" in caught.value.message
    assert find_endpoint(at_address("figures.example.org", online_access=True)).url.startswith("http://figures")


@pytest.mark.parametrize("text", ["me:pa55@box", "http://me:pa55@box:1", "https://me:pa/55@box", "me:pa55@two words"])
def test_a_password_in_an_address_is_not_repeated(text: str) -> None:
    with pytest.raises(AddressInvalid) as caught:
        normalise_address(text)
    assert "pa" not in caught.value.message.replace("password", "").replace("spaces", "")
    assert "…@" in caught.value.message


def test_folders_are_absolute_and_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path / "place"))
    monkeypatch.chdir(tmp_path)
    assert expanded_folder("~/data") == tmp_path / "data"
    assert expanded_folder("$PLACE/data") == tmp_path / "place/data"
    assert expanded_folder("data") == tmp_path / "data"


def test_the_data_folder_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIGURINE_HOME", str(tmp_path / "here"))
    assert default_home() == tmp_path / "here"
