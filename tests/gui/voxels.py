# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxelize by real clicks; play.py runs this inside Blender. No server is needed."""

from __future__ import annotations

import threading

import bpy
from driver import Driver, Steps, middle
from steps import rotate

_SOON_S = 20
_LONG_S = 120
# More than a moment on any machine, so that there is something to cancel.
_LARGE = 320
_SMALL = 12
_HEADER_PX = 14
_ANGLE_DEG = 30


def by_clicks(driver: Driver) -> Steps:
    """The button, another size in the redo panel, one step back; then a large figure that is cancelled, and one that is
    not; then the dialog that asks first, and a mesh that is alone in the view.
    """
    driver.watch_addon()
    yield from driver.open_tab()
    yield from _turn(driver)
    yield from driver.redraw()
    yield from driver.click("Voxelize", "operator")
    yield from driver.wait_until(_made, _SOON_S, "the voxels")
    assert _original().hide_get() and _original().hide_render
    yield 1.0
    yield from driver.redraw()
    driver.shot("voxelized")
    yield from _resize(driver)
    yield from _undo(driver)
    yield from _cancel(driver)
    yield from _watch(driver)
    yield from _undo(driver)
    yield from _ask(driver)
    yield from _in_local_view(driver)


def _original() -> bpy.types.Object:
    return bpy.context.scene.objects["Cube"]


def _made() -> bpy.types.Object | None:
    return bpy.context.scene.objects.get("Cube Voxels")


def _height_cells() -> int:
    """Voxels along the height; the shortest edge is one long."""
    points = [vertex.co for vertex in _made().data.vertices]
    pitch = min((points[a] - points[b]).length for a, b in (edge.vertices for edge in _made().data.edges))
    return round(_reach() / pitch)


def _reach() -> float:
    """The height of the voxels."""
    heights = [vertex.co.z for vertex in _made().data.vertices]
    return max(heights) - min(heights)


def _turn(driver: Driver) -> Steps:
    """Turn the cube in the view: its faces become stairs of voxels."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from rotate(driver, _ANGLE_DEG)
    assert any(abs(angle) > 0.1 for angle in _original().rotation_euler)
    driver.look_at("VIEW_3D", "UI")


def _resize(driver: Driver) -> Steps:
    """Another size in the panel of the last step, which is closed at first."""
    reach = _reach()
    driver.look_at("VIEW_3D", "HUD")
    region = driver.region()
    yield from driver.click_at(region.x + _HEADER_PX, region.y + region.height - _HEADER_PX)
    yield 1.0
    yield from driver.redraw()
    driver.shot("redo-panel")
    yield from driver.wait_until(lambda: driver.recorder.find("size"), _SOON_S, "the options of the last step")
    yield from driver.enter(str(_SMALL), "size")
    yield from driver.wait_until(lambda: _made() and _height_cells() == _SMALL, _SOON_S, "the other size")
    assert len([item for item in bpy.context.scene.objects if item.name.startswith("Cube Voxels")]) == 1
    assert _original().hide_get()
    assert abs(_reach() - reach) < 1e-4, "it does not stand as the mesh stood"
    driver.shot("another-size")
    driver.look_at("VIEW_3D", "UI")


def _undo(driver: Driver) -> Steps:
    """One step back: the mesh as before, and no voxels."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("Z", ctrl=True)
    yield from driver.wait_until(lambda: _made() is None, _SOON_S, "no voxels after one undo")
    assert not _original().hide_get() and not _original().hide_render
    assert bpy.context.view_layer.objects.active == _original()
    driver.look_at("VIEW_3D", "UI")
    driver.shot("undone")


def _invoke(driver: Driver, **settings: object) -> None:
    with bpy.context.temp_override(window=driver.window, area=driver.area, region=driver.region("WINDOW")):
        bpy.ops.figurine.voxelize("INVOKE_DEFAULT", **settings)


def _runs(driver: Driver) -> bool:
    return any(item.bl_idname == "FIGURINE_OT_voxelize" for item in driver.window.modal_operators)


def _cancel(driver: Driver) -> Steps:
    """Esc: at once, with nothing left behind."""
    before = {name: len(getattr(bpy.data, name)) for name in ("objects", "meshes", "materials", "images")}
    _invoke(driver, size=_LARGE)
    assert _runs(driver)
    yield 0.4
    driver.shot("voxelizing")
    yield from driver.press("ESC")
    yield 0.2
    assert not _runs(driver)
    assert {name: len(getattr(bpy.data, name)) for name in before} == before
    assert not _original().hide_get()
    threads = threading.enumerate
    yield from driver.wait_until(
        lambda: not any(thread.name == "figurine-voxels" for thread in threads()), _LONG_S, "the end of the thread"
    )


def _watch(driver: Driver) -> Steps:
    """The window lives on while a large figure is made."""
    _invoke(driver, size=_LARGE, palette="FIGURINE_16")
    assert _runs(driver)
    turns = 0
    while _runs(driver):
        turns += 1
        yield 0.1
    driver.log(f"{turns} turns of the main loop while it ran")
    assert turns > 3
    assert _made() is not None and _original().hide_get()


def _ask(driver: Driver) -> Steps:
    """The dialog, and Enter."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    _invoke(driver, size=_LARGE, ask=True)
    yield 1.0
    driver.shot("dialog")
    assert _made() is None
    yield from driver.press("RET")
    yield from driver.wait_until(_made, _LONG_S, "the voxels after the dialog")
    yield from _undo(driver)


def _in_local_view(driver: Driver) -> Steps:
    """The voxels are seen where only the mesh was."""
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("NUMPAD_SLASH")
    yield from driver.wait_until(lambda: driver.area.spaces.active.local_view, _SOON_S, "the local view")
    _invoke(driver, size=_SMALL)
    yield from driver.wait_until(_made, _SOON_S, "the voxels in the local view")
    assert _made().visible_in_viewport_get(driver.area.spaces.active)
    driver.look_at("VIEW_3D", "UI")
    yield 1.0
    yield from driver.redraw()
    driver.shot("local-view")
