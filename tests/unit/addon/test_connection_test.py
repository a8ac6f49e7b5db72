# SPDX-License-Identifier: GPL-3.0-or-later
"""Test Connection: what each kind of answer becomes, with real servers and none."""

from __future__ import annotations

import time

import pytest

from blender_addon.connection import Connection, is_exposed
from blender_addon.connection_test import ConnectionTest
from blender_addon.runtime import Choices, Runtime
from tests.unit.addon.servers import FigurineServer, OddServer, SilentServer, at_address, managed, reply

_PATIENCE_S = 30.0


def outcome(connection: Connection) -> ConnectionTest:
    """The finished test."""
    test = ConnectionTest(connection)
    test.start()
    deadline_s = time.monotonic() + _PATIENCE_S
    while test.is_running:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    test.close(_PATIENCE_S)
    return test


def code(connection: Connection) -> str:
    test = outcome(connection)
    assert test.facts == "" and test.error is not None
    assert test.error.message and test.error.hint
    return test.error.code


def test_a_server_that_takes_the_token_tells_what_it_is(server: FigurineServer) -> None:
    test = outcome(at_address(server.url))
    assert (test.facts, test.error) == ("Reachable: version 1.2.3, draft + neural, its worker runs.", None)
    assert {"GET /v1/health", "GET /v1/capabilities"} == set(server.requests), "nothing else is asked"


@pytest.mark.parametrize("token", ["x" * 32, "short", "two words"])
def test_a_wrong_token_is_told(server: FigurineServer, token: str) -> None:
    assert code(at_address(server.url, token)) == "BadToken"


def test_no_token_is_told_though_the_health_is_open(server: FigurineServer) -> None:
    """On this machine a token is found; one of another machine has to be entered."""
    connection = at_address(server.url, "")
    assert code(connection) == "ServerNotRunning"
    with OddServer(
        reply(401, b'{"error": {"code": "BadToken", "message": "m", "hint": "h", "retryable": false}}')
    ) as odd:
        assert code(at_address(odd.url)) == "BadToken"


def test_another_version_is_told(server: FigurineServer) -> None:
    assert code(at_address(server.url, our_version="9.1.0")) == "WrongVersion"


def test_what_is_no_server_of_ours_is_told() -> None:
    with OddServer(reply(200, b"<html>Router</html>", "text/html")) as odd:
        assert code(at_address(odd.url)) == "NotFigurine"
    assert code(at_address("127.0.0.1:1")) == "ServerNotRunning"
    assert code(at_address("two words")) == "AddressInvalid"


def test_nothing_is_sent_elsewhere_without_online_access() -> None:
    assert code(at_address("https://figures.example.org")) == "OnlineAccessOff"


def test_one_that_hangs_is_given_up() -> None:
    with SilentServer() as silent:
        test = ConnectionTest(at_address(silent.url))
        test.start()
        start_s = time.monotonic()
        test.close(_PATIENCE_S)
        assert time.monotonic() - start_s < 10.0 and not test._thread.is_alive()
        assert test.is_running, "nothing is told of it"


def test_the_runtime_gives_up_the_one_before(runtime: Runtime, server: FigurineServer) -> None:
    chosen = at_address(server.url)
    with SilentServer() as silent:
        runtime.apply(Choices(at_address(silent.url), "", runtime.choices.install_folder, False))
        runtime.test_connection()
        first = runtime.connection_test
        runtime.apply(Choices(chosen, "", runtime.choices.install_folder, False))
        runtime.test_connection()
        assert runtime.connection_test is not first
        deadline_s = time.monotonic() + _PATIENCE_S
        while runtime.connection_test is None or runtime.connection_test.is_running:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        assert runtime.connection_test.facts
        runtime.close()
        assert runtime.connection_test is None


@pytest.mark.parametrize(
    ("address", "is_so"),
    [
        ("192.168.1.5", True),
        ("http://figures.example.org:47110", True),
        ("https://figures.example.org", False),
        ("127.0.0.1:47110", False),
        ("localhost", False),
        ("[::1]:47110", False),
        ("", False),
        ("two words", False),
    ],
)
def test_what_others_can_read_is_known(address: str, is_so: bool) -> None:
    assert is_exposed(address) == is_so


def test_the_managed_server_can_be_tested_too(server: FigurineServer) -> None:
    assert outcome(managed(server.desk.config.home)).facts
