# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports from the window, through Blender's file browser; play.py runs this inside Blender. No server is needed."""

from __future__ import annotations

from pathlib import Path

import bpy
from driver import Driver, Steps, middle
from steps import armature, delete_cube, show_from_front, vertices

_SOON_S = 60
_TARGETS = {"UNITY": ".fbx", "UNREAL": ".fbx", "GODOT": ".glb", "VRM": ".vrm", "GLTF": ".glb"}


def by_clicks(driver: Driver, figure: str, folder: str) -> Steps:
    """A posed figure for each program and for printing; then a file of each kind comes back into the scene."""
    driver.watch_addon()
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
    yield from delete_cube(driver)
    with bpy.context.temp_override(window=driver.window):
        bpy.ops.import_scene.gltf(filepath=figure)
    rig = armature()
    bpy.context.view_layer.objects.active = rig
    yield from driver.open_tab()
    with bpy.context.temp_override(window=driver.window):
        bpy.ops.figurine.apply_pose(pose="wave")
    yield from show_from_front(driver)
    yield from driver.redraw()
    driver.shot("output-posed")
    before, seen = _state(), vertices(rig)
    for target in _TARGETS:
        yield from _export(driver, Path(folder) / target, bpy.ops.figurine.export_figure, target=target, author="Me")
    yield from _export(driver, Path(folder) / "PRINT", bpy.ops.figurine.export_print, format="STL", detail=0.8)
    assert _state() == before, (_state(), before)
    assert abs(vertices(rig) - seen).max() == 0
    yield from _import_again(driver, Path(folder))


def _export(driver: Driver, folder: Path, operator: object, **settings: object) -> Steps:
    """Invoke, choose the folder, Enter."""
    folder.mkdir()
    driver.look_at("VIEW_3D", "WINDOW")
    with bpy.context.temp_override(window=driver.window, area=driver.area, region=driver.region()):
        operator("INVOKE_DEFAULT", **settings)
    yield from driver.wait_until(_browser, _SOON_S, "the file browser")
    yield 1.0
    driver.look_at("FILE_BROWSER", "WINDOW")
    _browser().params.directory = f"{folder}/".encode()
    yield 1.0
    driver.shot(f"output-{folder.name.lower()}")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("RET")
    yield from driver.wait_until(
        lambda: not _browser() and list(folder.iterdir()), _SOON_S, f"the file of {folder.name}"
    )
    driver.look_at("VIEW_3D", "UI")


def _import_again(driver: Driver, folder: Path) -> Steps:
    with bpy.context.temp_override(window=driver.window):
        for item in list(bpy.context.scene.objects):
            bpy.data.objects.remove(item)
        files = {path.parent.name: str(path) for path in folder.glob("*/*")}
        bpy.ops.import_scene.fbx(filepath=files["UNITY"])
        bpy.ops.import_scene.gltf(filepath=files["VRM"])
        bpy.ops.wm.stl_import(filepath=files["PRINT"], global_scale=0.017)
        rigs = [item for item in bpy.context.scene.objects if item.type == "ARMATURE"]
        assert len(rigs) == 2, rigs
        rigs[1].location.x, bpy.context.object.location.x = 1.6, -1.7
        bpy.ops.object.select_all(action="SELECT")
    yield from show_from_front(driver)
    yield from driver.redraw()
    driver.shot("output-imported-again")


def _browser() -> bpy.types.Space | None:
    areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]
    return next(
        (area.spaces.active for area in areas if area.type == "FILE_BROWSER" and area.spaces.active.params), None
    )


def _state() -> list[object]:
    """What an export has no business to change."""
    parts = (bpy.data.objects, bpy.data.meshes, bpy.data.armatures, bpy.data.actions, bpy.data.scenes)
    return [*([item.name for item in part] for part in parts), bpy.context.mode, bpy.context.scene.name]
