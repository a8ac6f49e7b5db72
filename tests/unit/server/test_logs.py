# SPDX-License-Identifier: GPL-3.0-or-later
"""What is logged, as what, and what never is."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference_server.config import Config, load_config
from inference_server.logs import HumanFormatter, configure_logging, hide
from tests.unit.server.desk import TOKEN, Desk

log = logging.getLogger("figurine.test")


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    loggers = [logging.getLogger(name) for name in ("figurine", "waitress")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield load_config({"FIGURINE_HOME": str(tmp_path)}).config
    for handler in loggers[0].handlers:
        handler.close()
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(config: Config, role: str = "server") -> list[str]:
    return (config.home / "logs" / f"{role}.log").read_text(encoding="utf-8").splitlines()


def test_a_request_is_one_line_with_its_job(config: Config) -> None:
    configure_logging(config, "server")
    desk = Desk(config.home)
    job_id = desk.queue()
    desk.ask("DELETE", f"/v1/jobs/{job_id}")
    desk.ask("GET", "/v1/nothing", token=None)
    created, cancelled, refused = lines(config)
    assert "INFO server: POST /v1/jobs 202 " in created
    assert created.endswith(f"[{job_id}]")
    assert f"DELETE /v1/jobs/{job_id} 202 " in cancelled
    assert "GET /v1/nothing 401 " in refused


def test_looks_that_clients_repeat_all_the_time_fill_no_file(config: Config) -> None:
    configure_logging(config, "server")
    desk = Desk(config.home)
    job_id = desk.queue()
    looks = (f"/v1/jobs/{job_id}?since=0", "/v1/jobs", "/v1/health")
    for path in looks:
        assert desk.ask("GET", path).status_code == 200
    assert len(lines(config)) == 1
    desk.ask("GET", "/v1/jobs", token="wrong")
    desk.ask("GET", f"/v1/jobs/{'0' * 32}")
    assert [line.split(" GET ")[1].split()[1] for line in lines(config)[1:]] == ["401", "404"]
    logging.getLogger("figurine").setLevel(logging.DEBUG)
    for path in looks:
        desk.ask("GET", path)
    assert sum(" DEBUG server: GET " in line for line in lines(config)) == 3


def test_for_programs_a_line_is_an_object(config: Config) -> None:
    config = replace(config, log_format="json")
    configure_logging(config, "worker")
    log.info("stage %s", "rig", extra={"job": "j", "members": {"seconds": 1.5}})
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        log.exception("a fault")
    first, second = map(json.loads, lines(config, "worker"))
    assert first.pop("time").endswith("+00:00")
    assert first == {"level": "INFO", "role": "worker", "message": "stage rig", "job": "j", "seconds": 1.5}
    assert "ValueError: broken" in second["traceback"]


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_no_secret_is_in_a_line(config: Config, log_format: str) -> None:
    config = replace(config, log_format=log_format, token="another-token-of-the-configuration")
    config = replace(config, gemini_key="AIza-key-of-the-hosted-editor")
    configure_logging(config, "server")
    desk = Desk(config.home)
    desk.ask("GET", f"/v1/jobs/{TOKEN}?token={TOKEN}")
    desk.ask("GET", "/v1/jobs", token=f"{TOKEN}x")
    log.error("given %s and %s", TOKEN, config.token, extra={"members": {"header": TOKEN}})
    log.error("sent with %s", config.gemini_key, extra={"members": {"x-goog-api-key": config.gemini_key}})
    try:
        raise ValueError(TOKEN, config.gemini_key)
    except ValueError:
        log.exception("a fault")
    text = "\n".join(lines(config))
    assert len(lines(config)) >= 5
    for secret in (TOKEN, config.token, config.gemini_key):
        assert str(secret) not in text
    assert "••••" in text


def test_a_client_cannot_forge_a_line(config: Config) -> None:
    configure_logging(config, "server")
    Desk(config.home).ask("GET", "/v1/x%0a2026-01-01 INFO server: all is well")
    log.info("name %s", "a\nb\r\x1b[31m\u2028c")
    assert len(lines(config)) == 2
    assert "\x1b" not in lines(config)[1]


def test_a_query_is_not_logged(config: Config) -> None:
    configure_logging(config, "server")
    Desk(config.home).ask("GET", "/v1/capabilities?limit=3")
    assert "?" not in lines(config)[0]


def test_files_rotate(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_server.logs._FILE_BYTES", 2000)
    configure_logging(config, "server")
    for number in range(500):
        log.info("line %d", number)
    files = {path.name: path.stat().st_size for path in (config.home / "logs").iterdir()}
    assert set(files) == {"server.log", *(f"server.log.{n}" for n in range(1, 6))}
    assert max(files.values()) <= 2000
    assert "line 499" in lines(config)[-1]


def test_a_second_worker_has_a_file_of_its_own(config: Config) -> None:
    configure_logging(config, "worker", 1)
    log.info("of the first")
    configure_logging(config, "worker", 2)
    log.info("of the second")
    assert [line.endswith("of the first") for line in lines(config, "worker")] == [True]
    assert [line.endswith("of the second") for line in lines(config, "worker-2")] == [True]


def test_configuring_again_writes_each_line_once(config: Config) -> None:
    configure_logging(config, "server")
    configure_logging(config, "server")
    log.info("once")
    assert len(lines(config)) == 1


def test_an_unexpected_error_is_logged_with_its_traceback(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logging(config, "server")
    desk = Desk(config.home)

    def explode(*arguments: object) -> None:
        raise RuntimeError("a secret inside")

    monkeypatch.setattr("inference_server.jobs.store.JobStore.page", explode)
    reply = desk.ask("GET", "/v1/jobs")
    assert (reply.status_code, reply.json["error"]["code"]) == (500, "InternalError")
    assert "secret" not in reply.text
    assert any("RuntimeError: a secret inside" in line for line in lines(config))


def test_a_job_is_named_once_in_a_line() -> None:
    record = logging.LogRecord("figurine.test", logging.INFO, "", 0, "job abc is done", None, None)
    record.job = "abc"
    assert HumanFormatter("worker").format(record).count("abc") == 1


def test_hidden_text_may_be_anything() -> None:
    hide("a+b(c")
    record = logging.LogRecord("figurine.test", logging.INFO, "", 0, "x a+b(c y", None, None)
    assert HumanFormatter("server").format(record).endswith("x •••• y")
