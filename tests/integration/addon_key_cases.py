# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of the pie menu, asserted inside Blender; test_addon_languages.py runs each function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from tests.integration.addon_language_cases import make_rig
from tests.integration.addon_session import MODULE, Session
from tests.integration.layout_recorder import draw

# Files of Blender's own key maps, and preferences that change them.
KEYMAPS = {"blender_default.py": [{}, {"select_mouse": "LEFT"}], "industry_compatible_data.py": [{}]}
MODIFIERS = ("shift", "ctrl", "alt", "oskey")


def the_key_is_free(session: Session) -> None:
    """Nothing that Blender brings has the key in the 3D viewport, in any mode or with any tool."""
    wanted = session.module("keys").KEY
    folder = Path(bpy.utils.preset_paths("keyconfig")[0]) / "keymap_data"
    seen = 0
    for name, choices in KEYMAPS.items():
        source = bpy.utils.execfile(str(folder / name))
        for choice in choices:
            for keymap, about, content in source.generate_keymaps(source.Params(**choice)):
                if about["space_type"] in ("EMPTY", "VIEW_3D") and not about.get("modal"):
                    seen += len(content["items"])
                    taken = [item for item in content["items"] if _is_same(item[1], wanted)]
                    assert not taken, (name, keymap, taken)
    assert seen > 1000, seen


def the_key_comes_and_goes(session: Session) -> None:
    """One entry while the add-on is on, none after it."""
    assert len(_entries()) == 1
    entry = _entries()[0]
    assert (entry.type, entry.shift, entry.alt, entry.ctrl) == ("F", True, True, False)
    bpy.ops.preferences.addon_disable(module=MODULE)
    assert _entries() == []
    bpy.ops.preferences.addon_enable(module=MODULE)
    assert len(_entries()) == 1


def the_menu_has_eight_places(session: Session) -> None:
    """Verbs where they are always; poses that the active rig knows."""
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    verbs = ["[Reset]", "[Generate]", "[Mirror]", "[Save Pose…]", "[Switch IK]", "[Voxelize]"]
    assert _pie() == ["[T-Pose] (grey)", "[A-Pose] (grey)", *(f"{verb} (grey)" for verb in verbs)]
    make_rig("fox")
    assert _pie()[:2] == ["[T-Pose]", "[A-Pose]"]
    assert "[Mirror]" in _pie()


def _pie() -> list[str]:
    bpy.context.view_layer.update()
    return draw("FIGURINE_MT_pie").lines


def _entries() -> list[Any]:
    configurations = bpy.context.window_manager.keyconfigs
    items = [item for keymap in configurations.addon.keymaps for item in keymap.keymap_items]
    return [item for item in items if getattr(item.properties, "name", "") == "FIGURINE_MT_pie"]


def _is_same(item: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if item["type"] != wanted["type"]:
        return False
    return bool(item.get("any")) or all(bool(item.get(name)) == bool(wanted.get(name)) for name in MODIFIERS)
