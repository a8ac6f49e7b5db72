# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that Copy Diagnostics puts on the clipboard: everything a bug report needs, and no secret."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from .connection import Connection, read_handshake
from .errors import without_login
from .runtime import Message, Runtime
from .status import server_status

_LOG_LINES = 40
# The end of a log, which can be long; forty lines are shorter.
_LOG_BYTES = 32_768
_SECRET_VARIABLES = ("FIGURINE_TOKEN", "FIGURINE_GEMINI_KEY", "HF_TOKEN")


def diagnostics(runtime: Runtime, blender_version: str) -> str:
    """Versions, server, the last errors and the end of the logs. The token is in none of it, nor the user's name."""
    status = server_status(runtime)
    server = runtime.snapshot.server
    connection = runtime.choices.connection
    parts = [
        f"Figurine {runtime.version} · Blender {blender_version}",
        f"{platform.platform()} · {platform.machine()} · Python {platform.python_version()}",
        f"Connection: {connection.mode} · {server.url or without_login(connection.address) or 'no address'}",
        f"Online Access: {'on' if connection.online_access else 'off'}",
        f"Installed server: {_installed(runtime)}{'' if runtime.is_installed else ' (not usable)'}",
        f"Own command: {'yes' if runtime.choices.command else 'no'}",
        f"Server: {status.title} · {status.detail} · process {runtime.server_state} · answer {server.state}",
    ]
    if runtime.snapshot.models.is_known:
        here = [model.id for model in runtime.snapshot.models.models if model.state == "present"]
        parts.append(f"Models: {', '.join(here) or 'none'}")
    if status.error is not None:
        parts += ["", "Server's problem:", *_error_lines(status.error.message, status.error.hint, status.error.details)]
    shown = [item for item in runtime.messages if item.level == "error"]
    if runtime.last_error is not None and runtime.last_error not in shown:
        shown.append(runtime.last_error)
    for message in shown:
        parts += ["", "Message:", *_message_lines(message)]
    for job in runtime.snapshot.jobs[:3]:
        parts += ["", f"Job {job.number} {job.job_id}: {job.state}, {job.stage or '-'}, {dict(job.settings)}"]
        if job.error is not None:
            parts += _error_lines(job.error.message, job.error.hint, job.error.details)
    installer = runtime.installer or runtime.failed_installer
    if installer is not None:
        parts += ["", f"Installation ({installer.state}):", *installer.tail(_LOG_LINES)]
    parts += ["", "Server's log:", *_log_tail(runtime.paths.log)]
    return _without_secrets("\n".join(parts), _tokens_in_use(connection))


def _installed(runtime: Runtime) -> str:
    installed = runtime.installed
    if installed is None:
        return "none"
    if not installed.equipment.has_neural:
        return f"{installed.version} · draft"
    torch = installed.torch
    told = f"torch {torch.version}, CUDA {torch.cuda or 'none'}, on {torch.device}" if torch else "torch unknown"
    return f"{installed.version} · draft + neural · processor {installed.equipment.processor} · {told}"


def _message_lines(message: Message) -> list[str]:
    return _error_lines(message.text, message.hint, message.details)


def _error_lines(text: str, hint: str, details: str) -> list[str]:
    return [line for line in (text, hint, details) if line]


def _log_tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _LOG_BYTES))
            return stream.read().decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return ["(none)"]


def _tokens_in_use(connection: Connection) -> list[str]:
    handshake = read_handshake(connection.home)
    variables = [os.environ.get(name, "") for name in _SECRET_VARIABLES]
    return [connection.token, *variables, "" if handshake is None else handshake.token]


def _without_secrets(text: str, tokens: list[str]) -> str:
    home = str(Path.home())
    homes = [home, repr(home)[1:-1], Path.home().as_posix()]
    for secret, shown in (*((token, "(token)") for token in tokens), *((form, "~") for form in homes)):
        if len(secret) > 1:
            text = text.replace(secret, shown)
    return text
