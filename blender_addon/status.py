# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says about the server, and why Generate is grey."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .connection import is_exposed
from .errors import FigurineError, ServerEnded
from .neural import device_text
from .phrases import joined, phrase, untranslated
from .runtime import Runtime
from .wording import engine_label

StatusKind = Literal[
    "installing", "not_installed", "outdated", "stopped", "starting", "running", "stopping", "failed", "checking"
]


@dataclass(frozen=True)
class ServerStatus:
    """title: a few words. detail: a sentence or facts, "" for none. error: what is wrong, to be shown in full."""

    kind: StatusKind
    title: str
    detail: str = ""
    error: FigurineError | None = None


def server_status(runtime: Runtime) -> ServerStatus:
    """The server as the artist should see it now."""
    if runtime.is_installing and runtime.installer is not None:
        return ServerStatus("installing", "Installing the Server", runtime.installer.step)
    if runtime.choices.is_managed:
        return _managed(runtime)
    return _at_address(runtime)


def _managed(runtime: Runtime) -> ServerStatus:
    process = runtime.server_state
    if process == "stopping":
        return ServerStatus("stopping", "Server Stopping")
    if runtime.snapshot.server.state == "running":
        return _running(runtime)
    if process == "starting":
        return ServerStatus("starting", "Server Starting", "This takes a few seconds.")
    if not runtime.can_start:
        return ServerStatus("not_installed", "Server Not Installed")
    if runtime.is_outdated:
        detail = phrase(
            "The installed server is version {installed}, the add-on is {version}.",
            installed=runtime.installed and runtime.installed.version,
            version=runtime.version,
        )
        return ServerStatus("outdated", "Server Needs an Update", detail)
    if process == "failed" and runtime.server is not None:
        title = "Server Ended" if isinstance(runtime.server.error, ServerEnded) else "Server Did Not Start"
        return ServerStatus("failed", title, error=runtime.server.error)
    if process == "running":
        return _not_answering(runtime) or ServerStatus("starting", "Server Starting", "This takes a few seconds.")
    return _not_answering(runtime) or ServerStatus("stopped", "Server Stopped", "It starts when you press Generate.")


def _at_address(runtime: Runtime) -> ServerStatus:
    if runtime.snapshot.server.state == "running":
        return _running(runtime)
    return _not_answering(runtime) or ServerStatus("checking", "Looking for the Server")


def _running(runtime: Runtime) -> ServerStatus:
    server = runtime.snapshot.server
    facts = [untranslated(server.version)] if server.version else []
    device = device_text(server.compute) if server.compute is not None else ""
    engines = [engine_label(engine) for engine in server.engines if engine != "blender"]
    if device:
        facts.append(phrase(device))
    elif engines:
        facts.append(joined(engines, " + "))
    if not runtime.choices.is_managed:
        facts.append(untranslated(server.url.partition("://")[2]))
    if is_exposed(server.url):
        facts.append(phrase("not encrypted"))
    if server.worker_alive is False:
        facts.append(phrase("its worker is starting"))
    return ServerStatus("running", "Server Running", joined(facts, " · "))


def _not_answering(runtime: Runtime) -> ServerStatus | None:
    """The status of a server that is there and cannot be used, or should be there and is not."""
    server = runtime.snapshot.server
    titles = {
        "unreachable": "Server Not Reached",
        "wrong_version": "Server of Another Version",
        "bad_token": "Token Refused",
        "offline": "Online Access Is Off",
        "absent": "Server Not Running",
    }
    if server.error is None or (server.state == "absent" and runtime.choices.is_managed):
        return None
    return ServerStatus("failed", titles.get(server.state, "Server Not Reached"), error=server.error)


def obstacle(runtime: Runtime, has_picture: bool, *, leaves_the_computer: bool = False) -> str:
    """Why nothing can be generated now, "" where it can. leaves_the_computer: whether the picture would be sent to a
    service on the internet.
    """
    status = server_status(runtime)
    if status.kind == "not_installed":
        return "Install the server first: the button is at the top of this panel."
    if status.kind == "installing":
        return "The server is being installed. Generate works as soon as that is done."
    if status.kind == "outdated":
        return "Update the server first: the button is at the top of this panel."
    if status.kind == "stopping":
        return "The server is stopping. Wait a moment, then press Generate."
    if status.kind == "failed" and runtime.snapshot.server.state in ("wrong_version", "bad_token", "offline"):
        return phrase("{title}. What to do is said at the top of this panel.", title=phrase(status.title))
    if not has_picture:
        return "Choose a picture first: a file, Paste, an image of this file, or drop one here."
    if leaves_the_computer and not runtime.choices.connection.online_access:
        return (
            "The picture would be sent to a service: turn on Preferences > System > Network > Allow Online Access, or "
            "choose another Pose."
        )
    return ""
