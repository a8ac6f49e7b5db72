# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that is rigged already: who says what becomes of its rig, and what the chain does then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference_server.core.correction import correction_from_document
from inference_server.core.digest import digest
from inference_server.core.own_rig import REPLACED, fill_skin, kept_rig
from inference_server.core.pipeline import Pipeline
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control
from inference_server.core.types import OwnRig, Rig, RigInput, SceneMesh, Skeleton, Skin
from inference_server.errors import AlreadyRigged, SettingInvalid, SkeletonInvalid
from tests.unit.core.tiny_stages import Workshop


def skin_of(count: int, bone: int, unweighed: int = 0) -> Skin:
    """All vertices follow one bone; the first ones none."""
    weights = np.tile([0.0, 1, 0, 0], (count, 1))
    weights[:unweighed] = 0
    return Skin(np.tile([0, bone, 0, 0], (count, 1)), weights)


@pytest.fixture
def rigged(scene: SceneMesh, tiny_skeleton: Skeleton) -> SceneMesh:
    skeleton = replace(tiny_skeleton, names=tuple(f"my {name}" for name in tiny_skeleton.names))
    rig = Rig(skeleton, skin_of(len(scene.mesh.vertices), 1))
    return replace(scene, own_rig=OwnRig(len(skeleton.names), rig))


def notes_of(pipeline: Pipeline, scene: SceneMesh, choice: str, skeleton: Skeleton | None = None) -> tuple[Rig, str]:
    """The rig, and what the artist is told of it."""
    settings = JobSettings(existing_rig=choice, outputs="rig")
    outcome = pipeline.rig_scene(scene, skeleton, settings, Control())
    (record,) = (record for record in outcome.records if record.stage == "rig")
    return outcome.asset.rig, " ".join(record.notes)


def test_an_open_choice_fails_before_anything_runs(pipeline: Pipeline, workshop: Workshop, rigged: SceneMesh) -> None:
    with pytest.raises(AlreadyRigged) as caught:
        pipeline.rig_scene(rigged, None, JobSettings(), Control())
    assert str(caught.value) == (
        "The mesh has a rig already, of 5 bones. Choose whether to keep it or to replace it (setting existing_rig)."
    )
    assert workshop.log == []


def test_replace_finds_new_bones_and_says_so(pipeline: Pipeline, rigged: SceneMesh, workshop: Workshop) -> None:
    rig, told = notes_of(pipeline, rigged, "replace")
    assert rig.skeleton.names == workshop.skeleton.names
    assert REPLACED in told


def test_reweigh_hands_over_the_bones_alone(pipeline: Pipeline, rigged: SceneMesh, workshop: Workshop) -> None:
    seen: list[RigInput] = []
    stage = pipeline._registry.stages["rig"]  # type: ignore[attr-defined]
    made = stage.make
    stage.make = lambda value, ctx: (seen.append(value), made(value, ctx))[1]
    rig, told = notes_of(pipeline, rigged, "reweigh")
    assert digest(rig.skeleton) == digest(rigged.own_rig.rig.skeleton) and seen[0].skin is None
    assert "Its own 5 bones were kept and weighed anew." in told
    notes_of(pipeline, rigged, "keep")
    assert digest(seen[1].skin) == digest(rigged.own_rig.rig.skin)


def test_keep_tells_what_it_could_not_keep(pipeline: Pipeline, rigged: SceneMesh) -> None:
    own = rigged.own_rig
    partly = Rig(own.rig.skeleton, skin_of(len(rigged.mesh.vertices), 1, unweighed=1))
    _, told = notes_of(pipeline, replace(rigged, own_rig=OwnRig(5, partly, cut_count=2)), "keep")
    assert "Its own 5 bones and their weights were kept." in told
    assert "No bone moved 1 vertex of it: these were weighed." in told
    assert "2 vertices followed more than four bones" in told


@pytest.mark.parametrize("choice", ["keep", "reweigh"])
def test_a_rig_that_cannot_be_kept_says_why(pipeline: Pipeline, rigged: SceneMesh, choice: str) -> None:
    several = replace(rigged, own_rig=OwnRig(9, None, "The file has 2 armatures; a figure has one."))
    with pytest.raises(SkeletonInvalid, match=r"cannot be kept\. The file has 2 armatures"):
        notes_of(pipeline, several, choice)
    assert REPLACED in notes_of(pipeline, several, "replace")[1]


def test_a_mesh_without_a_rig_is_rigged_whatever_was_chosen(pipeline: Pipeline, scene: SceneMesh) -> None:
    assert "no rig that could be kept" in notes_of(pipeline, scene, "keep")[1]
    for choice in ("ask", "replace"):
        assert "no rig" not in notes_of(pipeline, scene, choice)[1]


def test_a_skeleton_that_is_given_replaces_and_two_are_one_too_many(
    pipeline: Pipeline, rigged: SceneMesh, tiny_skeleton: Skeleton
) -> None:
    rig, told = notes_of(pipeline, rigged, "ask", tiny_skeleton)
    assert rig.skeleton.names == tiny_skeleton.names and REPLACED in told
    with pytest.raises(SettingInvalid, match="own is to be kept too"):
        notes_of(pipeline, rigged, "keep", tiny_skeleton)


def test_a_correction_of_kept_bones_says_that_the_weights_are_new(pipeline: Pipeline, rigged: SceneMesh) -> None:
    rename = correction_from_document({"edits": [{"edit": "rename", "bone": "my head", "name": "face"}]})
    settings = JobSettings(existing_rig="keep", outputs="rig")
    outcome = pipeline.rig_scene(rigged, None, settings, Control(), (rename,))
    assert "face" in outcome.asset.rig.skeleton.names
    told = " ".join(outcome.records[0].notes)
    assert "weighed anew" in told and "their weights were kept" not in told


def test_only_missing_weights_are_computed(tiny_skeleton: Skeleton, scene: SceneMesh) -> None:
    count = len(scene.mesh.vertices)
    given, computed = skin_of(count, 1, unweighed=3), skin_of(count, 2)
    assert kept_rig(RigInput(scene.mesh, tiny_skeleton, given)) is None
    filled = fill_skin(given, computed)
    assert filled.indices[:3, 1].tolist() == [2, 2, 2] and (filled.indices[3:, 1] == 1).all()
    assert (filled.weights.sum(axis=1) == 1).all()
    whole = kept_rig(RigInput(scene.mesh, tiny_skeleton, filled))
    assert whole is not None and whole.skin is filled
    assert fill_skin(None, computed) is computed
    assert kept_rig(RigInput(scene.mesh, tiny_skeleton)) is None and kept_rig(RigInput(scene.mesh)) is None
