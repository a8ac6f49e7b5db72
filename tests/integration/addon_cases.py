# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asserted inside Blender; test_addon_ui.py runs each function in a fresh state of the add-on."""

from __future__ import annotations

import gc
import math
import os
import shlex
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from tests.integration.addon_contents import data_blocks, figure_of, weights_of
from tests.integration.addon_session import MODULE, Session
from tests.integration.project_python import project_python

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ADVENTURER = EXAMPLES / "adventurer.png"
SETTLE_S = 1.0


def armatures() -> list[bpy.types.Object]:
    """The figures of the file."""
    return [item for item in bpy.data.objects if item.type == "ARMATURE"]


def posed_vertices(rig: bpy.types.Object) -> np.ndarray:  # -> (V, 3)
    """The figure's vertices in the world as the armature bends it."""
    bpy.context.view_layer.update()
    evaluated = figure_of(rig).evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = np.empty(len(mesh.vertices) * 3, dtype=np.float32)
    mesh.vertices.foreach_get("co", points)
    matrix = np.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def from_picture_to_pose(session: Session) -> None:
    """Generate, wait, pose, undo, save, load: the whole way."""
    before = data_blocks()
    session.use_own_server()
    bpy.ops.ed.undo_push(message="Start")
    session.generate(ADVENTURER, engine="draft", texture_px="1024", enter_pose_mode=False)
    assert session.job().state in ("sending", "queued", "running")
    session.tick_until(lambda: len(armatures()) == 1)
    (rig,) = armatures()
    assert tuple(rig.scale) == (1, 1, 1) and tuple(rig.rotation_euler) == (0, 0, 0)
    _bend_the_left_arm(rig)
    target = session.folder / "posed.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(target))
    bpy.ops.wm.open_mainfile(filepath=str(target))
    assert len(armatures()) == 1
    assert armatures()[0].pose.bones["lower_arm.L"].rotation_euler.x > 0.9
    assert all(image.packed_file for image in bpy.data.images if image.source == "FILE")
    session.tick()
    assert session.job().state == "done"  # the list lived through the other file
    session.tick_until(lambda: session.job().is_imported)
    _undo_the_import(session, before)
    session.stop_server()


