# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does with a character once it is there, by real clicks. play.py runs this inside Blender."""

from __future__ import annotations

import bpy
import numpy as np
from approval import prepare
from driver import Driver, Steps
from steps import armature, check_ticks, delete_cube, drop, show_from_front, vertices

_JOB_TIMEOUT_S = 300
_SOON_S = 20
# A pose that moves no more than this is none.
_MOVED_M = 0.05
_STILL_M = 1e-3


def by_clicks(driver: Driver, picture: str) -> Steps:
    """From a picture to a character that is posed; the server is installed where it is not."""
    driver.watch_addon()
    yield from driver.open_tab()
    yield from delete_cube(driver)
    yield from prepare(driver)
    bpy.context.scene.figurine.texture_px = "1024"
    yield from drop(driver, picture)
    yield from driver.click("Generate", "operator")
    rig = yield from driver.wait_until(armature, _JOB_TIMEOUT_S, "the character")
    yield from _pose(driver, rig)
    check_ticks(driver)


def _pose(driver: Driver, rig: bpy.types.Object) -> Steps:
    """Poses, Mirror, handles and Reset, from the panel."""
    yield from show_from_front(driver)
    rest = vertices(rig)
    yield from driver.click("Wave", "operator")
    yield from driver.wait_until(lambda: _farthest(rig, rest) > _MOVED_M, _SOON_S, "the pose")
    waving = vertices(rig)
    yield from driver.redraw()
    driver.shot("pose-wave")
    yield from driver.click("Mirror", "operator")
    yield from driver.wait_until(lambda: _farthest(rig, waving) > _MOVED_M, _SOON_S, "the mirrored pose")
    mirrored = vertices(rig)
    yield from driver.click("Handles (IK)", "label")
    yield from driver.wait_for("All Hands and Feet", _SOON_S)
    yield from driver.click("All Hands and Feet", "operator")
    yield from driver.wait_until(lambda: len(_handles(rig)) > 0, _SOON_S, "the handles")
    assert _farthest(rig, mirrored) < _STILL_M, "the character jumped when its handles were switched on"
    yield from driver.redraw()
    driver.shot("pose-handles")
    yield from driver.click("All Hands and Feet", "operator")
    yield from driver.wait_until(lambda: not _handles(rig), _SOON_S, "the end of the handles")
    assert _farthest(rig, mirrored) < _STILL_M, "the character jumped when its handles were switched off"
    yield from driver.scroll_up()
    yield from driver.click("Reset", "operator")
    yield from driver.wait_until(lambda: _farthest(rig, rest) < _STILL_M, _SOON_S, "rest")
    driver.shot("pose-reset")


def _handles(rig: bpy.types.Object) -> list[str]:
    """Those that are shown; the bones stay when they are switched off."""
    return [bone.name for bone in rig.data.bones if bone.get("figurine_role") == "handle" and not bone.hide]


def _farthest(rig: bpy.types.Object, positions: np.ndarray) -> float:
    """Metres that the vertex moved which moved most."""
    return float(np.linalg.norm(vertices(rig) - positions, axis=1).max())
