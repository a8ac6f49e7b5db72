# SPDX-License-Identifier: GPL-3.0-or-later
"""The film of the README: a picture, Generate, progress, a character that is posed. play.py runs it inside Blender."""

from __future__ import annotations

from pathlib import Path

import bpy
from driver import Driver, Steps
from steps import allow_online_access, armature, click_bone, delete_cube, drop, install, rotate, show_from_front

_PICTURE = "fox_kid.png"
_SCALE = 1.15
_TIMEOUT_S = 200


def film(driver: Driver, examples: str, sign: str) -> Steps:
    """sign: the file that exists while the camera is to film."""
    bpy.context.preferences.view.ui_scale = _SCALE
    yield 1.0
    driver.watch_addon()
    yield from driver.open_tab()
    yield from delete_cube(driver)
    yield from allow_online_access(driver)
    yield from install(driver)
    shading = driver.area.spaces.active.shading
    shading.type, shading.color_type, shading.light = "SOLID", "TEXTURE", "STUDIO"
    driver.area.spaces.active.overlay.show_cursor = False
    bpy.context.scene.figurine.enter_pose_mode = True
    yield from driver.click("Start Server")
    yield from driver.wait_for("Server Running", _TIMEOUT_S)
    yield from show_from_front(driver)
    Path(sign).touch()
    yield 1.0
    yield from drop(driver, f"{examples}/{_PICTURE}")
    yield 1.0
    Path(sign).unlink()  # while the button is searched for, it is red
    left, bottom, right, top = yield from driver.find("Generate", "operator")
    Path(sign).touch()
    yield 0.3
    yield from driver.click_at((left + right) // 2, (bottom + top) // 2)
    yield from driver.wait_until(armature, _TIMEOUT_S, "the character")
    yield 1.5
    yield from show_from_front(driver)
    for bone, degrees in (("upper_arm.L", -70), ("upper_arm.R", 25), ("lower_arm.L", -40), ("head", 12)):
        yield from click_bone(driver, armature(), bone)
        yield from rotate(driver, degrees)
        yield 0.4
    Path(sign).unlink()
    driver.look_at("VIEW_3D", "UI")
    yield from driver.redraw()
    driver.shot("panel")
