# SPDX-License-Identifier: GPL-3.0-or-later
"""What Output writes, judged by others: Khronos' validator of glTF, trimesh, and a reading of VRM's rules."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import igl
import numpy as np
import pytest
import trimesh

from blender_addon.skeleton_map import VRM_REQUIRED
from tests.integration.jobs import ROOT

SHARED = ROOT.parent / "shared"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "figurine" / "gltf-validator"
VALIDATOR = "gltf-validator@2.0.0-dev.3.10"
NAMES = ("fox_kid", "pup", "lantern")
PRINTS = {"fox_kid": ["NONE.stl", "FLAT.stl", "PLATE.stl", "PLATE.3mf"], "pup": ["PLATE.stl"], "lantern": ["PLATE.stl"]}
SOLIDS = [(name, file) for name, files in PRINTS.items() for file in files if file.endswith(".stl")]
HEIGHT_mm, DETAIL_mm = 100.0, 1.0
CORE = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
ASSETS = ("kaykit_knight", "kaykit_mage", "quat_knight")
# Prints each file's errors as JSON.
_SCRIPT = """
const {validateBytes} = require(process.argv[1]);
const {readFileSync} = require("fs");
const found = {};
Promise.all(process.argv.slice(2).map(async (path) => {
  const report = await validateBytes(new Uint8Array(readFileSync(path)));
  found[path] = report.issues.messages.filter((issue) => issue.severity === 0).map((issue) => issue.code);
})).then(() => console.log(JSON.stringify(found)));
"""

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]


def write_files(figures: dict[str, str], out: Path, prints: dict[str, list[str]]) -> Path:
    """Export in a Blender of its own."""
    request = {"figures": figures, "prints": prints, "detail_mm": DETAIL_mm}
    (out / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-m", "tests.integration.output_files", str(out / "request.json"), str(out)]
    with (out / "log.txt").open("wb") as log:
        done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, timeout=500, check=False)
    assert done.returncode == 0, (out / "log.txt").read_text(encoding="utf-8")[-2000:]
    return out


@pytest.fixture(scope="module")
def written(imported_results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a humanoid, a quadruped and a thing."""
    results = json.loads(imported_results.read_text(encoding="utf-8"))
    out = tmp_path_factory.mktemp("output")
    return write_files({name: results[name]["folder"] for name in NAMES}, out, PRINTS)


