# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel offers about skeletons, asserted inside Blender; test_addon_ui.py runs each function."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

from tests.integration.addon_panel_cases import URL, all_text, reason, show
from tests.integration.addon_session import Session


def a_rigged_mesh_asks(session: Session) -> None:
    """Three answers, each a new job from the same mesh."""
    errors, views, now = session.module("errors"), session.module("jobs.views"), session.now
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    session.preferences.command = "figurine serve"
    session.tick()
    base = views.JobView("k1", "failed", "fox", job_id="a" * 32, number=3)
    words = errors.ServerWords("AlreadyRigged", "It has a rig already.", "Keep or replace it.", False)
    asking = dataclasses.replace(base, state="failed", stages=(), error=errors.JobFailed(words))
    for focus in ("k1", None):
        show(session, server=running, jobs=(asking,), focus=focus)
        text = all_text()
        for part in (words.message, words.hint, "[Keep]", "[Keep Bones]", "[Replace]"):
            assert text.count(part) == 1, (focus, part, text)
        assert "[Other Picture]" not in text
    ordered: list[Any] = []
    engine = now.engine
    now.engine = SimpleNamespace(rerun=lambda *order: ordered.append(order) or "k2")
    try:
        for choice in ("keep", "reweigh", "replace"):
            assert bpy.ops.figurine.settle_rig(key="k1", choice=choice) == {"FINISHED"}
            assert now.focus == "k2"
    finally:
        now.engine = engine
    assert ordered == [("k1", "rig", {"existing_rig": choice}, None, True) for choice in ("keep", "reweigh", "replace")]
    show(session, server=running, jobs=(dataclasses.replace(base, state="cancelled"),), focus="k1")
    assert "rigged already" in reason(bpy.ops.figurine.settle_rig)


def the_neural_rig_has_its_settings(session: Session) -> None:
    """Where it may run, folded away under Advanced; what was chosen is sent."""
    views = session.module("jobs.views")
    both = views.ServerView("running", URL, "0.1.0", ("draft", "neural"), True)
    for engine, server, is_shown in (
        ("auto", both, True),
        ("neural", both, True),
        ("draft", both, False),
        ("auto", dataclasses.replace(both, engines=("draft",)), False),
    ):
        session.request.engine = engine
        show(session, server=server)
        text = all_text()
        assert ("Skeleton Tries" in text) == ("Weights" in text) == is_shown, (engine, text)
    session.request.engine, session.request.beams, session.request.skin = "auto", 1, "draft"
    settings = session.module("job_settings").settings_document(session.request.wishes(), Path("fox.png"))
    assert (settings["beams"], settings["skin"]) == (1, "draft")


def meshes_that_are_sent_leave_the_picture_alone(session: Session) -> None:
    """However often a mesh is rigged: the picture that the scene shows stays; what no job took does not pile up."""
    now = session.now
    session.preferences.command = "figurine serve"
    session.tick()
    chosen = bpy.data.images.new("Painted", 4, 4)
    picture = session.module("pictures").image_file(chosen, now.paths.pictures)
    session.request.picture = str(picture)
    bpy.ops.mesh.primitive_cube_add()
    written: list[Path] = []
    engine = now.engine
    now.engine = SimpleNamespace(generate=lambda request: written.append(request.mesh()) or "k1")
    try:
        for _ in range(25):
            assert bpy.ops.figurine.rig_mesh() == {"FINISHED"}
    finally:
        now.engine = engine
    assert len(set(written)) == 25 and written[-1].is_file()
    assert not written[0].exists(), "what no job took goes"
    assert picture.is_file(), "the scene shows it"
