# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asserted of Bake Voxel Animation inside Blender; test_voxelize.py runs them all in one process."""

from __future__ import annotations

import functools
import inspect
import math
import tempfile
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np

from blender_addon.figure import voxel_bake
from blender_addon.operators.bake_voxels import FIGURINE_OT_bake_voxels
from blender_addon.operators.voxel_options import VoxelOptions
from blender_addon.voxel.glow import Glow
from blender_addon.voxel.voxelize import VoxelSettings
from tests.integration.voxel_cases import SIZE, arm, choose

FRAMES = (1, 3, 5, 7)


def waving_arm() -> bpy.types.Object:
    """The limb, whose upper half bends by 80 degrees from frame 1 to 7."""
    limb, rig = arm()
    bone = rig.pose.bones["upper"]
    bone.rotation_mode = "XYZ"
    for frame, degrees in ((1, 0), (7, 80)):
        bone.rotation_euler.x = math.radians(degrees)
        bone.keyframe_insert("rotation_euler", frame=frame)
    bpy.context.scene.frame_set(2)
    choose(limb)
    return limb


def bake(**settings: object) -> bpy.types.Object:
    wanted = {"size": SIZE, "start": FRAMES[0], "end": FRAMES[-1], "step": 2} | settings
    assert bpy.ops.figurine.bake_voxels(**wanted) == {"FINISHED"}
    return bpy.context.object


def refusal(**settings: object) -> str:
    try:
        bake(**settings)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it was not refused")


def frames_of(carrier: bpy.types.Object) -> list[bpy.types.Object]:
    return sorted((item for item in carrier.children if item.type == "MESH"), key=lambda item: item.name)


def corners(item: bpy.types.Object) -> np.ndarray:
    return np.array([vertex.co for vertex in item.data.vertices])


def counts() -> dict[str, int]:
    kinds = ("objects", "meshes", "materials", "images", "actions", "collections")
    return {kind: len(getattr(bpy.data, kind)) for kind in kinds}


def case_a_bake_shows_one_object_at_a_time() -> None:
    limb = waving_arm()
    carrier = bake()
    frames = frames_of(carrier)
    assert [item.name for item in frames] == [f"{limb.name} Voxels {frame:04d}" for frame in FRAMES]
    scene = bpy.context.scene
    assert scene.frame_current == 2
    for current in range(-3, 12):
        scene.frame_set(current)
        shown = [item for item in frames if not item.hide_viewport]
        assert shown == [item for item in frames if not item.hide_render]
        assert len(shown) == 1
        expected = max([frame for frame in FRAMES if frame <= current], default=FRAMES[0])
        assert shown[0].name.endswith(f"{expected:04d}")
    assert limb.hide_get()
    assert limb.hide_render


def case_all_frames_lie_on_one_lattice_and_follow_the_pose() -> None:
    waving_arm()
    frames = frames_of(bake())
    pitch = 8 / SIZE
    origin = corners(frames[0]).min(0)
    for item in frames:
        places = (corners(item) - origin) / pitch
        np.testing.assert_allclose(places, np.round(places), atol=1e-3)
    tops = [corners(item)[:, 2].max() for item in frames]
    assert tops == sorted(tops, reverse=True)
    assert tops[0] > tops[-1] + 2
    reach = [np.ptp(corners(item)[:, 1]) for item in frames]
    assert reach[-1] > reach[0] + 2


def case_colours_and_palette_are_the_same_in_every_frame() -> None:
    waving_arm()
    frames = frames_of(bake())
    assert len({item.active_material for item in frames}) == 1
    used = []
    for item in frames:
        assert not item.data.validate()
        uv = np.empty(2 * len(item.data.loops), np.float32)
        item.data.uv_layers.active.data.foreach_get("uv", uv)
        used.append({tuple(place) for place in np.round(uv.reshape(-1, 2), 4).tolist()})
    assert len(used[0]) == 2
    assert all(colours == used[0] for colours in used)


