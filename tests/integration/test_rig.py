# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine rig: a mesh in, the same mesh bound to a skeleton out."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_server.core.cache import StageCache
from inference_server.core.digest import digest
from inference_server.errors import MeshInvalid
from inference_server.stages import scene
from inference_server.stages.blender import BlenderProcess
from tests.integration.inspector import inspect
from tests.integration.jobs import figurine, report_of

pytestmark = pytest.mark.blender

ROOT = Path(__file__).resolve().parents[2]
MAKER = Path(__file__).with_name("make_scene.py")
SUFFIXES = (".fbx", ".glb", ".obj", ".ply", ".stl")


@pytest.fixture(scope="module")
def rigged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], dict[str, Any], Path]]:
    """By suffix: what was in the file, what is in the rigged FBX, and the output folder."""
    root = tmp_path_factory.mktemp("meshes")
    made = subprocess.run([sys.executable, str(MAKER), str(root)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-2000:]
    folders = [root / suffix[1:] for suffix in SUFFIXES]
    for suffix, folder in zip(SUFFIXES, folders, strict=True):
        done = figurine(
            "rig", root / f"scene{suffix}", "--out", folder, "--kind", "generic", "--quiet", home=root / "home"
        )
        assert done.exit_code == 0, done.stderr
        assert done.stderr == ""
    before = inspect(*(root / f"scene{suffix}" for suffix in SUFFIXES))
    after = inspect(*(folder / "scene.fbx" for folder in folders))
    return dict(zip(SUFFIXES, zip(before, after, folders, strict=True), strict=True))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_objects_shape_place_uvs_and_materials_are_kept(suffix: str, rigged: dict[str, Any]) -> None:
    before, after, _ = rigged[suffix]
    assert [item["name"] for item in after["meshes"]] == [item["name"] for item in before["meshes"]]
    for old, new in zip(before["meshes"], after["meshes"], strict=True):
        assert np.allclose(new["vertices"], old["vertices"], atol=2e-5)
        assert sorted(map(len, new["polygons"])) == sorted(map(len, old["polygons"]))
        assert new["materials"] == old["materials"]
        assert (new["uv"] is None) == (old["uv"] is None)
        assert old["uv"] is None or np.allclose(new["uv"], old["uv"], atol=1e-5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_object_is_bound(suffix: str, rigged: dict[str, Any]) -> None:
    _, after, folder = rigged[suffix]
    document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
    (armature,) = after["armatures"]
    assert {bone["name"] for bone in armature["bones"]} == {bone["name"] for bone in document["bones"]}
    for item in after["meshes"]:
        assert item["modifiers"] == [["ARMATURE", armature["name"]]]
        assert np.allclose([sum(row.values()) for row in item["weights"]], 1.0, atol=1e-5)
        assert max(map(len, item["weights"])) <= 4


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
    command = ("rig", folder / "scene.fbx", "--out", tmp_path, "--kind", "none")
    asked = figurine(*command, home=folder.parent / "home")
    assert (asked.exit_code, asked.stdout) == (2, "")
    assert re.fullmatch(
        r"figurine: The mesh has a rig already, of \d+ bones?\. Say --existing keep or --existing replace\.\n",
        asked.stderr,
    )
    done = figurine(*command, "--existing", "replace", home=folder.parent / "home")
    assert done.exit_code == 0, done.stderr
    assert any("replaced" in warning["sentence"] for warning in report_of(tmp_path)["warnings"])
    assert "warning    rig: The file had a rig of its own; it was replaced.\n" in done.stderr
    (seen,) = inspect(tmp_path / "scene.fbx")
    (armature,) = seen["armatures"]
    assert [bone["name"] for bone in armature["bones"]] == ["root"]
    assert [item["modifiers"] for item in seen["meshes"]] == [[["ARMATURE", armature["name"]]]] * 2


@pytest.fixture(scope="module")
def posable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a rig that is turned, scaled and moved; a hat hangs on a bone of it, and no bone moves a stone."""
    folder = tmp_path_factory.mktemp("posable")
    made = subprocess.run(
        [sys.executable, "-m", "tests.integration.make_posable", str(folder)], capture_output=True, text=True, cwd=ROOT
    )
    assert made.returncode == 0, made.stderr[-2000:]
    return folder


@pytest.mark.parametrize("suffix", [".fbx", ".glb"])
def test_a_rig_that_is_kept_is_the_same_rig(suffix: str, posable: Path, tmp_path: Path) -> None:
    source = posable / f"posable{suffix}"
    done = figurine("rig", source, "--existing", "keep", "--out", tmp_path, home=posable / "home")
    assert done.exit_code == 0, done.stderr
    told = " ".join(warning["sentence"] for warning in report_of(tmp_path)["warnings"])
    corners = {".fbx": 8, ".glb": 24}[suffix]  # of the stone
    assert f"Its own 3 bones and their weights were kept. No bone moved {corners} vertices of it" in told
    bones = {bone["name"]: bone for bone in json.loads((tmp_path / "rig.json").read_text(encoding="utf-8"))["bones"]}
    assert {name: bone["parent"] for name, bone in bones.items()} == {"hips": None, "chest": "hips", "head": "chest"}
    assert [bones[name]["role"] for name in ("hips", "chest", "head")] == ["hips", "chest", "head"]
    for level, name in enumerate(("hips", "chest", "head")):
        assert bones[name]["head"] == pytest.approx([1, 2, level / 2], abs=1e-4)
        assert bones[name]["tail"] == pytest.approx([1, 2, (level + 1) / 2], abs=1e-4)
    before, after = inspect(source, tmp_path / "posable.fbx")
    # A bone that stands upright and is turned a quarter about it.
    assert {abs(round(bone["roll"], 3)) for bone in bones.values()} == {round(math.pi / 2, 3)}
    weights = {item["name"]: item["weights"] for item in after["meshes"]}
    assert all(row == {"head": pytest.approx(1)} for row in weights["hat"])
    body = {item["name"]: item["weights"] for item in before["meshes"]}["body"]
    assert weights["body"] == [pytest.approx(row, abs=1e-5) for row in body]
    assert np.allclose([sum(row.values()) for row in weights["stone"]], 1, atol=1e-5)


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
    monkeypatch.setattr(scene, "MOST_FACES", 10)
    with pytest.raises(MeshInvalid, match="10 are the most"):
        mesh = rigged[".obj"][2].parent / "scene.obj"
        scene.read_scene(mesh, BlenderProcess(None, tmp_path), StageCache(tmp_path / "cache", 1 << 30), lambda: None)


class Silent(BlenderProcess):
    """A Blender that must not be asked."""

    def run_in(self, *arguments: Any) -> Any:
        raise AssertionError("the file was read again")


def test_a_file_is_read_once(rigged: dict[str, Any], tmp_path: Path) -> None:
    cache = StageCache(tmp_path / "cache", 1 << 30)
    mesh = tmp_path / "scene.glb"
    shutil.copy(rigged[".glb"][2].parent / "scene.glb", mesh)
    first = scene.read_scene(mesh, BlenderProcess(None, tmp_path / "work"), cache, lambda: None)
    again = scene.read_scene(mesh, Silent(None, tmp_path / "work"), cache, lambda: None)
    assert digest(again.mesh) == digest(first.mesh)
    assert (again.objects, again.notes, again.source) == (first.objects, first.notes, first.source)
    assert again.reading != first.reading
    for change in (lambda: mesh.rename(tmp_path / "other.glb"), lambda: mesh.write_bytes(b"glTF")):
        change()
        name = next(tmp_path.glob("*.glb"))
        with pytest.raises(AssertionError, match="read again"):
            scene.read_scene(name, Silent(None, tmp_path / "work"), cache, lambda: None)
        name.rename(mesh)


def test_a_file_that_lacks_a_picture_is_read_again(rigged: dict[str, Any], tmp_path: Path) -> None:
    cache = StageCache(tmp_path / "cache", 1 << 30)
    source = rigged[".obj"][2].parent
    shutil.copy(source / "scene.obj", tmp_path)
    (tmp_path / "scene.mtl").write_text(
        (source / "scene.mtl").read_text(encoding="utf-8").replace("Kd 1", "map_Kd lost.png\nKd 1"), encoding="utf-8"
    )
    found = scene.read_scene(tmp_path / "scene.obj", BlenderProcess(None, tmp_path / "work"), cache, lambda: None)
    assert any("lost.png" in note for note in found.notes)
    with pytest.raises(AssertionError, match="read again"):
        scene.read_scene(tmp_path / "scene.obj", Silent(None, tmp_path / "work"), cache, lambda: None)
