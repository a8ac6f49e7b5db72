# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does in the window, step by step; play.py runs these inside Blender.

Each scenario is a generator of pauses. Names that begin with an underscore are parts of scenarios.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from driver import PACKAGE, Driver, Steps, middle

# From a package registry, with a slow connection and a cold disk.
_INSTALL_TIMEOUT_S = 400
_START_TIMEOUT_S = 60
# The draft engine takes ten to thirty seconds on two cores.
_JOB_TIMEOUT_S = 150
_ANGLE_DEG = 50
_POSED_BONE = "lower_arm.L"
# Vertices that move less have not been posed.
_MOVED_M = 0.005


def fresh_user(driver: Driver, examples: str, blend: str) -> Steps:
    """From an add-on that was just switched on to a posed character, a saved file, and a job that is under way when
    Blender is closed.
    """
    driver.watch_addon()
    with _timed(driver, "open the tab"):
        yield from driver.open_tab()
    driver.shot("first-look")
    with _timed(driver, "delete the cube"):
        yield from delete_cube(driver)
    with _timed(driver, "allow online access"):
        yield from allow_online_access(driver)
    with _timed(driver, "install the server"):
        yield from install(driver)
    with _timed(driver, "start the server"):
        yield from driver.click("Start Server")
        yield from driver.wait_for("Server Running", _START_TIMEOUT_S)
    yield from driver.redraw()
    driver.shot("server-running")
    with _timed(driver, "choose a picture by its path"):
        yield from driver.enter(f"{examples}/adventurer.png", "picture")
        assert bpy.context.scene.figurine.picture == f"{examples}/adventurer.png", bpy.context.scene.figurine.picture
        yield 1.0
    driver.shot("picture")
    with _timed(driver, "generate and cancel"):
        yield from _cancel_a_job(driver)
    with _timed(driver, "drop a picture"):
        yield from drop(driver, f"{examples}/fox_kid.png")
    with _timed(driver, "generate, watch, import"):
        rig = yield from _finish_a_job(driver)
    with _timed(driver, "pose an arm"):
        yield from _pose(driver, rig)
    with _timed(driver, "save and open again"):
        yield from _save_and_open(driver, blend)
    with _timed(driver, "leave a job running"):
        yield from drop(driver, f"{examples}/robot.jpg", generate=True)  # as Add > Figurine… does
        yield from driver.wait_for("robot: running", _START_TIMEOUT_S)
    driver.shot("closing-with-a-job")
    check_ticks(driver)


def same_user_again(driver: Driver) -> Steps:
    """The next day, in the same file: the list is there, the job goes on as soon as the server runs, and its character
    arrives, by itself or offered.
    """
    driver.watch_addon()
    yield from driver.open_tab()
    yield from driver.wait_until(lambda: len(_jobs()) == 3, 10, "three jobs in the list")
    driver.shot("next-day")
    with _timed(driver, "start the server and get the job that was under way"):
        yield from driver.click("Start Server")
        arrival = _START_TIMEOUT_S + _JOB_TIMEOUT_S
        offer = "Import into This File"
        yield from driver.wait_until(lambda: _is_here("robot") or driver.shows(offer), arrival, "the job's end")
        if not _is_here("robot"):
            yield from driver.redraw()
            driver.shot("offered")
            yield from driver.click(offer, "operator")
        yield from driver.wait_until(lambda: _is_here("robot"), arrival, "the character of the job")
    yield from driver.redraw()
    driver.shot("re-attached")
    states = [job.state for job in _jobs()]
    assert states == ["done", "done", "cancelled"], states
    check_ticks(driver)


