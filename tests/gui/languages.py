# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in other languages, and the key of the pie menu; play.py runs this inside Blender, which must have its own
translations.
"""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface
from driver import PACKAGE, Driver, Steps, middle

# What Figurine's own button says, and where the panel says that a server is missing.
_SAID = {
    "en_US": ("Voxelize", "Install Server"),
    "ja_JP": ("ボクセル化", "サーバーをインストール"),
    "zh_HANT": ("體素化", "安裝伺服器"),
}


def in_three_languages(driver: Driver) -> Steps:
    """Each looked at; the key opens the menu; switched off, the words are gone."""
    view = bpy.context.preferences.view
    yield from driver.open_tab()
    for locale, said in _SAID.items():
        _speak(locale)
        yield from driver.redraw()
        yield 0.5
        assert tuple(pgettext_iface(text, "Operator") for text in _SAID["en_US"]) == said, locale
        driver.shot(f"language-{locale}")
        yield from driver.hover(*middle(driver.region("WINDOW")))
        yield from driver.press("F", shift=True, alt=True)
        yield 1.0
        driver.shot(f"pie-{locale}")
        yield from driver.press("ESC")
        yield 0.5
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    assert pgettext_iface("Voxelize", "Operator") == "Voxelize", view.language
    bpy.ops.preferences.addon_enable(module=PACKAGE)
    assert pgettext_iface("Voxelize", "Operator") == _SAID[view.language][0]
    yield from _keep_english()


def _speak(locale: str) -> None:
    view = bpy.context.preferences.view
    view.language = locale
    view.use_translate_interface = view.use_translate_tooltips = view.use_translate_reports = True


def _keep_english() -> Steps:
    """As the user of the other tests has it."""
    _speak("en_US")
    yield 0.2
