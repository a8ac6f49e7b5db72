# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Correct panel does, asserted inside Blender with a real draft server; test_rerig.py runs it."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import bpy
import numpy as np

from tests.integration.addon_cases import EXAMPLES
from tests.integration.addon_contents import figure_of, weights_of
from tests.integration.addon_panel_cases import reason
from tests.integration.addon_session import Session
from tests.integration.layout_recorder import draw

LONGEST_PRESS_S = 2.0  # generous: machines that run tests are busy


def correct_a_generated_figure(session: Session) -> None:
    """A figure is generated; its elbow moved; weights come back; it is rigged anew; candidates are compared."""
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    session.use_own_server()
    assert "Select a figure, or its armature." in reason(bpy.ops.figurine.update_skin)
    assert "Nothing stands beside this figure." in reason(bpy.ops.figurine.keep_candidate)
    session.generate(EXAMPLES / "fox_kid.png", engine="auto", texture_px="1024", at_cursor=False)
    session.tick_until(lambda: session.job().is_imported)
    rig = bpy.context.view_layer.objects.active
    rig = _update_skin(session, rig)
    _refuse_what_has_no_chance(session)
    _compare(session, rig)
    _upgrade(session, rig)
    _rig_anew(session, rig)
    session.stop_server()


def _finished(session: Session, before: Any) -> None:
    session.tick_until(lambda: session.now.focus != before and session.job() is not None)
    session.tick_until(lambda: session.job().is_imported or session.job().state == "failed")
    assert session.job().state == "done", session.job()


def _update_skin(session: Session, rig: bpy.types.Object) -> bpy.types.Object:
    """Pressed in Edit Mode; the pose stays, the weights are others, and undo takes them back alone. The armature, which
    is another one to Python after undo.
    """
    figure, before = figure_of(rig), session.now.focus
    names = [bone.name for bone in rig.data.bones]
    old = weights_of(figure, names)
    rig.pose.bones["head"].rotation_mode = "XYZ"
    rig.pose.bones["head"].rotation_euler = (0.2, 0.1, 0.0)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = rig.data.edit_bones
    bones["lower_arm.L"].head = bones["lower_arm.L"].head.lerp(bones["lower_arm.L"].tail, 0.4)
    assert rig.name in draw("FIGURINE_PT_correct").text
    start_s = time.perf_counter()
    assert bpy.ops.figurine.update_skin() == {"FINISHED"}
    assert time.perf_counter() - start_s < LONGEST_PRESS_S
    assert bpy.context.mode == "POSE"
    _finished(session, before)
    assert bpy.context.mode == "POSE" and bpy.context.object == rig
    assert abs(rig.pose.bones["head"].rotation_euler.x - 0.2) < 1e-6
    new = weights_of(figure, names)
    assert np.abs(new - old).max() > 0.5 and np.abs(new.sum(axis=1) - 1).max() < 1e-3
    assert rig["figurine_skin_job"] == session.job().job_id != rig["figurine_job"]
    assert "Update Skin makes a new one" in session.module("job_actions").rerun_obstacle(session.job())
    name, elbow = rig.name, tuple(rig.data.bones["lower_arm.L"].head_local)
    for step, wanted in ((bpy.ops.ed.undo, old), (bpy.ops.ed.redo, new)):
        step()
        rig = bpy.data.objects[name]
        assert np.abs(weights_of(figure_of(rig), names) - wanted).max() < 1e-6
        assert tuple(rig.data.bones["lower_arm.L"].head_local) == elbow
    return rig


def _refuse_what_has_no_chance(session: Session) -> None:
    for stage, what in (("rig", "skeleton"), ("texture", "texture"), ("shape", "shape")):
        said = reason(getattr(bpy.ops.figurine, f"another_{stage}"))
        assert f"Its {what} is a draft, and has no chance in it" in said, said
    session.tick_until(lambda: getattr(session.now.snapshot.server.compute, "devices", ()))
    said = reason(bpy.ops.figurine.upgrade)
    assert "The server " in said and (
        "no GPU" in said or "lacks weights" in said or "without the neural engine" in said
    ), said
    snapshot = session.now.snapshot
    before = dataclasses.replace(snapshot.server, compute=None)  # a server of before, which tells its weights alone
    session.now.snapshot = dataclasses.replace(snapshot, server=before)
    said = reason(bpy.ops.figurine.upgrade)
    assert "The server lacks weights for it (birefnet-lite, step1x3d-geometry-label, " in said, said
    session.now.snapshot = snapshot
    text = draw("FIGURINE_PT_correct").text
    assert "[Upgrade to Neural] (grey)" in text and "Keep This One" not in text


