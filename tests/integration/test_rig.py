# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine rig: a mesh in, the same mesh bound to a skeleton out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_server.errors import MeshInvalid
from inference_server.stages import scene
from inference_server.stages.blender import BlenderProcess
from tests.integration.jobs import figurine, report_of

pytestmark = pytest.mark.blender

INSPECTOR = Path(__file__).with_name("mesh_inspector.py")
SUFFIXES = (".fbx", ".glb", ".obj", ".ply", ".stl")


def run_inspector(*arguments: str | Path) -> None:
    done = subprocess.run([sys.executable, str(INSPECTOR), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def rigged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], dict[str, Any], Path]]:
    """By suffix: what was in the file, what is in the rigged FBX, and the output folder."""
    root = tmp_path_factory.mktemp("meshes")
    run_inspector("make", root)
    for suffix in SUFFIXES:
        done = figurine(
            "rig", root / f"scene{suffix}", "--out", root / suffix[1:], "--kind", "generic", home=root / "home"
        )
        assert done.exit_code == 0, done.stderr
        assert done.stderr == ""
    files = [root / f"scene{suffix}" for suffix in SUFFIXES] + [root / suffix[1:] / "scene.fbx" for suffix in SUFFIXES]
    run_inspector("inspect", root / "answer.json", *files)
    seen = json.loads((root / "answer.json").read_text(encoding="utf-8"))
    return {
        suffix: (seen[str(root / f"scene{suffix}")], seen[str(root / suffix[1:] / "scene.fbx")], root / suffix[1:])
        for suffix in SUFFIXES
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_objects_shape_place_uvs_and_materials_are_kept(suffix: str, rigged: dict[str, Any]) -> None:
    before, after, _ = rigged[suffix]
    assert [item["name"] for item in after["meshes"]] == [item["name"] for item in before["meshes"]]
    for old, new in zip(before["meshes"], after["meshes"], strict=True):
        assert np.allclose(new["points"], old["points"], atol=2e-5)
        assert new["polygons"] == old["polygons"]
        assert new["materials"] == old["materials"]
        assert np.allclose(new["uv"], old["uv"], atol=1e-5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_object_is_bound(suffix: str, rigged: dict[str, Any]) -> None:
    _, after, folder = rigged[suffix]
    document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
    assert after["armatures"] == 1
    assert after["bones"] == sorted(bone["name"] for bone in document["bones"])
    for item in after["meshes"]:
        assert item["modifiers"] == ["ARMATURE"]
        assert item["weight_sums"] == pytest.approx([1.0, 1.0], abs=1e-5)
        assert item["influences"] <= 4


def test_a_given_skeleton_is_kept(rigged: dict[str, Any], tmp_path: Path) -> None:
    _, _, folder = rigged[".glb"]
    document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
    document["bones"][-1]["name"] = "antenna"
    document["bones"][-1]["tail"][2] += 0.25
    document["bones"][-1]["roll"] = 0.5
    document["bones"].reverse()
    (tmp_path / "edited.json").write_text(json.dumps(document), encoding="utf-8")
    mesh = folder.parent / "scene.glb"
    done = figurine(
        "rig", mesh, "--skeleton", tmp_path / "edited.json", "--out", tmp_path / "out", home=folder.parent / "home"
    )
    assert done.exit_code == 0, done.stderr
    written = json.loads((tmp_path / "out" / "rig.json").read_text(encoding="utf-8"))
    wanted = {bone["name"]: bone for bone in document["bones"]}
    assert {bone["name"] for bone in written["bones"]} == set(wanted)
    for bone in written["bones"]:
        assert bone["parent"] == wanted[bone["name"]]["parent"]
        for place in ("head", "tail"):
            assert bone[place] == pytest.approx(wanted[bone["name"]][place], abs=1e-6)
        assert bone["roll"] == pytest.approx(wanted[bone["name"]]["roll"], abs=1e-6)


def test_a_rigged_file_is_rigged_anew_and_that_is_said(rigged: dict[str, Any], tmp_path: Path) -> None:
    _, _, folder = rigged[".fbx"]
    done = figurine("rig", folder / "scene.fbx", "--out", tmp_path, "--kind", "none", home=folder.parent / "home")
    assert done.exit_code == 0, done.stderr
    assert any("replaced" in warning["sentence"] for warning in report_of(tmp_path)["warnings"])
    run_inspector("inspect", tmp_path / "answer.json", tmp_path / "scene.fbx")
    seen = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))[str(tmp_path / "scene.fbx")]
    assert (seen["armatures"], seen["bones"]) == (1, ["root"])
    assert [item["modifiers"] for item in seen["meshes"]] == [["ARMATURE"], ["ARMATURE"]]


def test_a_changed_material_file_is_seen_though_the_mesh_file_is_the_same(
    rigged: dict[str, Any], tmp_path: Path
) -> None:
    source = rigged[".obj"][2].parent
    for name in ("scene.obj", "scene.mtl"):
        shutil.copy(source / name, tmp_path / name)
    home = source / "home"
    reused = []
    for text in ("", "newmtl spare\n"):
        library = tmp_path / "scene.mtl"
        library.write_text(library.read_text(encoding="utf-8").replace("Kd 1", "Kd 0.5") + text, encoding="utf-8")
        done = figurine("rig", tmp_path / "scene.obj", "--out", tmp_path / "out", "--kind", "generic", home=home)
        assert done.exit_code == 0, done.stderr
        stages = {stage["stage"]: stage["reused"] for stage in report_of(tmp_path / "out")["stages"]}
        reused.append(stages)
    assert reused[1] == {"rig": True, "export": False}


def test_too_many_faces_are_refused_before_anything_is_computed(
    rigged: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "_MAX_FACES", 10)
    with pytest.raises(MeshInvalid, match="10 are the most"):
        scene.read_scene(rigged[".obj"][2].parent / "scene.obj", BlenderProcess(None, tmp_path), lambda: None)
