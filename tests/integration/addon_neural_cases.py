# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural figures in the panel, asserted inside Blender with a real server; test_neural_figure.py runs it."""

from __future__ import annotations

import json
import math
from typing import Any

import bpy
import numpy as np

from tests.integration.addon_contents import figure_of, weights_of
from tests.integration.addon_language_cases import make_rig
from tests.integration.addon_panel_cases import reason, reports, show
from tests.integration.addon_session import Session
from tests.integration.layout_recorder import draw
from tests.integration.project_python import ROOT

URL = "http://127.0.0.1:47110"
STAGES = ("normalize", "geometry", "texture", "rig")
PLACE, TURN_rad, HEAD_rad = (1.0, 2.0, 0.0), 0.6, 0.25
# Little work for tiny networks.
QUICK = {"texture_px": "1024", "texture_steps": 2, "steps": 4, "resolution": "128", "faces": 2000, "beams": 1}
NEURAL_TIMEOUT_S = 900.0  # the whole chain on a busy machine


def the_server_says_what_it_computes_on(session: Session) -> None:
    """The device is in the server's row, and why Upgrade is grey is what the server says of its stages."""
    documents, views = session.module("documents"), session.module("jobs.views")
    session.preferences.command = "figurine serve"
    session.tick()
    rig = make_rig("Draft")
    rig["figurine_job"] = "a" * 32
    for stage in STAGES:
        rig[f"figurine_stage_{stage}"] = "draft, version 1, seed 0"
    job = views.JobView("k", "done", "fox", job_id="a" * 32)
    cpu, card = documents.Device("cpu", "x86_64", 64 << 30), documents.Device("cuda", "NVIDIA RTX 4090", 24 << 30)

    def told(*devices: Any, **states: str) -> None:
        neural = [documents.NeuralStage(name, states.get(name, "ready"), "Why.", (f"w-{name}",)) for name in STAGES]
        compute = documents.Compute((*devices, cpu), tuple(neural))
        server = views.ServerView("running", URL, "0.1.0", ("draft", "neural"), True, compute=compute)
        show(session, server=server, jobs=(job,))

    told(card)
    assert "0.1.0 · NVIDIA RTX 4090, 24 GB" in draw("FIGURINE_PT_main").text
    assert "[Upgrade to Neural]" in draw("FIGURINE_PT_correct").lines
    told(card, texture="no_weights", rig="no_weights")
    said = reason(bpy.ops.figurine.upgrade)
    assert "The server lacks weights for it (w-texture, w-rig): download them under Models." in said, said
    told(geometry="no_gpu", texture="no_gpu", rig="no_weights", normalize="no_weights")
    assert "0.1.0 · No GPU: drafts only" in draw("FIGURINE_PT_main").text
    assert "The server has no GPU: shape and texture would take hours there." in reason(bpy.ops.figurine.upgrade)
    assert "[Upgrade to Neural] (grey)" in draw("FIGURINE_PT_correct").lines
    told(**dict.fromkeys(STAGES, "no_library"))
    assert "Without the neural engine: drafts only" in draw("FIGURINE_PT_main").text
    assert "The server was installed without the neural engine:" in reason(bpy.ops.figurine.upgrade)
    show(session, server=views.ServerView("running", URL, "0.1.0", ("draft", "neural"), True), jobs=(job,))
    assert "0.1.0 · draft + neural" in draw("FIGURINE_PT_main").text
    assert "[Upgrade to Neural]" in draw("FIGURINE_PT_correct").lines, "a server of before does not tell: it answers"
    _without_an_active_object()


def _without_an_active_object() -> None:
    """Correct tells what the selection is for, also where nothing is active, and nothing at all is there."""
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.context.view_layer.objects.active = None
    drawn = draw("FIGURINE_PT_correct").lines
    assert drawn[0] == f"{cube.name} has no bones yet" and "[Rig Selected Mesh]" in drawn, drawn
    cube.select_set(False)
    drawn = draw("FIGURINE_PT_correct").lines
    assert "Select a figure" in drawn[0] and "[Rig Selected Mesh] (grey)" in drawn, drawn


