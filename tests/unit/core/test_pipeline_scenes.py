# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains of a mesh that the artist has, run with tiny real stages: rigged where it stands, or textured."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_server.core.digest import digest
from inference_server.core.pipeline import Pipeline
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control
from inference_server.core.types import SceneMesh, Skeleton, SourceImage
from inference_server.errors import MeshInvalid
from tests.unit.core.tiny_stages import Workshop, make, new_pipeline


def test_a_scene_keeps_its_place_and_takes_a_given_skeleton(
    pipeline: Pipeline, workshop: Workshop, scene: SceneMesh, tiny_skeleton: Skeleton
) -> None:
    given = replace(tiny_skeleton, names=("a", "b", "c", "d", "e"))
    outcome = pipeline.rig_scene(scene, given, JobSettings(), Control())
    assert workshop.ran == ["rig", "export"]
    assert digest(outcome.asset.rig.skeleton) == digest(given)
    assert digest(outcome.asset.scene.mesh) == digest(scene.mesh)
    own = pipeline.rig_scene(scene, None, JobSettings(), Control())
    assert own.asset.rig.skeleton.names == tiny_skeleton.names
    assert workshop.ran == ["rig", "export"] * 2


def test_a_scene_is_textured_from_a_picture_and_its_pose_left_alone(
    pipeline: Pipeline, workshop: Workshop, scene: SceneMesh, source: SourceImage
) -> None:
    pipeline._registry.stages["normalize"].setting_names = ("normalize_steps",)
    settings = JobSettings(normalize_steps={"tilt": "off"})
    outcome = pipeline.texture_scene(scene, source, settings, Control())
    assert workshop.ran == ["normalize", "texture", "export"]
    assert workshop.seen_settings["normalize"]["normalize_steps"] == {"pose": "off", "tilt": "off"}
    assert digest(outcome.asset.textured.mesh) == digest(scene.mesh)
    other = replace(source, sha256="another picture")
    again = pipeline.texture_scene(scene, other, settings, Control())
    assert again.asset.provenance.source_sha256 != outcome.asset.provenance.source_sha256


def test_a_picture_of_the_pose_may_be_edited_where_that_is_asked_for(
    pipeline: Pipeline, workshop: Workshop, scene: SceneMesh, source: SourceImage
) -> None:
    pipeline._registry.stages["normalize"].setting_names = ("normalize_steps",)
    pipeline.texture_scene(scene, source, JobSettings(normalize_steps={"pose": "on"}), Control())
    assert workshop.seen_settings["normalize"]["normalize_steps"] == {"pose": "on"}


def test_a_figure_that_its_picture_shows_from_the_side_is_turned_and_a_scene_is_not(
    workshop: Workshop, tmp_path: Path, source: SourceImage, scene: SceneMesh
) -> None:
    workshop.skeleton = replace(workshop.skeleton, kind="quadruped", turn_rad=np.pi / 2)
    pipeline = new_pipeline(workshop, tmp_path)
    figure = make(pipeline, source)
    assert figure.asset.rig.skeleton.turn_rad == 0.0
    assert any("turned 90°" in note for note in figure.records[3].notes)
    kept = pipeline.rig_scene(scene, None, JobSettings(), Control())
    np.testing.assert_array_equal(kept.asset.rig.skeleton.heads, workshop.skeleton.heads)
    assert any("face 90° away" in note and "kept" in note for note in kept.records[0].notes)


def test_a_scenes_source_is_the_digest_of_its_file(pipeline: Pipeline, scene: SceneMesh) -> None:
    outcome = pipeline.rig_scene(scene, None, JobSettings(), Control())
    assert outcome.asset.provenance.source_sha256 == hashlib.sha256(b"the file").hexdigest()


def test_a_changed_file_is_exported_again(pipeline: Pipeline, workshop: Workshop, scene: SceneMesh) -> None:
    pipeline.rig_scene(scene, None, JobSettings(), Control())
    scene.source.write_bytes(b"the same mesh, another material")
    workshop.log.clear()
    pipeline.rig_scene(scene, None, JobSettings(), Control())
    assert workshop.ran == ["export"]


def test_a_mesh_file_that_is_gone_after_its_rig_is_named(
    pipeline: Pipeline, workshop: Workshop, scene: SceneMesh
) -> None:
    scene.source.unlink()
    with pytest.raises(MeshInvalid, match="No such file") as caught:
        pipeline.rig_scene(scene, None, JobSettings(), Control())
    assert str(scene.source) in caught.value.message
    assert workshop.ran == ["rig"]


def test_a_mesh_file_that_is_gone_over_the_exports_key_is_named(
    pipeline: Pipeline, workshop: Workshop, scene: SceneMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = hashlib.file_digest

    def hash_for_the_last_time(stream: Any, kind: str) -> Any:
        found = hashed(stream, kind)
        if Path(stream.name) == scene.source:
            scene.source.unlink()
        return found

    monkeypatch.setattr("hashlib.file_digest", hash_for_the_last_time)
    with pytest.raises(MeshInvalid, match="No such file"):
        pipeline.rig_scene(scene, None, JobSettings(), Control())
    assert workshop.ran == ["rig"]