def case_a_second_bake_takes_the_place_of_the_first() -> None:
    limb = waving_arm()
    carrier = bake()
    carrier.location.x = 3
    note = bpy.data.objects.new("the artist's own", None)
    carrier.users_collection[0].objects.link(note)
    before = counts()
    again = bake(size=SIZE // 2)
    assert again == carrier
    assert again.location.x == 3
    assert counts() == before
    assert note.users_collection == carrier.users_collection
    assert limb.hide_get()
    places = corners(frames_of(again)[0])
    places = (places - places.min(0)) / (2 * 8 / SIZE)
    np.testing.assert_allclose(places, np.round(places), atol=1e-3)
    shorter = bake(end=3)
    assert len(frames_of(shorter)) == 2
    assert counts()["actions"] == before["actions"] - 2


def case_one_undo_takes_the_bake_back() -> None:
    name = waving_arm().name
    bpy.ops.ed.undo_push(message="before")
    before = counts()
    assert bpy.ops.figurine.bake_voxels("EXEC_DEFAULT", True, size=SIZE, start=1, end=3) == {"FINISHED"}
    assert counts()["objects"] == before["objects"] + 4
    bpy.ops.ed.undo()
    assert counts()["objects"] == before["objects"]
    assert not bpy.data.objects[name].hide_get()
    assert not bpy.data.objects[name].hide_render


def case_a_bake_that_is_given_up_leaves_nothing() -> None:
    limb = waving_arm()
    before = counts()
    choice = voxel_bake.Choice(limb, ())
    made = voxel_bake.VoxelBake(bpy.context, choice, VoxelSettings(SIZE), Glow())
    made.add_frame(bpy.context, 1)
    made.add_frame(bpy.context, 5)
    assert counts()["meshes"] == before["meshes"] + 2
    made.give_up()
    assert counts() == before
    assert bpy.context.scene.frame_current == 2


def default_of(declared: object) -> object:
    """What Blender gives a property that nobody has set."""
    given = declared.keywords
    if "items" in given:
        return given["items"][0][0]
    return given.get("default", {"StringProperty": "", "BoolProperty": False}.get(declared.function.__name__, 0))


def watched(**options: object) -> tuple[SimpleNamespace, SimpleNamespace, list[object]]:
    """The operator as a window runs it, a context, and what it did to the window: Blender makes none without one."""
    done: list[object] = []
    manager = SimpleNamespace(
        progress_begin=lambda *_: None,
        progress_end=lambda: None,
        event_timer_add=lambda *_, **__: "timer",
        event_timer_remove=done.append,
        modal_handler_add=lambda _: None,
    )
    names = ("object", "scene", "mode", "view_layer", "selected_objects", "evaluated_depsgraph_get")
    context = SimpleNamespace(**{name: getattr(bpy.context, name) for name in names})
    context.window_manager, context.window = manager, None
    context.workspace = SimpleNamespace(status_text_set=done.append)
    operator = SimpleNamespace(report=lambda kind, text: done.append(text))
    chosen = {name: default_of(value) for name, value in VoxelOptions.__annotations__.items()}
    vars(operator).update(chosen | {"size": SIZE, "start": 1, "end": 7, "step": 2} | options)
    for kind in (VoxelOptions, FIGURINE_OT_bake_voxels):
        for name, value in vars(kind).items():
            if inspect.isfunction(value):
                setattr(operator, name, functools.partial(value, operator))
    return operator, context, done


def case_in_a_window_every_tick_makes_a_frame() -> None:
    limb = waving_arm()
    operator, context, done = watched()
    operator._begin(context)
    assert operator._wait(context) == {"RUNNING_MODAL"}
    tick, ticks = SimpleNamespace(type="TIMER"), 0
    assert operator.modal(context, SimpleNamespace(type="A")) == {"RUNNING_MODAL"}
    while operator.modal(context, tick) == {"RUNNING_MODAL"}:
        ticks += 1
    assert ticks == 1 + len(FRAMES)
    assert "Bake: frame 2 of 4   Esc: Cancel" in done
    assert done[-2:] == ["timer", None]
    assert len(frames_of(bpy.context.object)) == len(FRAMES)
    assert limb.hide_get()


def case_escape_ends_a_bake_and_leaves_nothing() -> None:
    limb = waving_arm()
    before = counts()
    operator, context, done = watched()
    operator._begin(context)
    operator._wait(context)
    for _ in range(3):
        assert operator.modal(context, SimpleNamespace(type="TIMER")) == {"RUNNING_MODAL"}
    assert counts() != before
    assert operator.modal(context, SimpleNamespace(type="ESC")) == {"CANCELLED"}
    assert counts() == before
    assert bpy.context.scene.frame_current == 2
    assert not limb.hide_get()
    assert done[-3:] == ["timer", None, "The bake was cancelled; nothing has changed."]


def case_what_goes_away_during_a_bake_ends_it() -> None:
    limb = waving_arm()
    operator, context, done = watched()
    operator._begin(context)
    operator._wait(context)
    operator.modal(context, SimpleNamespace(type="TIMER"))
    bpy.data.objects.remove(limb)
    assert operator.modal(context, SimpleNamespace(type="TIMER")) == {"CANCELLED"}
    assert any("not there any more" in str(word) for word in done)
    assert done[-2:] == ["timer", None]


def case_what_is_too_large_or_makes_no_sense_is_refused_and_leaves_nothing() -> None:
    limb = waving_arm()
    before = counts()
    assert "before the first" in refusal(start=5, end=4)
    former, voxel_bake.MOST_FACES = voxel_bake.MOST_FACES, 300
    try:
        assert "more than 300 faces by frame" in refusal()
    finally:
        voxel_bake.MOST_FACES = former
    assert counts() == before
    assert bpy.context.scene.frame_current == 2
    assert not limb.hide_get()
    build = limb.modifiers.new("Build", "BUILD")
    build.frame_duration = 6
    assert "changes the number of its vertices" in refusal()
    assert counts() == before
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.figurine.bake_voxels.poll()


def case_frames_are_exported_and_come_back() -> None:
    waving_arm()
    frames = frames_of(bake())
    faces = [len(item.data.polygons) for item in frames]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "bake.glb")
        bpy.ops.export_scene.gltf(filepath=path, export_animations=False)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.import_scene.gltf(filepath=path)
    found = sorted((item for item in bpy.data.objects if "Voxels 0" in item.name), key=lambda item: item.name)
    assert [len(item.data.polygons) for item in found] == [2 * count for count in faces]