def upgrade_and_other_seeds(session: Session) -> None:
    """A draft is posed, moved and keyed; the networks' figure takes its place; others stand beside that."""
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    session.use_own_server()
    session.generate(ROOT / "examples" / "fox_kid.png", engine="draft", at_cursor=False, **QUICK)
    session.tick_until(lambda: session.job().is_imported)
    rig = bpy.context.view_layer.objects.active
    draft = _dress_up(rig)
    rig = _upgrade(session, rig, draft)
    for verb, reused in (
        ("rig", ("normalize", "geometry", "texture")),
        ("texture", ("normalize", "geometry")),
        ("shape", ("normalize",)),
    ):
        rig = _another(session, rig, verb, reused)
    session.stop_server()


def _dress_up(rig: bpy.types.Object) -> dict[str, Any]:
    """Named, placed, posed and keyed by the artist; what has to be the same afterwards."""
    rig.name, rig.location, rig.rotation_euler = "Hero", PLACE, (0.0, 0.0, TURN_rad)
    for name in ("upper_arm.L", "head"):
        rig.pose.bones[name].rotation_mode = "XYZ"
    for frame, angle in ((1, 0.0), (10, 0.7)):
        rig.pose.bones["upper_arm.L"].rotation_euler.x = angle
        rig.pose.bones["upper_arm.L"].keyframe_insert("rotation_euler", frame=frame)
    ear = next(bone for bone in rig.pose.bones if bone.name.startswith("extra_"))  # of which the networks know nothing
    ear.rotation_mode, ear.rotation_euler.x = "XYZ", 0.3
    bpy.context.scene.frame_set(10)
    rig.pose.bones["head"].rotation_euler.x = HEAD_rad
    return {
        "action": rig.animation_data.action,
        "own": ear.name,
        "mesh": figure_of(rig),
        "vertices": len(figure_of(rig).data.vertices),
        "names": (rig.name, rig.data.name, figure_of(rig).name),
    }


def _finished(session: Session, before: Any) -> Any:
    """The job that was ordered, once its result is in the scene."""
    session.tick_until(lambda: session.now.focus != before and session.job() is not None)
    session.tick_until(lambda: session.job().is_imported or session.job().state == "failed", NEURAL_TIMEOUT_S)
    assert session.job().state == "done", session.job()
    return session.job()