@contextlib.contextmanager
def _timed(driver: Driver, step: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    driver.log(f"STEP {step}: {time.monotonic() - start:.1f} s")


def _jobs() -> list:
    from bl_ext.user_default.figurine import runtime

    return list(runtime.current().snapshot.jobs)


def _is_here(name: str) -> bool:
    return any(job.name == name and job.is_imported for job in _jobs())


def armature() -> bpy.types.Object | None:
    """The first in the scene."""
    return next((item for item in bpy.context.scene.objects if item.type == "ARMATURE"), None)


def delete_cube(driver: Driver) -> Steps:
    """As every artist begins: the cube is selected, X, Enter."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("X")
    yield 0.5
    yield from driver.press("RET")
    yield 0.5
    driver.look_at("VIEW_3D", "UI")
    assert "Cube" not in bpy.context.scene.objects


def allow_online_access(driver: Driver) -> Steps:
    """Through Blender's own preferences, which the panel opens."""
    driver.recorder.watch(bpy.types.USERPREF_PT_system_network)
    yield from driver.click("Allow Online Access…", "operator")
    windows = bpy.context.window_manager.windows
    yield from driver.wait_until(lambda: len(windows) == 2, 10, "the preferences' window")
    driver.look_at("PREFERENCES", "WINDOW")
    yield 1.0
    yield from driver.redraw()
    yield from driver.click("use_online_access", "prop", share=0.1)
    yield from driver.wait_until(lambda: bpy.app.online_access, 5, "online access")
    driver.shot("online-access")
    with bpy.context.temp_override(window=driver.window):
        bpy.ops.wm.window_close()
    driver.look_at("VIEW_3D", "UI")
    yield 0.5
    yield from driver.redraw()


def install(driver: Driver) -> Steps:
    """Install Server, and wait for its end."""
    yield from driver.click("Install Server", "operator")
    yield from driver.wait_for("Installing the Server", 10)
    yield 5.0
    driver.shot("installing")
    yield 10.0
    driver.shot("installing-later")
    yield from driver.wait_until(lambda: not driver.shows("Installing the Server"), _INSTALL_TIMEOUT_S, "installed")
    yield from driver.redraw()
    driver.shot("installed")


def _cancel_a_job(driver: Driver) -> Steps:
    yield from driver.click("Generate", "operator")
    yield from driver.wait_for("adventurer: running", _START_TIMEOUT_S)
    driver.shot("to-be-cancelled")
    yield from driver.click("Cancel", "operator")
    driver.shot("cancelling")
    yield from driver.wait_for("adventurer: cancelled", 10)
    yield from driver.redraw()
    driver.shot("cancelled")


def drop(driver: Driver, path: str, **chosen: bool) -> Steps:
    """What Blender does when a file is let go over the sidebar: the drag itself cannot be simulated. chosen: what a
    menu entry sets beside the file.
    """
    handler = bpy.types.FIGURINE_FH_picture
    assert Path(path).suffix in handler.bl_file_extensions.split(";")
    operator = getattr(bpy.ops.figurine, handler.bl_import_operator.partition(".")[2])
    with bpy.context.temp_override(window=driver.window, area=driver.area, region=driver.region()):
        assert handler.poll_drop(bpy.context)
        folder, name = str(Path(path).parent), Path(path).name
        operator("INVOKE_DEFAULT", filepath=path, directory=folder, files=[{"name": name}], **chosen)
    yield 1.0
    assert bpy.path.abspath(bpy.context.scene.figurine.picture) == path
    yield from driver.redraw()
    driver.shot(f"dropped-{Path(path).stem}")


def _finish_a_job(driver: Driver) -> Steps:
    """Generate, and see the bar grow; the armature that arrives."""
    seen: list[float] = []

    def has_arrived() -> bool:
        bar = next((item for items in driver.recorder.items.values() for item in items if item.factor), None)
        if bar is not None and bar.factor not in seen:
            seen.append(bar.factor)
            driver.log(f"progress {bar.factor:.2f} “{bar.text}”")
            if len(seen) in (3, 8):
                driver.shot("progress")
        return armature() is not None

    yield from driver.click("Generate", "operator")
    yield from driver.wait_until(has_arrived, _JOB_TIMEOUT_S, "the character")
    assert len(seen) >= 4, f"the bar showed {seen} only"
    yield 1.0
    yield from driver.redraw()
    driver.shot("imported")
    return armature()


def switched_off(driver: Driver, picture: str) -> Steps:
    """The add-on is switched off in the middle of a job. Nothing of it is left, neither in Blender's next turn nor when
    its timer would have been due; Blender goes on.
    """
    driver.watch_addon()
    bpy.context.preferences.addons[PACKAGE].preferences.home = ""  # on a disk with space
    yield from driver.open_tab()
    bpy.context.scene.figurine.depth = 1.3  # nothing that is kept from the other scenarios fits
    yield from drop(driver, picture, generate=True)
    yield from driver.wait_for(f"{Path(picture).stem}: running", _START_TIMEOUT_S)
    tick = sys.modules[f"{PACKAGE}.pump"]._tick_safely
    assert bpy.app.timers.is_registered(tick)
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    assert not bpy.app.timers.is_registered(tick)
    yield 0.2  # in its next turn Blender takes an add-on's keys out of the user's key map
    for _ in range(2):
        assert not bpy.app.timers.is_registered(tick)
        left = _left_behind()
        assert not left, left
        yield 2.0
    driver.shot("switched-off")


def _left_behind() -> list[str]:
    """Classes, properties, key-map entries, handlers and threads of the add-on."""
    configurations = bpy.context.window_manager.keyconfigs
    entries = {
        item.idname if item.idname.startswith("figurine.") else getattr(item.properties, "name", "")
        for configuration in configurations
        for keymap in configuration.keymaps
        for item in keymap.keymap_items
    }
    handlers = [entry for name in dir(bpy.app.handlers) for entry in _list_of(getattr(bpy.app.handlers, name))]
    return [
        *(name for name in dir(bpy.types) if name.upper().startswith("FIGURINE")),
        *(
            f"{owner.__name__}.{name}"
            for owner in (bpy.types.Scene, bpy.types.WindowManager)
            for name in dir(owner)
            if name.startswith("figurine")
        ),
        *(name for name in entries if str(name).lower().startswith("figurine")),
        *(repr(handler) for handler in handlers if handler.__module__.startswith(PACKAGE)),
        *(thread.name for thread in threading.enumerate() if thread.name.startswith("figurine")),
    ]


def _list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def show_from_front(driver: Driver) -> Steps:
    """The front view, and in it what is selected, by their keys."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("NUMPAD_1")
    yield 0.6
    yield from driver.press("NUMPAD_PERIOD")
    yield 0.6
    driver.look_at("VIEW_3D", "UI")


def click_bone(driver: Driver, rig: bpy.types.Object, name: str) -> Steps:
    """Choose a bone where it is on the screen."""
    driver.look_at("VIEW_3D", "WINDOW")
    bone = rig.pose.bones[name]
    centre = rig.matrix_world @ ((bone.head + bone.tail) / 2)
    point = location_3d_to_region_2d(driver.region(), driver.area.spaces.active.region_3d, centre)
    yield from driver.click_at(driver.region().x + round(point.x), driver.region().y + round(point.y))
    assert bpy.context.active_pose_bone == bone, f"the click chose {bpy.context.active_pose_bone}"


def rotate(driver: Driver, degrees: int) -> Steps:
    """R, the angle, Enter: about the axis of the view."""
    yield from driver.press("R")
    yield 0.3
    for letter in str(degrees):
        key = "NUMPAD_MINUS" if letter == "-" else f"NUMPAD_{letter}"
        yield from driver.press(key, letter)
        yield 0.1
    yield 0.3
    yield from driver.press("RET")
    yield 0.5


def _pose(driver: Driver, rig: bpy.types.Object) -> Steps:
    """Pose Mode by its key, a bone by a click, R, an angle, Enter; then undo."""
    yield from show_from_front(driver)
    driver.shot("front-view")
    driver.look_at("VIEW_3D", "WINDOW")
    if rig.mode != "POSE":
        yield from driver.press("TAB", ctrl=True)
        yield 0.5
    assert rig.mode == "POSE", f"{rig.name} is in {rig.mode} mode"
    yield from click_bone(driver, rig, _POSED_BONE)
    rest = vertices(rig)
    yield from rotate(driver, _ANGLE_DEG)
    posed = vertices(rig)
    driver.shot("posed")
    moved = np.linalg.norm(posed - rest, axis=1) > _MOVED_M
    driver.log(f"{moved.sum()} of {len(moved)} vertices moved")
    angle = 2 * math.acos(min(1.0, abs(rig.pose.bones[_POSED_BONE].matrix_basis.to_quaternion().w)))
    assert abs(math.degrees(angle) - _ANGLE_DEG) < 0.5, math.degrees(angle)
    assert 0.002 < moved.mean() < 0.3, "an arm is a small part of a character"
    yield from driver.press("Z", ctrl=True)
    yield 0.5
    assert np.abs(vertices(armature()) - rest).max() < 1e-5, "undo did not bring the arm back"
    driver.look_at("VIEW_3D", "UI")


def vertices(rig: bpy.types.Object) -> np.ndarray:
    """The figure as it is posed: (V, 3) world, metres."""
    mesh = next(item for item in rig.children if item.type == "MESH")
    evaluated = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    positions = np.empty(3 * len(evaluated.data.vertices))
    evaluated.data.vertices.foreach_get("co", positions)
    return positions.reshape(-1, 3) @ np.array(mesh.matrix_world.to_3x3()).T + np.array(mesh.matrix_world.translation)


def _save_and_open(driver: Driver, blend: str) -> Steps:
    listed = [(job.key, job.state) for job in _jobs()]
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    yield 0.5
    bpy.ops.wm.read_homefile(app_template="")
    yield 1.0
    assert armature() is None
    bpy.ops.wm.open_mainfile(filepath=blend)
    yield 1.0
    yield from driver.open_tab()
    assert armature() is not None
    assert [(job.key, job.state) for job in _jobs()] == listed
    driver.shot("opened-again")


def check_ticks(driver: Driver) -> None:
    """How long the window stood still because of the add-on; test_window.py judges it."""
    worst, worst_import = max(driver.ticks_s), max(driver.imports_s)
    driver.log(
        f"PUMP {len(driver.ticks_s)} ticks, the longest {worst * 1000:.1f} ms; import {worst_import * 1000:.0f} ms"
    )
