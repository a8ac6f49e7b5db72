# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a subject is edited, by whom, and into what: by joints where they are found, and by what is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import NormalizedImage, SourceImage, UInt8
from inference_server.errors import EditorNotSetUp, EngineUnavailable, WeightsCorrupt, WeightsMissing
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.normalize.draft import DraftNormalize
from inference_server.stages.normalize.editing import EditContext, Editing
from inference_server.stages.normalize.editors import EditorChoices, set_up_editors
from inference_server.stages.normalize.hosted_editor import HostedEditor
from inference_server.stages.normalize.judging import EditJudge, Ruling
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import WeightStore, read_manifest
from models.human_pose.measure import PoseMeasure
from tests.integration.figures import figure

A_POSE = PoseMeasure(True, (45.0, 45.0), (175.0, 175.0), 0.7)
HANGING = PoseMeasure(True, (5.0, 5.0), (175.0, 175.0), 0.7)
NO_PERSON = PoseMeasure(False, (0.0, 0.0), (0.0, 0.0), 0.0)
SETTINGS = {"normalize": "auto", "normalize_steps": {}, "editor": "auto", "kind": "auto"}


class Draws:
    """An editor that draws one picture, and remembers for which case."""

    title, identity, peak_bytes = "Pencil", ("pencil",), 1

    def __init__(self, name: Any = "local") -> None:
        self.name = name
        self.cases: list[str] = []

    def edit(self, rgba: UInt8, ctx: EditContext) -> UInt8:
        self.cases.append(ctx.case)
        return figure(85)

    def unload(self) -> None:
        """Nothing is held."""


@dataclass
class Sees:
    """A reader that finds one pose, whatever it is shown."""

    pose: PoseMeasure
    identity: tuple[str, ...] = ("eyes",)
    is_unloaded: bool = False

    def measure(self, rgba: UInt8) -> PoseMeasure:
        return self.pose

    def unload(self) -> None:
        self.is_unloaded = True


def normalize(editing: Editing, rgba: UInt8, **changes: Any) -> NormalizedImage:
    stage = DraftNormalize(editing)
    stage.load(Device("cpu"))
    settings = {name: value for name, value in (SETTINGS | changes).items() if name in stage.setting_names}
    return stage.run(SourceImage(rgba, "0" * 64), RunContext("normalize", "draft", 0, settings, Control()))


def accept(before: UInt8, after: UInt8, case: Any) -> Ruling:
    return Ruling(True, "")


@pytest.mark.parametrize(
    ("pose", "changes", "cases"),
    [
        (A_POSE, {}, []),
        (A_POSE, {"normalize_steps": {"pose": "on"}}, ["humanoid"]),
        (HANGING, {}, ["humanoid"]),
        (HANGING, {"kind": "quadruped"}, []),
        (NO_PERSON, {}, []),
        (NO_PERSON, {"kind": "humanoid"}, ["humanoid"]),
        (NO_PERSON, {"normalize_steps": {"pose": "on"}}, ["other"]),
        (HANGING, {"normalize_steps": {"pose": "off"}}, []),
    ],
)
def test_joints_decide_who_is_put_into_an_a_pose(pose: PoseMeasure, changes: Any, cases: list[str]) -> None:
    editor = Draws()
    normalize(Editing({"local": editor}, accept, reader=Sees(pose)), figure(8), **changes)
    assert editor.cases == cases


def test_a_person_whose_outline_is_sound_is_edited_where_the_joints_ask() -> None:
    editor = Draws()
    normalize(Editing({"local": editor}, accept), figure(85))
    assert editor.cases == []
    normalize(Editing({"local": editor}, accept, reader=Sees(HANGING)), figure(85))
    assert editor.cases == ["humanoid"]


def test_what_is_said_of_an_edit_names_what_it_did() -> None:
    for kind, words in (("humanoid", "put into an A-pose"), ("quadruped", "turned to the front")):
        image = normalize(Editing({"local": Draws()}, accept), figure(8), kind=kind, normalize_steps={"pose": "on"})
        assert f"pose: local, Pencil, {words}" in image.steps


def test_a_refusal_tells_what_is_missing() -> None:
    missing, off = WeightsMissing("No weights.", "Fetch them."), EditorNotSetUp("It is off.", "Turn it on.")
    editing = Editing({}, accept, {"local": missing, "hosted": off})
    assert "not normalized" in " ".join(normalize(editing, figure(8)).steps)
    for changes, error in (
        ({"normalize_steps": {"pose": "on"}}, missing),
        ({"editor": "local"}, missing),
        ({"editor": "hosted"}, off),
    ):
        with pytest.raises(EngineUnavailable) as caught:
            normalize(editing, figure(8), **changes)
        assert caught.value is error
    normalize(editing, figure(8), editor="hosted", normalize="off")


def test_damaged_weights_are_never_passed_over() -> None:
    editing = Editing({}, accept, {"local": WeightsCorrupt("Damaged.", "Fetch them.")})
    with pytest.raises(WeightsCorrupt):
        normalize(editing, figure(8))


def test_what_decides_is_in_the_stages_requirements_and_memory_is_given_back() -> None:
    reader = Sees(A_POSE)
    editing = Editing({"local": Draws(), "hosted": Draws("hosted")}, accept, reader=reader)
    stage = DraftNormalize(editing)
    assert stage.requires.weight_digests == ("pencil", "eyes")
    assert stage.requires.services == ("pencil",)
    assert stage.uses_seed
    bare = DraftNormalize(Editing({}, accept))
    assert (bare.requires.services, bare.uses_seed) == ((), False)
    assert "kind" in stage.setting_names and "kind" not in bare.setting_names
    stage.unload()
    assert reader.is_unloaded


def test_the_stage_is_built_anew_when_an_editor_comes_or_goes(tmp_path: Path) -> None:
    weights = WeightStore(tmp_path, read_manifest())
    choices = [EditorChoices("flux2-klein-4b")]
    registry = EngineRegistry(BlenderProcess(None, tmp_path), weights, lambda: set_up_editors(weights, choices[-1]))
    first = registry.choose("normalize", "draft").stage
    assert registry.choose("normalize", "draft").stage is first
    geometry = registry.choose("geometry", "draft").stage
    choices.append(EditorChoices("flux2-klein-4b", HostedEditor("some-image", None, "https://one.example")))
    second = registry.choose("normalize", "draft").stage
    assert second is not first and second.requires.services == ("some-image", "https://one.example")
    assert registry.choose("normalize", "draft").stage is second
    assert registry.choose("geometry", "draft").stage is geometry


def test_the_judge_is_the_chains() -> None:
    """An edit that changed nothing is refused, and the original is what comes out."""

    class DrawsTheSame(Draws):
        def edit(self, rgba: UInt8, ctx: EditContext) -> UInt8:
            return figure(8)

    edited = normalize(Editing({"local": DrawsTheSame()}, EditJudge()), figure(8), kind="humanoid")
    plain = normalize(Editing({}, EditJudge()), figure(8))
    assert "pose: kept: the edit by local, Pencil did not hold" in edited.steps
    np.testing.assert_array_equal(edited.rgba, plain.rgba)
