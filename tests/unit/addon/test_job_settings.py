# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's fields become is what the server accepts."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.job_settings import (
    STEPS,
    NeuralBones,
    NeuralShape,
    Shape,
    Wishes,
    candidates_of,
    changed_settings,
    changed_treatment,
    chosen_candidate,
    safe_name,
    settings_document,
    shape_of,
    treatment_of,
)
from inference_server.core import settings as server

FOX = Path("/pictures/My Fox.png")


def test_what_is_automatic_is_left_out() -> None:
    document = settings_document(Wishes(), FOX)
    assert document == {
        "name": "My_Fox",
        "engine": "auto",
        "kind": "auto",
        "seed": 0,
        "depth": 1.0,
        "texture_px": 2048,
    }
    assert server.settings_from_document(document) == server.JobSettings(name="My_Fox")


def test_what_is_chosen_arrives() -> None:
    wishes = Wishes("Kit", "draft", "humanoid", 1.2000000476837158, 7, 0.5, 1024, "geometry")
    read = server.settings_from_document(settings_document(wishes, FOX))
    assert read == server.JobSettings(
        name="Kit",
        engine="draft",
        kind="humanoid",
        height_m=1.2,
        seed=7,
        depth=0.5,
        texture_px=1024,
        pause_after="geometry",
    )


def test_what_the_neural_engines_are_asked_arrives_and_its_defaults_are_the_servers() -> None:
    both = asdict(NeuralShape()) | asdict(NeuralBones())
    usual = {name: getattr(server.JobSettings(), name) for name in both}
    assert both == usual
    neural, bones = NeuralShape(10, 3.0, 256, 2000, "symmetric", "sharp", "fast", 4), NeuralBones(1, "draft")
    read = server.settings_from_document(settings_document(Wishes(neural=neural, bones=bones), FOX))
    assert {name: getattr(read, name) for name in usual} == asdict(neural) | asdict(bones)
    assert not set(usual) & settings_document(Wishes(), FOX).keys()


@pytest.mark.parametrize(
    ("settings", "candidate", "seeds"),
    [
        ({"seed": 7, "candidates": 4}, 2, {"geometry": 9}),
        ({"seed": 7, "seeds": {"geometry": 1, "rig": 3}}, 0, {"geometry": 1, "rig": 3}),
        ({"seed": 2**32 - 1}, 1, {"geometry": 0}),
        ({}, 1, {"geometry": 1}),
    ],
)
def test_the_chosen_shape_is_named_by_its_seed(settings: dict[str, Any], candidate: int, seeds: dict[str, int]) -> None:
    changes = chosen_candidate(settings, candidate)
    assert changes == {"seeds": seeds}
    assert server.settings_from_document({**settings, **changes}).seed_for("geometry") == seeds["geometry"]
    assert candidates_of(settings) == settings.get("candidates", 1)


@pytest.mark.parametrize(
    ("pose_edit", "editor", "mode", "is_sent"),
    [
        ("auto", "auto", None, False),
        ("off", "auto", "off", False),
        ("local", "local", "on", False),
        ("hosted", "hosted", "on", True),
    ],
)
def test_who_edits_the_pose_is_said_to_the_server(pose_edit: str, editor: str, mode: str | None, is_sent: bool) -> None:
    wishes = Wishes(pose_edit=pose_edit)
    read = server.settings_from_document(settings_document(wishes, FOX))
    assert (read.editor, read.normalize_steps.get("pose")) == (editor, mode)
    assert wishes.leaves_the_computer == is_sent


def test_the_ends_of_single_precision_ranges_are_accepted() -> None:
    smallest = 0.10000000149011612  # 0.1 as Blender stores it
    largest = 2.999999761581421
    for depth in (smallest, largest):
        server.settings_from_document(settings_document(Wishes(depth=depth), FOX))


@pytest.mark.parametrize(
    ("settings", "wanted", "changes"),
    [
        ({}, Shape(), {}),
        ({"kind": "humanoid", "height_m": 1.2, "depth": 0.5}, Shape("humanoid", 1.2000000476837158, 0.5), {}),
        ({"kind": "humanoid", "height_m": None}, Shape("quadruped"), {"kind": "quadruped"}),
        ({"height_m": 1.2}, Shape(height_m=0.0), {"height_m": None}),
        ({}, Shape("auto", 1.7000000476837158, 0.10000000149011612), {"height_m": 1.7, "depth": 0.1}),
    ],
)
def test_a_rerun_sends_what_differs_and_the_server_takes_it(
    settings: dict[str, object], wanted: Shape, changes: dict[str, object]
) -> None:
    assert changed_settings(shape_of(settings), wanted) == changes
    server.settings_from_document({**settings, **changes})


@given(st.text())
def test_names_are_made_safe_as_the_server_does_it(text: str) -> None:
    assert safe_name(text) == server.safe_name(text)


def test_what_is_not_changed_of_a_waiting_job_is_not_sent() -> None:
    for settings in (
        server.JobSettings(kind="bird", height_m=1.2, depth=0.7, engine="draft").to_document(),
        {"normalize": "off", "normalize_steps": {"background": "on"}, "editor": "local"},
    ):
        assert changed_treatment(settings, treatment_of(settings)) == {}


def test_a_change_keeps_what_was_chosen_beside_it() -> None:
    settings = {"engine": "auto", "engines": {"rig": "draft"}, "normalize": "off", "normalize_steps": {"tilt": "on"}}
    before = treatment_of(settings)
    assert before.steps == {step: "on" if step == "tilt" else "off" for step in STEPS}
    wanted = replace(before, engine="draft", editor="hosted", steps={**before.steps, "background": "auto"})
    assert changed_treatment(settings, replace(wanted, shape=Shape("bird"))) == {
        "kind": "bird",
        "engines": {"rig": "draft", "normalize": "draft"},
        "normalize_steps": {"tilt": "on", "background": "auto"},
        "editor": "hosted",
    }


def test_a_change_of_engine_and_body_is_one_that_the_server_takes() -> None:
    settings = server.JobSettings().to_document()
    wanted = replace(treatment_of(settings), engine="neural", shape=Shape("quadruped", 0.8, 1.5))
    read = server.settings_from_document({**settings, **changed_treatment(settings, wanted)})
    assert (read.engine_for("normalize"), read.engine_for("rig")) == ("neural", "auto")
    assert (read.kind, read.height_m, read.depth) == ("quadruped", 0.8, 1.5)
