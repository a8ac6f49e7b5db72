# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json and rig.json of a job, from a real outcome."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from inference_server.core.pipeline import Outcome
from inference_server.core.report import asset_digests, build_report, encode_report, layout_file, rig_document
from inference_server.core.rig_document import SCHEMA_PATH
from inference_server.core.settings import JobSettings
from inference_server.core.types import MeshLayout, RiggedScene, SceneMesh, SceneObject, TexturedScene


def test_it_is_json_and_names_every_file(tiny_outcome: Outcome) -> None:
    files = {"a.fbx": tiny_outcome.files.fbx, "rig.json": b"{}"}
    report = json.loads(encode_report(build_report(tiny_outcome, JobSettings(seed=4), Path("x/ü.png"), 2.34567, files)))
    assert report["input"] == {"name": "ü.png", "sha256": "source"}
    assert report["settings"]["seed"] == 4
    assert report["seconds"] == 2.346
    assert report["files"]["a.fbx"] == {"bytes": 3, "sha256": hashlib.sha256(b"fbx").hexdigest()}
    assert report["files"]["rig.json"]["bytes"] == 2


def test_it_sums_up_the_stages(tiny_outcome: Outcome) -> None:
    report = build_report(tiny_outcome, JobSettings(kind="humanoid"), Path("a.png"), 1.0, {})
    assert report["engine"] == "draft"
    assert report["kind"] == {"value": "humanoid", "confidence": 0.75, "asked": "humanoid"}
    assert report["guessed"] == ["spine"]
    assert report["peak_bytes"] == 20
    assert report["warnings"] == [{"stage": "rig", "sentence": "a note"}]
    assert [stage["stage"] for stage in report["stages"]] == ["rig", "export"]


def test_mixed_engines_are_both_named(tiny_outcome: Outcome) -> None:
    rig = tiny_outcome.records[0]
    mixed = replace(tiny_outcome, records=(replace(rig, stage="geometry", engine="neural"), *tiny_outcome.records))
    assert build_report(mixed, JobSettings(), Path("a.png"), 1.0, {})["engine"] == "draft+neural"


def test_digests_follow_the_content(tiny_outcome: Outcome) -> None:
    asset = tiny_outcome.asset
    digests = asset_digests(tiny_outcome)
    assert digests.keys() == {"mesh", "texture", "skeleton", "weights"}
    assert asset_digests(replace(tiny_outcome, asset=replace(asset, provenance=None))) == digests
    moved = replace(asset.rig.skeleton, heads=asset.rig.skeleton.heads + 1)
    changed = asset_digests(replace(tiny_outcome, asset=replace(asset, rig=replace(asset.rig, skeleton=moved))))
    assert {name for name in digests if digests[name] != changed[name]} == {"skeleton"}


def test_a_rigged_scene_has_no_texture_of_ours(tiny_outcome: Outcome, tmp_path: Path) -> None:
    mesh = tiny_outcome.asset.textured.mesh
    scene = SceneMesh(mesh, (SceneObject("a", len(mesh.vertices)),), tmp_path / "a.obj")
    bound = replace(tiny_outcome, asset=RiggedScene(scene, tiny_outcome.asset.rig, tiny_outcome.asset.provenance))
    assert asset_digests(bound).keys() == {"mesh", "skeleton", "weights"}
    assert asset_digests(bound)["mesh"] == asset_digests(tiny_outcome)["mesh"]
    assert rig_document(bound.asset, JobSettings())["bones"] == rig_document(tiny_outcome.asset, JobSettings())["bones"]


def test_a_textured_scene_has_no_body(tiny_outcome: Outcome, tmp_path: Path) -> None:
    textured, count = tiny_outcome.asset.textured, len(tiny_outcome.asset.textured.mesh.faces)
    corners = np.random.default_rng(0).permutation(3 * count).reshape(-1, 3)
    layout = MeshLayout(corners, np.arange(count) // 2, np.zeros((0, 3, 2)))
    mesh = textured.mesh
    scene = SceneMesh(mesh, (SceneObject("a", len(mesh.vertices)),), tmp_path / "a.obj", layout=layout)
    asset = TexturedScene(scene, textured, tiny_outcome.asset.provenance)
    report = build_report(replace(tiny_outcome, asset=asset), JobSettings(), Path("a.obj"), 1.0, {})
    assert report["kind"] is None and report["guessed"] == []
    assert report["digests"].keys() == {"mesh", "texture"}
    with np.load(io.BytesIO(layout_file(asset)), allow_pickle=False) as file:
        assert np.array_equal(file["uv"][corners], textured.uv)
        assert np.array_equal(file["vertices"][corners], mesh.faces)
        assert file["sizes"].sum() == 3 * count


def test_the_jobs_rig_fits_the_schema(tiny_outcome: Outcome) -> None:
    document = json.loads(
        encode_report(rig_document(tiny_outcome.asset, JobSettings(name="fox", seed=3), tiny_outcome.files))
    )
    jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text())).validate(document)
    assert (document["name"], document["seed"], document["versions"]["blender"]) == ("fox", 3, "5.0.1")


@pytest.mark.parametrize("name", ["\udcff.png", "a\nb.png"])
def test_an_odd_file_name_does_not_break_it(tiny_outcome: Outcome, name: str) -> None:
    report = build_report(tiny_outcome, JobSettings(), Path(name), 1.0, {})
    assert json.loads(encode_report(report))["input"]["name"] in ("?.png", "a\nb.png")