def _compare(session: Session, rig: bpy.types.Object) -> None:
    """Another thickness of the same job beside it; that one is kept."""
    adopt = session.module("figure.adopt")
    made = next(job for job in session.now.snapshot.jobs if job.job_id == rig["figurine_job"])
    before = session.now.focus = made.key
    name, deep = rig.name, _depth(rig)
    assert bpy.ops.figurine.rerun_job(key=made.key, depth=1.6, stage="geometry", beside=True) == {"FINISHED"}
    _finished(session, before)
    (candidate,) = adopt.candidates_of(rig, bpy.context.scene)
    assert candidate.matrix_world.translation.x > rig.matrix_world.translation.x + 0.3
    assert "2 of 2" not in draw("FIGURINE_PT_correct").text and "1 of 2" in draw("FIGURINE_PT_correct").text
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = candidate
    assert "2 of 2" in draw("FIGURINE_PT_correct").text
    assert bpy.ops.figurine.keep_candidate("EXEC_DEFAULT", True) == {"FINISHED"}
    assert rig.name == name and _depth(rig) > 1.2 * deep
    assert not adopt.candidates_of(rig, bpy.context.scene) and rig["figurine_job"] == session.job().job_id


def _upgrade(session: Session, rig: bpy.types.Object) -> None:
    """The order is the neural engine's; the answer here is a draft of the draft server's, as any result would come."""
    now = session.now
    engine = now.engine
    ordered: list[Any] = []

    def rerun(key: str, stage: str, settings: Any, *more: Any) -> str:
        ordered.append((stage, dict(settings), *more))
        return str(engine.rerun(key, stage, {"engine": "draft", "depth": 0.6}, *more))

    before, name, deep = now.focus, rig.name, _depth(rig)
    rig.location = (1.0, 2.0, 0.0)
    server = dataclasses.replace(now.snapshot.server, compute=None)  # a server of before, whose weights nobody knows
    models = session.module("jobs.views").ModelsView()
    now.snapshot = dataclasses.replace(now.snapshot, server=server, models=models)
    assert "[Upgrade to Neural]" in draw("FIGURINE_PT_correct").lines
    real, now.engine = engine, _Wrapped(engine, rerun)
    try:
        assert bpy.ops.figurine.upgrade() == {"FINISHED"}
    finally:
        now.engine = real
    (order,) = ordered
    assert order[:4] == ("geometry", {"engine": "neural", "engines": {}}, None, True)
    assert (order[4].purpose, order[4].armature) == ("upgrade", rig.name)
    _finished(session, before)
    assert rig.name == name and tuple(rig.location) == (1.0, 2.0, 0.0) and _depth(rig) < 0.7 * deep
    assert [item.type for item in bpy.context.scene.objects].count("ARMATURE") == 1


class _Wrapped:
    def __init__(self, engine: Any, rerun: Any) -> None:
        self._engine, self.rerun = engine, rerun

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def _rig_anew(session: Session, rig: bpy.types.Object) -> None:
    """The same mesh without its bones."""
    figure, before = figure_of(rig), session.now.focus
    figure.parent = None
    figure.modifiers.clear()
    figure.vertex_groups.clear()
    bpy.data.objects.remove(rig)
    figure.select_set(True)
    bpy.context.view_layer.objects.active = figure
    assert f"{figure.name} has no bones yet" in draw("FIGURINE_PT_correct").text
    places = [tuple(vertex.co) for vertex in figure.data.vertices]
    assert bpy.ops.figurine.rig_mesh() == {"FINISHED"}
    _finished(session, before)
    assert [tuple(vertex.co) for vertex in figure.data.vertices] == places
    new = figure.modifiers["Armature"].object
    assert figure.parent == new and "upper_arm.L" in new.data.bones and new["figurine_job"] == session.job().job_id
    assert f"{figure.name} is bound to {new.name} already" in reason(bpy.ops.figurine.rig_mesh)
    assert "Only a figure that was made from a picture" in reason(bpy.ops.figurine.another_rig)


def _depth(rig: bpy.types.Object) -> float:
    return float(np.ptp([vertex.co.y for vertex in figure_of(rig).data.vertices]))
