# SPDX-License-Identifier: GPL-3.0-or-later
"""What Figurine has to say, until it is dismissed."""

from __future__ import annotations

import bpy

from ..runtime import Message, Runtime
from ..status import server_status
from .layout import draw_words
from .progress import shown_error, shown_job


def draw_messages(layout: bpy.types.UILayout, now: Runtime) -> None:
    """Every message but those that another part of the panel shows already."""
    for message in now.messages:
        if message.text not in _shown_elsewhere(now):
            _draw_message(layout.box(), message)


def _shown_elsewhere(now: Runtime) -> list[str]:
    job = shown_job(now)
    errors = (None if job is None else shown_error(job), server_status(now).error)
    return [error.message for error in errors if error is not None]


def _draw_message(box: bpy.types.UILayout, message: Message) -> None:
    row = box.row()
    icon = "ERROR" if message.level == "error" else "INFO"
    draw_words(row, message.text, message.hint, icon, is_beside_button=True)
    row.operator("figurine.dismiss", text="", icon="X", emboss=False).number = message.number
    if message.offers_import:
        box.operator("figurine.import_job", text="Import into This File", icon="IMPORT").key = message.key or ""
    elif message.level == "error":
        box.operator("figurine.copy_diagnostics", icon="COPYDOWN")