def _bend_the_left_arm(rig: bpy.types.Object) -> None:
    rest = posed_vertices(rig)
    bone = rig.pose.bones["lower_arm.L"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler.x = math.radians(60)
    moved_m = np.linalg.norm(posed_vertices(rig) - rest, axis=1)
    groups = figure_of(rig).vertex_groups.keys()
    bent = [groups.index(name) for name in (bone.name, *(child.name for child in bone.children_recursive))]
    follows = weights_of(figure_of(rig), groups)[:, bent].sum(axis=1)
    assert (moved_m[follows == 0] < 1e-6).all()
    assert (moved_m[follows > 0.5] > 1e-3).mean() > 0.9


def _undo_the_import(session: Session, before: dict[str, list[str]]) -> None:
    """In a fresh file the import of a result is one step back."""
    bpy.ops.wm.read_homefile()
    bpy.ops.ed.undo_push(message="Start")
    before = data_blocks()
    assert bpy.ops.figurine.import_job("EXEC_DEFAULT", True, key=session.now.focus) == {"FINISHED"}
    assert len(armatures()) == 1
    bpy.ops.ed.undo()
    assert data_blocks() == before
    assert not armatures()


def another_file_is_not_written_into(session: Session) -> None:
    """A result of a request from another file is offered and not imported."""
    session.use_own_server()
    session.generate(ADVENTURER, engine="draft", texture_px="1024")
    bpy.ops.wm.read_homefile()
    session.tick_until(lambda: any(message.offers_import for message in session.now.messages))
    assert not armatures()
    message = next(message for message in session.now.messages if message.offers_import)
    assert "another Blender file" in message.text
    assert bpy.ops.figurine.import_job(key=message.key) == {"FINISHED"}
    assert len(armatures()) == 1
    assert not session.now.messages
    session.stop_server()


def another_scene_is_not_written_into(session: Session) -> None:
    """A result goes into the scene where Generate was pressed; shown or not, one that was turned down can be had later.
    What comes while somebody poses leaves the pose alone. Rerun changes the body, and imports only on request.
    """
    session.use_own_server()
    session.generate(ADVENTURER, engine="draft", texture_px="1024")
    first, second = bpy.context.scene, bpy.data.scenes.new("Second")
    bpy.context.window.scene = second
    session.tick_until(lambda: any(message.offers_import for message in session.now.messages))
    (message,) = (message for message in session.now.messages if message.offers_import)
    assert f"the scene {first.name}" in message.text
    bpy.ops.figurine.dismiss(number=message.number)
    key = session.now.focus
    _settle(session)
    assert not session.job().is_imported and not armatures()
    assert bpy.ops.figurine.import_job(key=key, enter_pose_mode=True) == {"FINISHED"}
    (posed,) = armatures()
    assert posed.name in second.objects and posed.name not in first.objects
    session.tick_until(lambda: session.job().is_imported)
    _rerun_beside_the_pose(session, key, posed)
    session.stop_server()


def _rerun_beside_the_pose(session: Session, key: str, posed: bpy.types.Object) -> None:
    bpy.ops.ed.undo_push(message="Before")
    assert bpy.ops.figurine.rerun_job(key=key, stage="rig", kind="none", height=0.8) == {"FINISHED"}
    session.tick_until(lambda: len(armatures()) == 2)
    session.tick_until(lambda: session.job().is_imported)
    rerun = session.job()
    assert (rerun.settings["kind"], rerun.settings["height_m"]) == ("none", 0.8)
    assert [stage.stage for stage in rerun.stages if stage.reused][:2] == ["normalize", "geometry"]
    (fresh,) = (item for item in armatures() if item != posed)
    assert (bpy.context.mode, bpy.context.object) == ("POSE", posed)
    assert (fresh.mode, fresh.select_get(), len(fresh.data.bones)) == ("OBJECT", False, 1)
    name = posed.name
    bpy.ops.ed.undo()
    assert [item.name for item in armatures()] == [name]
    assert bpy.context.mode == "POSE"
    bpy.context.scene.figurine.import_when_done = False
    bpy.ops.figurine.rerun_job(key=key, stage="rig", kind="none", height=0.8, depth=1.5)
    session.tick_until(lambda: session.job() is not None and session.job().state == "done")
    _settle(session)
    assert session.job().settings["depth"] == 1.5
    assert len(armatures()) == 1 and not session.now.results
    _import_what_waits(session)


def _import_what_waits(session: Session) -> None:
    """What waits for the end of Edit Mode and is imported by hand does not come once more."""
    bpy.ops.object.mode_set(mode="EDIT")
    session.now.files[session.now.focus] = session.module("operators.common").file_mark(session.now)
    session.now.engine.fetch(session.now.focus)
    session.tick_until(lambda: "Object Mode or Pose Mode" in session.now.postponed)
    assert bpy.ops.figurine.import_job(key=session.now.focus) == {"FINISHED"}
    session.tick_until(lambda: session.job().is_imported)
    _settle(session)
    assert len(armatures()) == 2


def _settle(session: Session) -> None:
    """Let some time pass, for what must not happen."""
    end_s = time.monotonic() + SETTLE_S
    while time.monotonic() < end_s:
        session.tick()
        time.sleep(0.05)


def cancelled(session: Session) -> None:
    """Cancel ends a job; Retry brings it back, also where the server was stopped meanwhile."""
    session.use_own_server()
    session.generate(ADVENTURER, engine="draft", depth=1.2, import_when_done=False)  # of which no stage is known
    session.tick_until(lambda: session.job().state == "running")
    bpy.ops.figurine.cancel(key=session.now.focus)
    session.tick_until(lambda: session.job().state == "cancelled", 10)
    assert not bpy.ops.figurine.cancel.poll()
    session.stop_server()
    session.tick_until(lambda: session.now.snapshot.server.state != "running")
    bpy.ops.figurine.retry_job(key=session.now.focus)  # starts the server
    session.tick_until(lambda: session.job().state == "done")
    assert not armatures()
    assert bpy.ops.figurine.delete_job(key=session.now.focus) == {"FINISHED"}
    session.tick_until(lambda: session.job() is None)
    session.stop_server()


def cancelled_before_the_server_runs(session: Session) -> None:
    """A request is in the list at once; Cancel and Delete need no server, and nothing of it is sent later."""
    session.preferences.command = shlex.join([sys.executable, "-c", "import sys; sys.stdin.read()"])
    session.now.start()
    session.tick()
    session.generate(ADVENTURER)
    session.tick_until(lambda: session.now.server_state == "starting")
    assert [job.state for job in session.now.snapshot.jobs] == ["sending"]
    assert bpy.ops.figurine.cancel(key=session.now.focus) == {"FINISHED"}
    session.tick_until(lambda: session.job().state == "cancelled", 5)
    assert bpy.ops.figurine.delete_job(key=session.now.focus) == {"FINISHED"}
    session.tick_until(lambda: not session.now.snapshot.jobs, 5)
    session.stop_server()


def switched_on_without_preferences(session: Session) -> None:
    """`blender --addons` enables it and writes no entry for its preferences: it runs with the defaults."""
    import addon_utils

    bpy.ops.preferences.addon_disable(module=MODULE)
    errors: list[Exception] = []
    assert addon_utils.enable(MODULE, default_set=False, handle_error=errors.append) is not None
    assert not errors
    assert MODULE not in bpy.context.preferences.addons
    session.tick()
    assert session.now.choices.is_managed and not session.now.choices.keep_running
    addon_utils.disable(MODULE)


def pause_and_continue(session: Session) -> None:
    """A job waits where it was told to, and goes on at Continue."""
    session.use_own_server()
    session.generate(ADVENTURER, engine="draft", texture_px="1024", pause_after="geometry", import_when_done=True)
    session.tick_until(lambda: session.job().state == "waiting")
    assert [stage.stage for stage in session.job().stages] == ["normalize", "geometry"]
    bpy.ops.figurine.resume_job(key=session.now.focus)
    session.tick_until(lambda: len(armatures()) == 1)
    session.stop_server()


def switched_on_and_off(session: Session) -> None:
    """Five times on and off: nothing stays, nothing grows."""
    session.use_own_server()
    session.generate(ADVENTURER, engine="draft", depth=1.3, import_when_done=False)  # of which no stage is known
    session.tick_until(lambda: session.job().state == "running")
    bpy.ops.preferences.addon_disable(module=MODULE)
    first = _traces()
    assert not first["classes"] and not first["handlers"] and not first["threads"], first
    for _ in range(5):
        bpy.ops.preferences.addon_enable(module=MODULE)
        assert len(_traces()["classes"]) > 20
        session.now.start()
        session.tick()
        bpy.ops.preferences.addon_disable(module=MODULE)
    assert _traces() == first
    bpy.ops.preferences.addon_enable(module=MODULE)


def _traces() -> dict[str, Any]:
    gc.collect()
    kinds = [name for name in dir(bpy.types) if name.upper().startswith("FIGURINE")]
    functions = [function for name in dir(bpy.app.handlers) for function in _functions(name)]
    return {
        "classes": kinds,
        "handlers": [function for function in functions if function.__module__.startswith(MODULE)],
        "threads": [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
        "operators": [name for name in dir(bpy.ops.figurine) if name != "idname"],
        "properties": [hasattr(bpy.types.Scene, "figurine"), hasattr(bpy.types.WindowManager, "figurine")],
        "files": sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd))
        if os.path.isdir("/proc/self/fd")
        else [],
        "menus": [
            len(menu._dyn_ui_initialize())
            for menu in (bpy.types.VIEW3D_MT_add, bpy.types.TOPBAR_MT_file_import, bpy.types.TOPBAR_MT_file_export)
        ],
    }


