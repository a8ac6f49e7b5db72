# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages: translations/LOCALE.json and translations/server/LOCALE.json, which Blender looks
texts up in.

A file is {context: {English: translated}}. The context "*" holds nearly all; "Operator" holds what a button says
otherwise than a field or a title of the same English. Blender translates by itself what it draws as it was declared;
the functions here are for texts with values, and for those that it shows as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import bpy
from bpy.app.translations import contexts, pgettext_iface, pgettext_rpt, pgettext_tip

from .phrases import translated
from .server_sentences import read_server_tables

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
    """Let Blender translate by them, and by those of the server's sentences."""
    bpy.app.translations.register(__package__, with_server(read_tables(), read_server_tables()))


def remove_tables() -> None:
    """Take them away."""
    bpy.app.translations.unregister(__package__)


def with_server(tables: Mapping[str, Table], server: Mapping[str, Mapping[str, str]]) -> dict[str, Table]:
    """Tables that also hold what the server says; of what both have, the add-on's own stays."""
    return {
        locale: {**{(_ANYWHERE, english): local for english, local in server.get(locale, {}).items()}, **table}
        for locale, table in tables.items()
    }


def _table(words: dict[str, dict[str, str]]) -> Table:
    """Buttons have the words of all else, but for their own."""
    common = words[_ANYWHERE]
    buttons = common | words.get(_BUTTONS, {})
    return {
        **{(_ANYWHERE, english): local for english, local in common.items()},
        **{(_BUTTONS, english): local for english, local in buttons.items()},
    }