def _report(job: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((job.result / "report.json").read_text(encoding="utf-8"))
    return {entry["stage"]: entry for entry in document["stages"]} | {"engine": document["engine"]}


def _upgrade(session: Session, rig: bpy.types.Object, draft: dict[str, Any]) -> bpy.types.Object:
    session.tick_until(lambda: session.now.snapshot.server.compute.devices)
    text = draw("FIGURINE_PT_main").text
    assert "networks run on the processor" in text or _has_gpu(session), (text, session.now.snapshot.server)
    before = session.now.focus
    assert "[Upgrade to Neural]" in draw("FIGURINE_PT_correct").lines, reason(bpy.ops.figurine.upgrade)
    assert bpy.ops.figurine.upgrade() == {"FINISHED"}
    job = _finished(session, before)
    report = _report(job)
    assert [report[stage]["engine"] for stage in STAGES] == ["neural"] * 4
    assert all(report[stage]["weight_digests"] for stage in STAGES)
    text = draw("FIGURINE_PT_main").text
    assert text.count("neural ·") >= len(STAGES), text
    assert "Upgrade" not in draw("FIGURINE_PT_correct").text, "no part of it is a draft any more"
    assert (rig.name, rig.data.name, figure_of(rig).name) == draft["names"] and figure_of(rig) == draft["mesh"]
    assert tuple(rig.location) == PLACE and abs(rig.rotation_euler.z - TURN_rad) < 1e-6
    assert sorted(item.type for item in bpy.context.scene.objects) == ["ARMATURE", "MESH"]
    assert len(figure_of(rig).data.vertices) != draft["vertices"], "it is another mesh"
    _assert_bound(rig)
    assert rig.animation_data.action == draft["action"]
    turned = []
    for frame in (1, 10):
        bpy.context.scene.frame_set(frame)
        turned.append(rig.pose.bones["upper_arm.L"].matrix.to_quaternion().copy())
    assert abs(turned[0].rotation_difference(turned[1]).angle - 0.7) < 0.01, "the keys move the new bone"
    assert abs(rig.pose.bones["head"].rotation_euler.x - HEAD_rad) < 1e-6, "what was posed without a key, too"
    assert draft["own"] not in rig.data.bones
    told = [message.text for message in session.now.messages if "has other bones now" in message.text]
    assert len(told) == 1 and draft["own"] in told[0], session.now.messages
    return rig


def _has_gpu(session: Session) -> bool:
    return bool(session.now.snapshot.server.compute.devices[0].kind != "cpu")


def _assert_bound(rig: bpy.types.Object) -> None:
    """Every vertex follows bones that are there."""
    figure = figure_of(rig)
    names = [bone.name for bone in rig.data.bones]
    assert np.abs(weights_of(figure, names).sum(axis=1) - 1).max() < 1e-3
    assert all(math.isfinite(number) for corner in figure.bound_box for number in corner)
    (modifier,) = (item for item in figure.modifiers if item.type == "ARMATURE")
    assert modifier.object == rig


def _add_bone(rig: bpy.types.Object) -> str:
    """The artist's own, which is posed; its name."""
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = rig.data.edit_bones.new("cape")
    bone.head, bone.tail = (0.0, 0.2, 1.0), (0.0, 0.4, 0.8)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.pose.bones["cape"].location.x = 0.1
    return "cape"


def _another(session: Session, rig: bpy.types.Object, verb: str, reused: tuple[str, ...]) -> bpy.types.Object:
    """Another seed from a stage on: a candidate beside the figure, which is kept."""
    adopt = session.module("figure.adopt")
    stage = {"rig": "rig", "texture": "texture", "shape": "geometry"}[verb]
    seeds = {name: rig[f"figurine_stage_{name}"] for name in STAGES}
    before, name = session.now.focus, rig.name
    assert getattr(bpy.ops.figurine, f"another_{verb}")() == {"FINISHED"}
    job = _finished(session, before)
    report = _report(job)
    assert tuple(item for item in STAGES if report[item]["reused"]) == reused, report
    assert report[stage]["seed"] != 0 and f"seed {report[stage]['seed']}," not in seeds[stage]
    (candidate,) = adopt.candidates_of(rig, bpy.context.scene)
    assert f"seed {report[stage]['seed']}," in candidate[f"figurine_stage_{stage}"]
    assert [candidate[f"figurine_stage_{item}"] for item in reused] == [seeds[item] for item in reused]
    assert candidate.matrix_world.translation.x > rig.matrix_world.translation.x + 0.1
    _assert_bound(candidate)
    own = _add_bone(rig)
    bpy.context.view_layer.objects.active = candidate
    assert "2 of 2" in draw("FIGURINE_PT_correct").text
    with reports() as said:
        assert bpy.ops.figurine.keep_candidate("EXEC_DEFAULT", True) == {"FINISHED"}
    assert f"{name} has other bones now." in said.text and f"any more: {own}." in said.text, said.text
    assert rig.name == name and tuple(rig.location) == PLACE and rig.animation_data.action is not None
    assert f"seed {report[stage]['seed']}," in rig[f"figurine_stage_{stage}"] and rig["figurine_job"] == job.job_id
    assert not adopt.candidates_of(rig, bpy.context.scene)
    _assert_bound(rig)
    return rig
