# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's part of the panel: what it does, and the one button that is next."""

from __future__ import annotations

import bpy

from ..runtime import Runtime
from ..status import ServerStatus, server_status
from .layout import draw_faint, draw_text, draw_words

# Lamps; Blender before 4.4 has them under another name.
_KNOWN_ICONS = bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
_LAMP = "STRIP_COLOR_" if "STRIP_COLOR_01" in _KNOWN_ICONS else "SEQUENCE_COLOR_"
_RED, _YELLOW, _GREEN, _GREY = (f"{_LAMP}{number}" for number in ("01", "03", "04", "09"))
_ICONS = {
    "running": _GREEN,
    "starting": _YELLOW,
    "stopping": _YELLOW,
    "checking": _YELLOW,
    "stopped": _GREY,
    "failed": _RED,
}
# Lines of the installation's log that the panel shows.
_LOG_LINES = 3
_BIG = 1.4


def draw_server(layout: bpy.types.UILayout, now: Runtime) -> None:
    """What state the server is in, and what can be done about it."""
    status = server_status(now)
    if status.kind == "installing":
        _draw_installing(layout.box(), now)
    elif status.kind == "not_installed":
        _draw_first_steps(layout.box())
    elif status.kind == "outdated":
        box = layout.box()
        _draw_title(box, status, now, "ERROR")
        draw_text(box, status.detail)
        _draw_install(box, "Update Server")
    else:
        _draw_state(layout, status, now)


def _draw_first_steps(box: bpy.types.UILayout) -> None:
    box.label(text="Three Steps to a Posed Character")
    box.label(text="1   Install the Server", icon="RADIOBUT_ON")
    draw_text(box, "It makes the model, on this computer: pictures stay here. A few minutes, once.", "BLANK1")
    _draw_install(box, "Install Server")
    box.operator("figurine.add_neural", text="Install with the Neural Engine…", icon="MEMORY")
    later = box.column(align=True)
    later.active = False
    later.label(text="2   Choose a Picture", icon="RADIOBUT_OFF")
    later.label(text="3   Generate", icon="RADIOBUT_OFF")


def _draw_install(box: bpy.types.UILayout, label: str) -> None:
    if not bpy.app.online_access:
        draw_text(box, "It is downloaded, and Allow Online Access is off in Preferences.", "INTERNET_OFFLINE")
        box.operator("figurine.allow_online", icon="PREFERENCES")
    row = box.row()
    row.scale_y = _BIG
    row.operator("figurine.install_server", text=label, icon="IMPORT")


def _draw_installing(box: bpy.types.UILayout, now: Runtime) -> None:
    installer = now.installer
    if installer is None:
        return
    row = box.row()
    row.label(text="Installing the Server", icon="IMPORT")
    row.operator("figurine.cancel_install", text="Cancel", icon="CANCEL")
    box.progress(factor=installer.progress or 0.0, text=installer.step, type="BAR")
    log = box.column(align=True)
    log.active = False
    log.scale_y = 0.75
    for line in installer.tail(_LOG_LINES):
        log.label(text=line, translate=False)
    draw_faint(box, "Blender stays free: a picture can be chosen meanwhile.")


def _draw_state(layout: bpy.types.UILayout, status: ServerStatus, now: Runtime) -> None:
    column = layout.box().column()
    _draw_title(column, status, now, _ICONS[status.kind])
    if status.error is not None:
        draw_words(column, status.error.message, status.error.hint)
    elif status.detail:
        draw_faint(column, status.detail)
    if now.choices.is_managed and now.snapshot.server.state == "wrong_version":
        column.operator("figurine.install_server", icon="IMPORT")
        column.operator("figurine.stop_server")
    elif now.choices.is_managed and status.kind in ("stopped", "failed"):
        column.operator("figurine.start_server", icon="PLAY")
    if status.error is not None:
        column.operator("figurine.open_preferences", icon="PREFERENCES")
        column.operator("figurine.copy_diagnostics", icon="COPYDOWN")


def _draw_title(column: bpy.types.UILayout, status: ServerStatus, now: Runtime, icon: str) -> None:
    row = column.row()
    row.label(text=status.title, icon=icon)
    buttons = row.row(align=True)
    buttons.alignment = "RIGHT"
    if now.choices.is_managed and status.kind == "running":
        buttons.operator("figurine.stop_server", text="Stop")
    buttons.menu("FIGURINE_MT_server", text="", icon="DOWNARROW_HLT")
