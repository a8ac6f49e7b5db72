# SPDX-License-Identifier: GPL-3.0-or-later
"""A key in the 3D viewport, Shift Alt F, for a pie menu of what is done most often; it can be changed in Preferences.

The key does nothing else in Blender's own and in its Industry Compatible key map, from Blender 4.2 to 5.2.
"""

from __future__ import annotations

import bpy

from .panels.pose import PLAIN
from .pose.library import body_poses
from .pose.rig import active_rig, body_kind

KEY = {"type": "F", "value": "PRESS", "shift": True, "alt": True}
_KEYMAP, _SPACE = "3D View", "VIEW_3D"
_CALL = "wm.call_menu_pie"
# Left and right; the other places of the menu are of other verbs.
_POSES = 2

_entries: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


class FIGURINE_MT_pie(bpy.types.Menu):
    """Figurine, around the mouse."""

    bl_label = "Figurine"

    def draw(self, context: bpy.types.Context) -> None:
        """Left, right, below, above, then the corners: upper left, upper right, lower left, lower right."""
        pie = self.layout.menu_pie()
        armature = active_rig(context)
        poses = body_poses(body_kind(armature) if armature else "humanoid")
        plain = [poses[key] for key in PLAIN if key in poses][:_POSES]
        for pose in plain:
            pie.operator("figurine.apply_pose", text=pose.name, icon="ARMATURE_DATA").pose = pose.key
        for _ in range(_POSES - len(plain)):
            pie.separator()
        pie.operator("figurine.reset_pose", icon="LOOP_BACK")
        pie.operator("figurine.generate", icon="OUTLINER_OB_ARMATURE")
        pie.operator("figurine.mirror_pose", icon="MOD_MIRROR")
        pie.operator("figurine.save_pose", icon="ASSET_MANAGER")
        pie.operator("figurine.switch_ik", icon="CON_KINEMATIC").limb = "all"
        pie.operator("figurine.voxelize", icon="MESH_CUBE")


def add_keys() -> None:
    """Give the menu its key. Without a window Blender may have no key maps for add-ons."""
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is None:
        return
    keymap = configuration.keymaps.new(_KEYMAP, space_type=_SPACE)
    item = keymap.keymap_items.new(_CALL, **KEY)
    item.properties.name = FIGURINE_MT_pie.__name__
    _entries.append((keymap, item))


def remove_keys() -> None:
    """Take it away."""
    for keymap, item in _entries:
        keymap.keymap_items.remove(item)
    _entries.clear()


def user_entry(context: bpy.types.Context) -> tuple[bpy.types.KeyMap, bpy.types.KeyMapItem] | None:
    """The menu's key as the user has it; what is changed there is kept with the preferences. None without a window."""
    keymap = context.window_manager.keyconfigs.user.keymaps.get(_KEYMAP)
    for item in keymap.keymap_items if keymap else ():
        if item.idname == _CALL and item.properties.name == FIGURINE_MT_pie.__name__:
            return keymap, item
    return None


CLASSES = (FIGURINE_MT_pie,)
