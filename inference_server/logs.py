# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs: one line an event, on the console and in a file of the data folder, for people or as JSON.

A record may carry the id of its job and, for programs, further members: `extra={"job": …, "members": {…}}`.
Each process has a file of its own, because two cannot share one that rotates.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from typing import Any, Literal

from inference_server.config import SECRETS, Config
from inference_server.errors import typed_system_errors

Role = Literal["server", "worker"]
_LOGGERS = ("figurine", "waitress")
_FILE_BYTES = 5 * 1024 * 1024
_FILES_KEPT = 5
_MASK = "••••"

_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Never let this text reach a log of this process, whatever record it comes in."""
    _hidden.add(secret)


def configure_logging(config: Config, role: Role, number: int = 1) -> None:
    """Write what this process logs to the console and to logs/<role>.log, with the number from the second process of
    its role on. Raises DiskFull, OutputUnwritable.
    """
    for secret in filter(None, (getattr(config, name) for name in SECRETS)):
        hide(secret)
    folder = config.home / "logs"
    name = f"{role}.log" if number == 1 else f"{role}-{number}.log"
    with typed_system_errors(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        file = RotatingFileHandler(folder / name, maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT, encoding="utf-8")
    formatter = JsonFormatter(role) if config.log_format == "json" else HumanFormatter(role)
    handlers = (file, logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(formatter)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        for old in logger.handlers:
            old.close()
        logger.handlers = list(handlers)
        logger.setLevel(logging.INFO)
        logger.propagate = False


class HumanFormatter(logging.Formatter):
    """2026-01-31 12:00:00.123 INFO server: what happened [job]"""

    def __init__(self, role: Role) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback's lines after it."""
        moment = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        line = f"{moment} {record.levelname} {self._role}: {_one_line(record.getMessage())}"
        job = getattr(record, "job", None)
        if job is not None and job not in line:
            line += f" [{job}]"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return _masked(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, role: Role) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """The record's members, its own after the common ones."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "role": self._role,
            "message": record.getMessage(),
        }
        if getattr(record, "job", None) is not None:
            line["job"] = record.job  # type: ignore[attr-defined]
        line |= getattr(record, "members", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _masked(json.dumps(line, ensure_ascii=False))


def _one_line(text: str) -> str:
    """Text of others cannot forge a line."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _masked(text: str) -> str:
    for secret in _hidden:
        text = text.replace(secret, _MASK)
    return text