@pytest.fixture(scope="session")
def validator() -> Path:
    """Khronos' validator, installed once outside the checkout."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js with npm is not there: Khronos' validator cannot run")
    module = CACHE / "node_modules" / "gltf-validator"
    if not module.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), VALIDATOR]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode:
            pytest.skip(f"Khronos' validator could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    return module


def errors_of(validator: Path, files: list[Path]) -> dict[str, list[str]]:
    """By the file's name."""
    command = ["node", "-e", _SCRIPT, str(validator), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return {Path(path).name: found for path, found in json.loads(done.stdout).items()}


def document_of(path: Path) -> dict[str, Any]:
    """The JSON of a binary glTF."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<I", content, 12)
    return json.loads(content[20 : 20 + length])


def test_khronos_validator_finds_no_error(written: Path, validator: Path, tmp_path: Path) -> None:
    files = sorted([*written.glob("*.glb"), *written.glob("*.vrm")])
    assert len(files) == 2 * len(NAMES) + 1
    assert errors_of(validator, files) == {path.name: [] for path in files}
    spoilt = tmp_path / "spoilt.glb"
    spoilt.write_bytes(files[0].read_bytes().replace(b'"VEC3"', b'"VEC9"'))
    assert errors_of(validator, [spoilt])["spoilt.glb"]


def test_only_a_humanoid_becomes_a_vrm_or_a_unity_avatar(written: Path) -> None:
    assert [path.name for path in written.glob("*.vrm")] == ["fox_kid_VRM.vrm"]
    assert [path.name for path in written.glob("*UNITY*")] == ["fox_kid_UNITY.fbx"]
    assert len(list(written.glob("*_UNREAL.fbx"))) == len(NAMES)


def parents_of(document: dict[str, Any]) -> dict[int, int]:
    """Of each node."""
    return {child: node for node, entry in enumerate(document["nodes"]) for child in entry.get("children", ())}


def check_humanoid(document: dict[str, Any]) -> None:
    """Every bone that is wanted, none twice, each below the one that it belongs to; straight up and facing +Z."""
    bones = {role: entry["node"] for role, entry in humanoid_of(document).items()}
    assert set(bones) >= VRM_REQUIRED and len(set(bones.values())) == len(bones)
    parents = parents_of(document)

    def above(node: int) -> list[int]:
        return [node, *above(parents[node])] if node in parents else [node]

    spine = [bones[role] for role in ("head", "neck", "upperChest", "chest", "spine", "hips") if role in bones]
    assert [node for node in above(bones["head"]) if node in spine] == spine
    for side in ("left", "right"):
        for parts, end in ((("Foot", "LowerLeg", "UpperLeg"), "hips"), (("Hand", "LowerArm", "UpperArm"), "spine")):
            chain = [bones[f"{side}{part}"] for part in parts] + [bones[end]]
            assert [node for node in above(chain[0]) if node in chain] == chain
    places = {role: place_of(document, parents, node) for role, node in bones.items()}
    assert places["leftHand"][0] > places["leftUpperArm"][0] > 0 > places["rightUpperArm"][0] > places["rightHand"][0]
    assert places["head"][1] > places["hips"][1] > places["leftFoot"][1] > 0
    for side in ("left", "right"):
        arm = places[f"{side}Hand"] - places[f"{side}UpperArm"]
        assert abs(arm[0]) > 0.99 * np.linalg.norm(arm)
        if f"{side}Toes" in places:
            assert places[f"{side}Toes"][2] > places[f"{side}Foot"][2]


def humanoid_of(document: dict[str, Any]) -> dict[str, Any]:
    return document["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]


def place_of(document: dict[str, Any], parents: dict[int, int], node: int) -> np.ndarray:
    """(3,) in the file's world; nodes that are scaled are a fault here."""
    entry = document["nodes"][node]
    assert np.allclose(entry.get("scale", 1.0), 1.0, atol=1e-4)
    own = trimesh.transformations.quaternion_matrix(np.roll(entry.get("rotation", (0, 0, 0, 1)), 1))
    own[:3, 3] = entry.get("translation", (0, 0, 0))
    while node in parents:
        node = parents[node]
        entry = document["nodes"][node]
        outer = trimesh.transformations.quaternion_matrix(np.roll(entry.get("rotation", (0, 0, 0, 1)), 1))
        outer[:3, 3] = entry.get("translation", (0, 0, 0))
        own = outer @ own
    return own[:3, 3]


def test_a_vrm_has_every_bone_where_it_belongs(written: Path) -> None:
    check_humanoid(document_of(written / "fox_kid_VRM.vrm"))


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the measuring data is not there: {SHARED}")
def test_rigs_of_others_become_humanoids(validator: Path, tmp_path: Path) -> None:
    """Known by their bones' names alone; one of them has feet that hang on no leg."""
    folders = {name: str(SHARED / "dev_assets" / name / "rigged.glb") for name in ASSETS}
    write_files(folders, tmp_path, {})
    files = sorted([*tmp_path.glob("*.glb"), *tmp_path.glob("*.vrm")])
    assert len(files) == 3 * len(ASSETS)
    assert errors_of(validator, files) == {path.name: [] for path in files}
    for name in ASSETS:
        assert (tmp_path / f"{name}_UNITY.fbx").is_file()
        check_humanoid(document_of(tmp_path / f"{name}_VRM.vrm"))


@pytest.mark.parametrize(("name", "file"), SOLIDS)
def test_a_print_is_one_closed_solid_of_its_height(written: Path, name: str, file: str) -> None:
    mesh = trimesh.load(written / f"{name}_{file}")
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert mesh.body_count == 1
    assert mesh.bounds[0][2] == 0.0 and mesh.bounds[1][2] == HEIGHT_mm
    is_flat = (mesh.triangles[:, :, 2] == 0.0).all(axis=1)
    touching = float(mesh.area_faces[is_flat].sum())
    if file != "NONE.stl":
        assert touching > 50.0  # mm²
        assert (mesh.face_normals[is_flat] @ [0, 0, -1] > 0.999).all()
    if file == "PLATE.stl":
        rim = mesh.vertices[mesh.vertices[:, 2] == 0.0]
        middle = mesh.center_mass[:2] - rim[:, :2].mean(axis=0)
        assert np.linalg.norm(middle) < np.ptp(rim[:, :2], axis=0).min() / 2  # it does not fall over


def test_a_print_is_the_posed_figure(written: Path) -> None:
    """No further off than a voxel anywhere, and half a one at all but a hundredth of the places."""
    mesh = trimesh.load(written / "fox_kid_NONE.stl")
    with np.load(written / "fox_kid.npz") as arrays:
        vertices, triangles = arrays["vertices"], arrays["triangles"]
    vertices = vertices - [*(vertices.min(axis=0) + vertices.max(axis=0))[:2] / 2, vertices[:, 2].min()]
    vertices *= HEIGHT_mm / vertices[:, 2].max()
    offs_mm = np.sqrt(igl.point_mesh_squared_distance(np.asarray(mesh.vertices), vertices, triangles)[0])
    assert offs_mm.max() < DETAIL_mm
    assert np.percentile(offs_mm, 99) < DETAIL_mm / 2
    assert abs(mesh.volume / trimesh.Trimesh(vertices, triangles).volume - 1) < 0.02


def test_a_3mf_is_the_same_solid_in_millimetres(written: Path) -> None:
    """Read by the rules of its specification."""
    path = written / "fox_kid_PLATE.3mf"
    with zipfile.ZipFile(path) as package:
        assert package.testzip() is None
        assert {"[Content_Types].xml", "_rels/.rels", "3D/3dmodel.model"} == set(package.namelist())
        model = ElementTree.fromstring(package.read("3D/3dmodel.model"))
    assert model.attrib["unit"] == "millimeter"
    vertices = np.array([[float(found.attrib[axis]) for axis in "xyz"] for found in model.iter(f"{CORE}vertex")])
    triangles = np.array([[int(found.attrib[f"v{at}"]) for at in (1, 2, 3)] for found in model.iter(f"{CORE}triangle")])
    assert [item.attrib["objectid"] for item in model.iter(f"{CORE}item")] == ["1"]
    solid = trimesh.Trimesh(vertices, triangles, process=False)
    assert solid.is_watertight and solid.is_winding_consistent and solid.volume > 0
    assert np.ptp(vertices[:, 2]) == HEIGHT_mm
    stl = trimesh.load(written / "fox_kid_PLATE.stl")
    assert abs(solid.volume - stl.volume) < 1e-4 * stl.volume
