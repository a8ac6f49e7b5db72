# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does with a character once it is there, by real clicks. play.py runs this inside Blender."""

from __future__ import annotations

import itertools

import bpy
import numpy as np
from approval import prepare
from driver import Driver, Steps, middle
from steps import armature, check_ticks, delete_cube, drop, show_from_front, vertices

_JOB_TIMEOUT_S = 300
_SOON_S = 20
# A pose that moves no more than this is none.
_MOVED_M = 0.05
_STILL_M = 1e-3
_WALK_SHOTS = 8
_ELBOW = "lower_arm.L"
# Of the forearm, towards the hand.
_ELBOW_SHIFT = 0.3
# Of a weight.
_CHANGED = 0.2
# From the lower edge of a panel's last text to the middle of the next panel's header.
_HEADER_PX = 26


def by_clicks(driver: Driver, picture: str) -> Steps:
    """From a picture to a character that is posed, walks, and gets another elbow. The server is installed where it is
    not.
    """
    driver.watch_addon()
    yield from driver.open_tab()
    yield from delete_cube(driver)
    yield from prepare(driver)
    bpy.context.scene.figurine.texture_px = "1024"
    yield from drop(driver, picture)
    yield from driver.click("Generate", "operator")
    rig = yield from driver.wait_until(armature, _JOB_TIMEOUT_S, "the character")
    yield from _pose(driver, rig)
    yield from _animate(driver, rig)
    yield from _update_skin(driver, rig)
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


def _animate(driver: Driver, rig: bpy.types.Object) -> Steps:
    """A walk from the panel, played by the space bar, seen from the side."""
    yield from _open_panel(driver, "Bones", "Apply")
    bpy.context.scene.figurine_animation.humanoid = "walk"
    yield from driver.redraw()
    yield from driver.click("Apply", "operator")
    yield from driver.wait_until(lambda: rig.animation_data and len(rig.animation_data.nla_tracks), _SOON_S, "the clip")
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("NUMPAD_3")
    yield 0.6
    yield from driver.press("SPACE")
    scene, shapes = bpy.context.scene, []
    for shot in range(_WALK_SHOTS):
        seen = scene.frame_current
        yield from driver.wait_until(lambda seen=seen: scene.frame_current != seen, _SOON_S, "another frame")
        shapes.append(vertices(rig))
        driver.shot(f"walk-{shot}")
    assert driver.window.screen.is_animation_playing
    yield from driver.press("ESC")
    yield from driver.wait_until(lambda: not driver.window.screen.is_animation_playing, _SOON_S, "the end of the film")
    steps = [np.linalg.norm(after - before, axis=1).max() for before, after in itertools.pairwise(shapes)]
    assert max(steps) > _MOVED_M, f"nothing walks: {steps}"
    yield from driver.press("NUMPAD_1")
    yield 0.6
    driver.look_at("VIEW_3D", "UI")


def _update_skin(driver: Driver, rig: bpy.types.Object) -> Steps:
    """An elbow is moved in Edit Mode, and Update Skin has the skin follow; the clip stays."""
    clip = rig.animation_data.nla_tracks[0].strips[0].action
    before = _weights(rig, _ELBOW)
    driver.look_at("VIEW_3D", "WINDOW")
    yield from driver.hover(*middle(driver.region()))
    yield from driver.press("TAB")
    yield from driver.wait_until(lambda: rig.mode == "EDIT", _SOON_S, "Edit Mode")
    bone = rig.data.edit_bones[_ELBOW]
    bone.head = bone.head.lerp(bone.tail, _ELBOW_SHIFT)  # as a person does with G
    driver.look_at("VIEW_3D", "UI")
    yield from _open_panel(driver, "Clear", "Update Skin")
    driver.shot("elbow-moved")
    yield from driver.click("Update Skin", "operator")
    yield from driver.wait_until(lambda: _differ(before, _weights(rig, _ELBOW)), _JOB_TIMEOUT_S, "the new weights")
    assert rig.mode == "POSE" and rig.animation_data.nla_tracks[0].strips[0].action == clip
    yield from driver.redraw()
    driver.shot("skin-updated")


def _open_panel(driver: Driver, above: str, inside: str) -> Steps:
    """Click the header of a closed panel, which Blender draws: it is right below what the panel above it ends with."""
    left, bottom, right, _ = yield from driver.find(above)
    yield from driver.click_at((left + right) // 2, bottom - _HEADER_PX)
    yield from driver.redraw()
    yield from driver.wait_for(inside, _SOON_S)


def _weights(rig: bpy.types.Object, group: str) -> dict[int, float]:
    """By vertex, where it has any."""
    figure = next(child for child in rig.children if child.type == "MESH")
    index = figure.vertex_groups[group].index
    pairs = [(vertex.index, entry) for vertex in figure.data.vertices for entry in vertex.groups]
    return {vertex: entry.weight for vertex, entry in pairs if entry.group == index}


def _differ(before: dict[int, float], after: dict[int, float]) -> bool:
    return any(abs(before.get(vertex, 0.0) - after.get(vertex, 0.0)) > _CHANGED for vertex in {*before, *after})
