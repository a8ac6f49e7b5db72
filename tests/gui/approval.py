# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits for the artist: its picture before and after, another one instead, Approve. play.py runs this inside
Blender.
"""

from __future__ import annotations

from typing import Any

import bpy
from driver import Driver, Steps
from steps import allow_online_access, armature, check_ticks, drop, install

_SOON_S = 20
_START_TIMEOUT_S = 90
_NORMALIZE_TIMEOUT_S = 90
_JOB_TIMEOUT_S = 200


def by_clicks(driver: Driver, picture: str, other: str) -> Steps:
    """From a picture to its approval; the server is installed where it is not."""
    driver.watch_addon()
    yield from driver.open_tab()
    yield from prepare(driver)
    bpy.context.scene.figurine.pause_after = "normalize"
    bpy.context.scene.figurine.texture_px = "1024"
    yield from drop(driver, picture)
    yield from driver.click("Generate", "operator")
    first = yield from driver.wait_until(_review, _START_TIMEOUT_S + _NORMALIZE_TIMEOUT_S, "before and after")
    yield from _look(driver, "approval")
    yield from driver.click("Change…", "operator")
    yield from driver.wait_for("Thickness", _SOON_S)
    yield 1.0
    driver.shot("approval-change")
    yield from driver.press("ESC")
    yield 1.0
    assert _job().state == "waiting"
    bpy.ops.figurine.replace_picture(key=_job().key, source="FILE", filepath=other)  # as the file browser does
    yield from driver.wait_until(lambda: _review() not in (None, first), _NORMALIZE_TIMEOUT_S, "the other picture")
    assert _job().state == "waiting" and armature() is None
    yield from _look(driver, "approval-other")
    yield from driver.click("Approve", "operator")
    yield from driver.wait_until(armature, _JOB_TIMEOUT_S, "the character that was approved")
    yield from driver.redraw()
    driver.shot("approved")
    check_ticks(driver)


def prepare(driver: Driver) -> Steps:
    """Install the server where it is not."""
    if driver.shows("Install Server"):
        yield from allow_online_access(driver)
        yield from install(driver)


def _look(driver: Driver, name: str) -> Steps:
    """The pictures, when Blender has read them for drawing."""
    yield 2.0
    yield from driver.redraw()
    yield from driver.find("Approve", "operator")  # scrolls to it
    yield 0.5
    driver.shot(name)


def _job() -> Any:
    from bl_ext.user_default.figurine import runtime

    return runtime.current().snapshot.jobs[0]


def _review() -> Any:
    from bl_ext.user_default.figurine import runtime

    jobs = runtime.current().snapshot.jobs
    return jobs[0].review if jobs else None
