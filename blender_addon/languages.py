# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages: translations/LOCALE.json, which Blender looks texts up in.

A file is {context: {English: translated}}. The context "*" holds nearly all; "Operator" holds what a button says
otherwise than a field or a title of the same English. Blender translates by itself what it draws as it was declared;
the functions here are for texts with values, and for those that it shows as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import bpy
from bpy.app.translations import contexts, pgettext_iface, pgettext_rpt, pgettext_tip

from .phrases import translated

_FOLDER = Path(__file__).with_name("translations")
_ANYWHERE, _BUTTONS = contexts.default, contexts.operator_default

Table = dict[tuple[str, str], str]


def told(text: str) -> str:
    """The text in the language of panels and menus."""
    return translated(text, pgettext_iface)


def told_in_tooltip(text: str) -> str:
    """The text in the language of tooltips, which Preferences can leave in English."""
    return translated(text, pgettext_tip)


def told_in_report(text: str) -> str:
    """The text in the language of reports, which Preferences can leave in English."""
    return translated(text, pgettext_rpt)


def read_tables(folder: Path = _FOLDER) -> dict[str, Table]:
    """By locale, as Blender wants them: translations by context and English."""
    return {file.stem: _table(json.loads(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.json"))}


def add_tables() -> None:
    """Let Blender translate by them."""
    bpy.app.translations.register(__package__, read_tables())


def remove_tables() -> None:
    """Take them away."""
    bpy.app.translations.unregister(__package__)


def _table(words: dict[str, dict[str, str]]) -> Table:
    """Buttons have the words of all else, but for their own."""
    common = words[_ANYWHERE]
    buttons = common | words.get(_BUTTONS, {})
    return {
        **{(_ANYWHERE, english): local for english, local in common.items()},
        **{(_BUTTONS, english): local for english, local in buttons.items()},
    }
