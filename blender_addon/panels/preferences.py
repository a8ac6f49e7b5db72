# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of the add-on's preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
import rna_keymap_ui

from .. import runtime
from ..connection import is_exposed
from ..keys import user_entry
from .layout import draw_faint, draw_text, draw_words

if TYPE_CHECKING:
    from ..preferences import FigurinePreferences


EXPOSED = "The connection to this address is not encrypted: who is in between can read the token and the pictures."
EXPOSED_HINT = "Use an https address, or a tunnel to this computer; the manual's page on the server tells how."


def draw_preferences(layout: bpy.types.UILayout, chosen: FigurinePreferences) -> None:
    """First where the server is, then what that choice needs."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    layout.row().prop(chosen, "mode", expand=True)
    column = layout.column()
    if chosen.mode == "managed":
        draw_faint(column, "Blender installs, starts and stops the server. Pictures never leave this computer.")
        column.prop(chosen, "keep_running")
        column.prop(chosen, "command")
        column.prop(chosen, "install_folder")
        column.prop(chosen, "home")
    else:
        draw_faint(column, "The server must be of the same version as the add-on, and you need its token.")
        column.prop(chosen, "address")
        column.prop(chosen, "token")
        draw_faint(column, "The token is kept in Blender's preferences, as text. It is never written anywhere else.")
        if is_exposed(chosen.address):
            draw_words(column, EXPOSED, EXPOSED_HINT)
        _draw_test(column, chosen)
    layout.prop(chosen, "accepts_drops")
    _draw_key(layout.box(), bpy.context)
    _draw_online(layout.box())


def _draw_key(box: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The key of the pie menu, to be changed or switched off."""
    box.label(text="Pie Menu in the 3D Viewport", icon="MOUSE_LMB")
    found = user_entry(context)
    if found is not None:
        keymap, item = found
        column = box.column()
        column.use_property_split = False
        column.context_pointer_set("keymap", keymap)
        rna_keymap_ui.draw_kmi([], context.window_manager.keyconfigs.user, keymap, item, column, 0)


def _draw_test(column: bpy.types.UILayout, chosen: FigurinePreferences) -> None:
    """The button, and what came of it for the address and the token as they stand there."""
    column.operator("figurine.test_connection", icon="LINKED")
    test = runtime.current().connection_test
    if test is None or (test.connection.address, test.connection.token) != (
        chosen.address.strip(),
        chosen.token.strip(),
    ):
        return
    if test.is_running:
        draw_faint(column, "Asking the server.")
    elif test.error is not None:
        draw_words(column, test.error.message, test.error.hint)
    else:
        draw_text(column, test.facts, "CHECKMARK")


def _draw_online(box: bpy.types.UILayout) -> None:
    is_on = bpy.app.online_access
    row = box.row()
    row.label(
        text="Allow Online Access is on" if is_on else "Allow Online Access is off",
        icon="INTERNET" if is_on else "INTERNET_OFFLINE",
    )
    if not is_on:
        row.operator("figurine.allow_online", icon="PREFERENCES")
    draw_faint(
        box,
        "It is needed to install the server and to use one on another machine. A server on this computer works "
        "without it.",
    )
