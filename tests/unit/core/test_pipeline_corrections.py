# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections in the chain: what is bound again, what stays, what is shown early."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference_server.core.correction import RigCorrection, correction_from_document
from inference_server.core.digest import digest
from inference_server.core.pipeline import Outcome, Pipeline
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, JobPaused
from inference_server.core.types import SceneMesh, SourceImage
from inference_server.errors import CorrectionInvalid
from tests.unit.core.tiny_stages import Workshop, content_of, make, new_pipeline


def edits(*documents: dict[str, Any], box: tuple[list[float], list[float]] | None = None) -> tuple[RigCorrection, ...]:
    bounding_box = None if box is None else {"min": box[0], "max": box[1]}
    return (correction_from_document({"edits": list(documents), "bounding_box": bounding_box}),)


# Moves a foot of the tiny skeleton, by which the figure was stood on the ground.
STEP = {"edit": "move", "bone": "leg.L", "head": [0.3, 0.1, 0.9]}


def correct(
    pipeline: Pipeline, source: SourceImage, corrections: tuple[RigCorrection, ...], **chosen: Any
) -> tuple[Outcome, list[Any]]:
    shown: list[Any] = []
    control = Control(on_rigged=shown.append)
    return pipeline.make_figure(source, JobSettings(**chosen), control, corrections), shown


def test_a_correction_binds_again_and_does_nothing_else(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    first = make(pipeline, source)
    workshop.log.clear()
    second, shown = correct(pipeline, source, edits(STEP))
    assert workshop.ran == ["rig", "export"]
    assert [(record.stage, record.reused) for record in second.records] == [
        ("normalize", True),
        ("geometry", True),
        ("texture", True),
        ("rig", False),
        ("export", False),
    ]
    assert digest(second.asset.textured) == digest(first.asset.textured)
    assert digest(second.asset.rig.skeleton) != digest(first.asset.rig.skeleton)
    assert second.asset.rig.skeleton.heads[2].tolist() == pytest.approx([0.3, 0.9, -0.1])
    assert digest(shown[0]) == digest(second.asset)
    assert (first.asset.provenance.corrections_sha256 == "", len(second.asset.provenance.corrections_sha256)) == (
        True,
        64,
    )
    workshop.log.clear()
    again, _ = correct(pipeline, source, edits(STEP))
    assert workshop.log == []
    assert content_of(again) == content_of(second)


def test_a_corrected_figure_is_the_same_from_an_empty_cache(
    workshop: Workshop, source: SourceImage, tmp_path: Path
) -> None:
    made = [
        correct(new_pipeline(workshop, tmp_path / place), source, edits(STEP))[0].asset for place in ("one", "other")
    ]
    assert digest(made[0]) == digest(made[1])


def test_corrections_come_one_after_the_other(pipeline: Pipeline, source: SourceImage) -> None:
    rename = {"edit": "rename", "bone": "leg.L", "name": "paw.L"}
    outcome, _ = correct(pipeline, source, edits(rename) + edits({"edit": "remove", "bone": "paw.L"}))
    assert outcome.asset.rig.skeleton.names == ("hips", "spine", "leg.R", "head")
    assert len(outcome.corrections) == 2
    with pytest.raises(CorrectionInvalid, match=r"no bone 'leg\.L'"):
        correct(pipeline, source, edits(rename) + edits(STEP))


def test_the_rig_alone_needs_no_export(pipeline: Pipeline, workshop: Workshop, source: SourceImage) -> None:
    outcome, shown = correct(pipeline, source, edits(STEP), outputs="rig")
    assert workshop.ran == ["normalize", "geometry", "texture", "rig", "rig"]
    assert outcome.files is None and shown == []
    workshop.log.clear()
    whole, _ = correct(pipeline, source, edits(STEP))
    assert workshop.ran == ["export"]
    assert digest(whole.asset.rig) == digest(outcome.asset.rig)


@pytest.mark.parametrize("outputs", ["all", "rig"])
def test_a_job_that_waits_after_its_rig_shows_it(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage, outputs: str
) -> None:
    shown: list[Any] = []
    settings = JobSettings(pause_after="rig", outputs=outputs)
    with pytest.raises(JobPaused):
        pipeline.make_figure(source, settings, Control(on_rigged=shown.append), edits(STEP))
    assert workshop.ran[-2:] == ["rig", "rig"]
    assert shown[0].rig.skeleton.heads[2].tolist() == pytest.approx([0.3, 0.9, -0.1])


def test_edits_for_another_mesh_are_fitted_and_that_is_said(pipeline: Pipeline, source: SourceImage) -> None:
    before = make(pipeline, source).asset.textured.mesh.vertices
    (low, high) = before.min(axis=0).tolist(), before.max(axis=0).tolist()
    box = [low[0], -high[2], low[1]], [high[0], -low[2], high[1]]
    same, _ = correct(pipeline, source, edits(STEP, box=box))
    flatter, _ = correct(pipeline, source, edits(STEP, box=box), depth=0.5)
    assert same.asset.rig.skeleton.heads[2].tolist() == pytest.approx([0.3, 0.9, -0.1])
    assert flatter.asset.rig.skeleton.heads[2].tolist() == pytest.approx([0.3, 0.9, -0.05], abs=0.01)
    notes = [record.notes for outcome in (same, flatter) for record in outcome.records if record.stage == "rig"]
    assert [any("fitted" in note for note in each) for each in notes] == [False, True]


def test_a_scene_is_corrected_where_it_stands(pipeline: Pipeline, workshop: Workshop, scene: SceneMesh) -> None:
    move = {"edit": "move", "bone": "head", "tail": [1.2, -3.3, 4.0]}
    outcome = pipeline.rig_scene(scene, None, JobSettings(), Control(), edits(move))
    assert workshop.ran == ["rig", "rig", "export"]
    assert outcome.asset.rig.skeleton.tails[4].tolist() == pytest.approx([1.2, 4.0, 3.3])
    assert digest(outcome.asset.scene.mesh) == digest(scene.mesh)


def test_what_does_not_fit_ends_the_job_with_a_sentence(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    with pytest.raises(CorrectionInvalid, match="far outside the mesh") as caught:
        correct(pipeline, source, edits({**STEP, "head": [0, 0, 30]}))
    assert caught.value.exit_code == 2
    assert workshop.ran[-1] == "rig" and workshop.ran.count("rig") == 1
