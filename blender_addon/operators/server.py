# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, start and stop the server."""

from __future__ import annotations

import bpy

from .. import runtime
from ..models import OFFLINE
from ..preferences import choices
from ..status import server_status
from .common import poll_reason

_OWN_SERVER = "Preferences say that the server is at an address: it is started and stopped there."


class FIGURINE_OT_install_server(bpy.types.Operator):
    """Download and install the server, update or repair it"""

    bl_idname = "figurine.install_server"
    bl_label = "Install Server"
    bl_description = (
        "Download the server and install it into a folder of its own; Blender's Python is not touched. "
        "The same button updates and repairs it"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey without Online Access, and while it is being installed."""
        now = runtime.current()
        reason = ""
        if now.is_installing:
            reason = "The server is being installed."
        elif not bpy.app.online_access:
            reason = OFFLINE
        return poll_reason(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; the panel shows how far it is."""
        runtime.current().install()
        return {"FINISHED"}


class FIGURINE_OT_cancel_install(bpy.types.Operator):
    """Stop installing. What was installed before stays as it was"""

    bl_idname = "figurine.cancel_install"
    bl_label = "Cancel Installation"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing is being installed."""
        return poll_reason(cls, "" if runtime.current().is_installing else "Nothing is being installed.")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Stop it."""
        installer = runtime.current().installer
        if installer is not None:
            installer.cancel()
        return {"FINISHED"}


class FIGURINE_OT_start_server(bpy.types.Operator):
    """Start the server on this computer. Generate does it by itself"""

    bl_idname = "figurine.start_server"
    bl_label = "Start Server"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where there is none to start, or it runs."""
        now = runtime.current()
        reason = ""
        if not now.choices.is_managed:
            reason = _OWN_SERVER
        elif now.is_installing:
            reason = "The server is being installed."
        elif not now.can_start:
            reason = "The server is not installed yet: press Install Server."
        elif server_status(now).kind in ("running", "starting", "stopping"):
            reason = f"{server_status(now).title}."
        return poll_reason(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start it in the background."""
        runtime.current().start_server()
        return {"FINISHED"}


class FIGURINE_OT_stop_server(bpy.types.Operator):
    """Stop the server. A job that runs goes on when it is started again"""

    bl_idname = "figurine.stop_server"
    bl_label = "Stop Server"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where none runs here."""
        now = runtime.current()
        reason = ""
        if not now.choices.is_managed:
            reason = _OWN_SERVER
        elif now.snapshot.server.state in ("unknown", "absent") and now.server_state in ("stopped", "failed"):
            reason = "The server does not run."
        elif now.server_state == "stopping":
            reason = "The server is stopping."
        return poll_reason(cls, reason)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Stop it in the background."""
        runtime.current().stop_server()
        return {"FINISHED"}


class FIGURINE_OT_test_connection(bpy.types.Operator):
    """Ask the server at this address who it is, and whether it takes the token. Nothing else is sent"""

    bl_idname = "figurine.test_connection"
    bl_label = "Test Connection"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey while it asks."""
        test = runtime.current().connection_test
        is_free = test is None or not test.is_running
        return poll_reason(cls, "" if is_free else "The server is being asked.")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; the answer is shown below the button."""
        now = runtime.current()
        wanted = choices(context, now.paths, now.version)
        if wanted != now.choices:
            now.apply(wanted)
        now.test_connection()
        return {"FINISHED"}


CLASSES = (
    FIGURINE_OT_install_server,
    FIGURINE_OT_cancel_install,
    FIGURINE_OT_start_server,
    FIGURINE_OT_stop_server,
    FIGURINE_OT_test_connection,
)
