# SPDX-License-Identifier: GPL-3.0-or-later
"""The film of the README: a picture, Generate, progress, a character that is posed. play.py runs it inside Blender."""

from __future__ import annotations

from pathlib import Path

import bpy
from driver import Driver, Steps, middle
from steps import allow_online_access, armature, click_bone, delete_cube, drop, install, rotate

_SCALE = 1.15
_TIMEOUT_S = 200


def film(driver: Driver, picture: str, sign: str) -> Steps:
    """sign: the file that exists while the camera is to film."""
    bpy.context.preferences.view.ui_scale = _SCALE
    yield 1.0
    driver.watch_addon()
    yield from driver.open_tab()
    yield from delete_cube(driver)
    yield from allow_online_access(driver)
    yield from install(driver)
    yield from driver.click("Start Server")
    yield from driver.wait_for("Server Running", _TIMEOUT_S)
    yield from _tidy_up(driver)
    Path(sign).touch()
    yield 1.0
    yield from drop(driver, picture)
    yield 1.0
    Path(sign).unlink()  # while the button is searched for, it is red
    left, bottom, right, top = yield from driver.find("Generate", "operator")
    Path(sign).touch()
    yield 0.3
    yield from driver.click_at((left + right) // 2, (bottom + top) // 2)
    yield from driver.wait_until(armature, _TIMEOUT_S, "the character")
    yield 1.5
    yield from _look_at_all(driver)
    for bone, degrees in (("upper_arm.L", -70), ("lower_arm.L", -40), ("upper_arm.R", 25), ("head", 12)):
        yield from click_bone(driver, armature(), bone)
        yield from rotate(driver, degrees)
        yield 0.4
    yield from driver.press("Z", shift=True, alt=True)  # without bones
    yield 1.0
    Path(sign).unlink()
    driver.look_at("VIEW_3D", "UI")
    yield from driver.redraw()
    driver.shot("panel")


def _tidy_up(driver: Driver) -> Steps:
    """The viewport alone, with textures, from the front."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("SPACE", ctrl=True)
    yield 1.0
    space = driver.area.spaces.active
    space.shading.color_type = "TEXTURE"
    space.overlay.show_extras = False  # lamp and camera
    bpy.context.scene.figurine.enter_pose_mode = True
    for message in list(_messages()):
        bpy.ops.figurine.dismiss(number=message.number)
    yield from driver.press("NUMPAD_1")
    yield 0.6
    driver.look_at("VIEW_3D", "UI")
    yield from driver.open_tab()


def _messages() -> list:
    from bl_ext.user_default.figurine import runtime

    return runtime.current().messages


def _look_at_all(driver: Driver) -> Steps:
    """All bones, and the view on them."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("A")
    yield 0.3
    yield from driver.press("NUMPAD_PERIOD")
    yield 0.8
