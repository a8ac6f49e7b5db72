# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake Voxel Animation by real clicks; play.py runs this inside Blender. No server is needed."""

from __future__ import annotations

import math

import bpy
import numpy as np
from driver import Driver, Steps, middle
from screen import read_screen

_SOON_S = 30
_LONG_S = 120
_FRAMES = 6
_TURN_deg = 75
# A frame takes long enough to be seen on its way.
_LARGE = 140
_SMALL = 24
_COUNTED = ("objects", "meshes", "materials", "images", "actions", "collections")
# By so much blue must exceed red where a dialog draws its chosen button (of 255), and so many pixels that button has.
_BLUER = 60
_BUTTON_PX = 1000


def by_clicks(driver: Driver) -> Steps:
    """A turning cube: Esc in the middle of its bake leaves nothing; a bake that is let go on plays."""
    cube = bpy.context.scene.objects["Cube"]
    _animate(cube)
    driver.look_at("VIEW_3D", "WINDOW")
    before = _counts()
    yield from _confirm(driver, _LARGE)
    yield from driver.wait_until(lambda: _is_in_the_middle(driver), _LONG_S, "the middle of the bake")
    driver.shot("baking")
    yield from driver.press("ESC")
    yield from driver.wait_until(lambda: not _runs(driver), _SOON_S, "the end of the bake after Esc")
    assert _counts() == before
    assert bpy.context.scene.frame_current == 1 and cube.visible_get()
    yield from driver.redraw()
    driver.shot("bake-cancelled")
    yield from _confirm(driver, _SMALL)
    yield from driver.wait_until(lambda: not _runs(driver) and _frames(), _LONG_S, "the bake")
    assert len(_frames()) == _FRAMES and not cube.visible_get()
    yield from driver.redraw()
    driver.shot("baked")
    yield from _play(driver)


def _animate(cube: bpy.types.Object) -> None:
    for frame, degrees in ((1, 0), (_FRAMES, _TURN_deg)):
        cube.rotation_euler = (math.radians(degrees), 0, math.radians(degrees))
        cube.keyframe_insert("rotation_euler", frame=frame)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, _FRAMES
    scene.frame_set(1)


def _counts() -> dict[str, int]:
    return {kind: len(getattr(bpy.data, kind)) for kind in _COUNTED}


def _frames() -> list[bpy.types.Object]:
    """The objects of the bake, one a frame."""
    return [item for item in bpy.data.objects if item.type == "MESH" and " Voxels " in item.name]


def _runs(driver: Driver) -> bool:
    return any(item.bl_idname == "FIGURINE_OT_bake_voxels" for item in driver.window.modal_operators)


def _is_in_the_middle(driver: Driver) -> bool:
    return _runs(driver) and 1 < bpy.context.scene.frame_current < _FRAMES


def _confirm(driver: Driver, size: int) -> Steps:
    """Ask for a bake and click the dialog's button."""
    yield from driver.hover(*middle(driver.region()))
    yield from driver.redraw()
    plain = read_screen(driver.screen).astype(np.int16)
    with bpy.context.temp_override(window=driver.window, area=driver.area, region=driver.region()):
        bpy.ops.figurine.bake_voxels("INVOKE_DEFAULT", size=size)
    spot = yield from driver.wait_until(lambda: _new_blue(driver, plain), _SOON_S, "the dialog's button")
    driver.shot("bake-dialog")
    yield from driver.click_at(*spot)
    yield from driver.wait_until(lambda: _runs(driver) or _frames(), _SOON_S, "the beginning of the bake")


def _new_blue(driver: Driver, plain: np.ndarray) -> tuple[int, int] | None:
    """The middle of what has become blue on the screen, in the window's pixels; None before there is such a button."""
    pixels = read_screen(driver.screen).astype(np.int16)
    is_blue = (pixels[:, :, 2] - pixels[:, :, 0] > _BLUER) & ((pixels - plain)[:, :, 2] > 0)
    rows, columns = np.nonzero(is_blue)
    if len(rows) < _BUTTON_PX:
        return None
    window = driver.window
    return int(np.median(columns)) - window.x, len(pixels) - int(np.median(rows)) - window.y


def _play(driver: Driver) -> Steps:
    """The space bar plays it: always one figure, and all of them in turn."""
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("SPACE")
    seen: set[str] = set()

    def all_seen() -> bool:
        shown = [item.name for item in _frames() if item.visible_get()]
        assert len(shown) == 1, f"at once: {shown}"
        seen.update(shown)
        return len(seen) == _FRAMES

    yield from driver.wait_until(all_seen, _SOON_S, "every frame of the bake")
    assert driver.window.screen.is_animation_playing
    driver.shot("bake-plays")
    yield from driver.press("ESC")
    yield from driver.wait_until(lambda: not driver.window.screen.is_animation_playing, _SOON_S, "the end of the film")