def _functions(name: str) -> list[Any]:
    found = getattr(bpy.app.handlers, name)
    return found if isinstance(found, list) else []


def _is_open(descriptor: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{descriptor}")


def fifty_rounds(session: Session) -> None:
    """Generate, import and delete fifty times: the file holds what it held before."""
    session.use_own_server()
    counted: list[dict[str, list[str]]] = []
    for _ in range(50):
        session.generate(ADVENTURER, engine="draft", texture_px="1024")
        session.tick_until(lambda: len(armatures()) == 1)
        session.tick_until(lambda: session.job().is_imported)
        for item in [armatures()[0], *armatures()[0].children]:
            bpy.data.objects.remove(item)
        bpy.data.orphans_purge(do_recursive=True)
        for collection in list(bpy.data.collections):
            if not collection.all_objects:
                bpy.data.collections.remove(collection)
        bpy.ops.figurine.delete_job(key=session.now.focus)
        session.tick_until(lambda: session.job() is None)
        counted.append(data_blocks())
    assert counted[-1] == counted[0], (counted[0], counted[-1])
    session.tick_until(lambda: not list(session.now.paths.jobs.rglob("figure.fbx")))  # files go after the list's row
    session.stop_server()


def from_the_command_line(session: Session) -> None:
    """`blender --command figurine`: the file is written, the server it started is gone, wrong use is told apart."""
    command = session.module("command_line")
    assert command.main([str(ADVENTURER), "-o", str(session.folder / "out.blend")]) == command.FAILED  # not installed
    session.preferences.command = shlex.join([project_python(), "-m", "inference_server", "serve"])
    target = session.folder / "out.blend"
    assert command.main([str(session.folder / "gone.png"), "-o", str(target)]) == command.UNUSABLE
    assert command.main([str(ADVENTURER)]) == command.UNUSABLE
    assert command.main([str(ADVENTURER), "-o", str(session.folder / "no/out.blend")]) == command.UNUSABLE
    (session.folder / "folder.blend").mkdir()
    assert command.main([str(ADVENTURER), "-o", str(session.folder / "folder.blend")]) == command.UNUSABLE
    if os.path.isdir("/proc/self"):  # where nobody may write, root included
        assert command.main([str(ADVENTURER), "-o", "/proc/self/out.blend"]) == command.UNUSABLE
    try:
        command._save(session.folder / "gone/out.blend")
    except Exception as error:
        assert type(error).__name__ == "OutputUnwritable", error
    else:
        raise AssertionError("It was saved into a folder that does not exist.")
    assert not target.exists() and session.now.focus is None
    arguments = [str(ADVENTURER), "-o", str(target), "--engine", "draft", "--height", "1.2", "--name", "Kit"]
    assert command.main(arguments) == command.DONE
    assert session.now.server_state == "stopped"
    bpy.ops.wm.open_mainfile(filepath=str(target))
    (rig,) = armatures()
    assert rig.name.startswith("Kit")
    assert abs(posed_vertices(rig)[:, 2].max() - 1.2) < 0.01
    blank = bpy.data.images.new("blank", 64, 64)
    blank.filepath_raw, blank.file_format = str(session.folder / "blank.png"), "PNG"
    blank.save()
    assert command.main([str(session.folder / "blank.png"), "-o", str(target)]) == command.UNUSABLE
    errors = session.module("errors")
    session.now.messages = []
    session.now.complain(errors.DiskFull("/there"), "the job of somebody else")
    session.now.complain(errors.JournalDamaged("/there/jobs-damaged.json"))
    command._raise_problem(session.now, None)
    session.now.complain(errors.DiskFull("/here"))
    try:
        command._raise_problem(session.now, None)
    except errors.FigurineError as error:
        assert "/here" in error.message
    else:
        raise AssertionError("An error that concerns everything was passed over.")
