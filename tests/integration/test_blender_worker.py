# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blender worker's verbs, run in real Blender processes on models made in code."""

from __future__ import annotations

import importlib.util
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from inference_server.core.exchange import Exchange
from tests.integration.blender_worker_cases import (
    BONE_DOCUMENT,
    PREVIEW_PX,
    bind_request,
    export_request,
    make_scene_files,
    pillar,
    run_worker,
)
from tests.integration.inspector import inspect

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]

SCENE_FILES = ("scene.fbx", "scene.glb", "scene.obj")
EXACT = 1e-5


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The pillar's export: request, result, and what Blender finds in its files."""
    request = export_request()
    code, result = run_worker(tmp_path_factory.mktemp("export"), "export", request)
    assert code == 0, result.document
    fbx, glb = inspect(Path(result.files["asset.fbx"]), Path(result.files["asset.glb"]))
    return {"request": request, "result": result, "fbx": fbx, "glb": glb}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """scene.fbx, .glb and .obj: what was put in, what `read` gives, what `bind` gives, what its FBX holds."""
    folder = tmp_path_factory.mktemp("scenes")
    expected = make_scene_files(folder)

    def run(name: str) -> tuple[Exchange, Exchange]:
        path = folder / name
        codes_and_results = [run_worker(_new(folder / f"{name}-read"), "read", Exchange(document={"path": str(path)}))]
        request = bind_request(path, codes_and_results[0][1])
        codes_and_results.append(run_worker(_new(folder / f"{name}-bind"), "bind", request))
        assert [code for code, _result in codes_and_results] == [0, 0], codes_and_results
        return codes_and_results[0][1], codes_and_results[1][1]

    with ThreadPoolExecutor(2) as pool:
        runs = dict(zip(SCENE_FILES, pool.map(run, SCENE_FILES), strict=True))
    found = inspect(*(Path(bound.files["asset.fbx"]) for _read, bound in runs.values()))
    return {
        "expected": expected,
        "read": {name: read for name, (read, _bound) in runs.items()},
        "bound": {name: bound for name, (_read, bound) in runs.items()},
        "found": dict(zip(SCENE_FILES, found, strict=True)),
    }


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_fbx_holds_one_mesh_bound_to_one_armature(exported: dict[str, Any]) -> None:
    (armature,), (mesh,) = exported["fbx"]["armatures"], exported["fbx"]["meshes"]
    assert (armature["name"], mesh["name"]) == ("Ein Bär: 1_rig", "Ein Bär: 1")
    assert mesh["parent"] == armature["name"]
    assert mesh["modifiers"] == [["ARMATURE", armature["name"]]]
    assert np.allclose(armature["matrix"], np.eye(4), atol=EXACT)
    vertices, faces, uv = pillar()
    assert np.allclose(mesh["vertices"], vertices, atol=EXACT)
    assert np.array_equal(mesh["polygons"], faces)
    assert np.allclose(np.reshape(mesh["uv"], uv.shape), uv, atol=EXACT)


def test_the_fbx_holds_the_bones_as_asked(exported: dict[str, Any]) -> None:
    bones = {bone["name"]: bone for bone in exported["fbx"]["armatures"][0]["bones"]}
    names, arrays = BONE_DOCUMENT["bones"], exported["request"].arrays
    parents = [None if parent < 0 else names[parent] for parent in arrays["parents"]]
    assert [bones[name]["parent"] for name in names] == parents
    assert len(bones) == len(names)
    assert np.allclose([bones[name]["head"] for name in names], arrays["heads"], atol=EXACT)
    leaves = [index for index in range(len(names)) if index not in arrays["parents"]]
    assert np.allclose([bones[names[leaf]]["tail"] for leaf in leaves], arrays["tails"][leaves], atol=EXACT)


def test_blender_holds_the_bones_as_asked(exported: dict[str, Any]) -> None:
    for name in ("heads", "tails", "rolls"):
        assert np.allclose(exported["result"].arrays[name], exported["request"].arrays[name], atol=EXACT), name


@pytest.mark.parametrize("kind", ["fbx", "glb"])
def test_weights_survive(exported: dict[str, Any], kind: str) -> None:
    vertices = exported["request"].arrays["vertices"]
    wanted = _dense(exported["request"])
    (mesh,) = exported[kind]["meshes"]
    # glTF cuts the mesh along its seams: the vertices are told by their places.
    distances = np.linalg.norm(np.array(mesh["vertices"])[:, None] - vertices[None], axis=2)
    assert distances.min(axis=1).max() < EXACT
    origin = distances.argmin(axis=1)
    found = np.array([[row.get(name, 0.0) for name in BONE_DOCUMENT["bones"]] for row in mesh["weights"]])
    assert np.allclose(found, wanted[origin], atol=EXACT)
    assert set(origin.tolist()) == set(range(len(vertices)))


@pytest.mark.parametrize("kind", ["fbx", "glb"])
def test_the_texture_is_embedded(exported: dict[str, Any], kind: str) -> None:
    (image,) = exported[kind]["images"]
    assert image["size"] == [64, 64]
    assert image["packed_bytes"] > 0
    assert image["deviation"] > 0.1


@pytest.mark.parametrize("kind", ["fbx", "glb"])
def test_the_origin_travels_along(exported: dict[str, Any], kind: str) -> None:
    for owner in (*exported[kind]["armatures"], *exported[kind]["meshes"]):
        assert owner["properties"]["figurine_version"] == "0.0.1"
        assert BONE_DOCUMENT["provenance"]["source_sha256"] in owner["properties"]["figurine_provenance"]


def test_the_glb_has_the_bones_and_their_roles(exported: dict[str, Any]) -> None:
    (armature,) = exported["glb"]["armatures"]
    bones = {bone["name"]: bone for bone in armature["bones"]}
    heads = [bones[name]["head"] for name in BONE_DOCUMENT["bones"]]
    assert np.allclose(heads, exported["request"].arrays["heads"], atol=EXACT)
    roles = [bones[name]["properties"]["figurine_role"] for name in BONE_DOCUMENT["bones"]]
    assert roles == BONE_DOCUMENT["roles"]


def test_the_preview_shows_the_whole_figure(exported: dict[str, Any]) -> None:
    rgb = np.asarray(Image.open(io.BytesIO(Path(exported["result"].files["preview.png"]).read_bytes())).convert("RGB"))
    assert rgb.shape == (PREVIEW_PX, PREVIEW_PX, 3)
    saturation = rgb.max(axis=2).astype(int) - rgb.min(axis=2)
    rows, columns = np.nonzero(saturation > 60)
    assert 0.7 * PREVIEW_PX < np.ptp(rows) < 0.95 * PREVIEW_PX
    assert rows.min() > 2 and rows.max() < PREVIEW_PX - 3
    assert abs((columns.min() + columns.max()) / 2 - PREVIEW_PX / 2) < 3
    corners = rgb[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 200


@pytest.mark.parametrize("name", SCENE_FILES)
def test_read_finds_every_object_in_its_place(scenes: dict[str, Any], name: str) -> None:
    read, expected = scenes["read"][name], scenes["expected"]
    document, arrays = read.document, read.arrays
    assert [item["name"] for item in document["objects"]] == ["crate", "post"]
    assert [item["materials"] for item in document["objects"]] == [item["materials"] for item in expected]
    assert all(item["has_uv"] for item in document["objects"])
    assert (document["rig"] is not None) == (name != "scene.obj")
    assert np.bincount(arrays["object_index"]).tolist() == [item["vertex_count"] for item in document["objects"]]
    for index, item in enumerate(expected):
        mine = arrays["vertices"][arrays["object_index"] == index]
        assert _largest_gap(mine, np.array(item["vertices"])) < 2e-5
        assert _largest_gap(np.array(item["vertices"]), mine) < 2e-5
    _vertices, bounds = arrays["vertices"], np.array(document["bounds"])
    assert np.array_equal(bounds, [_vertices.min(axis=0), _vertices.max(axis=0)])


@pytest.mark.parametrize("name", SCENE_FILES)
def test_read_gives_closed_surfaces_that_face_outward(scenes: dict[str, Any], name: str) -> None:
    """Mirrored objects too: their faces would otherwise be inside out."""
    arrays = scenes["read"][name].arrays
    assert arrays["faces"].shape == (24, 3) and arrays["uv"].shape == (24, 3, 2)
    for index in (0, 1):
        mine = arrays["faces"][arrays["object_index"][arrays["faces"][:, 0]] == index]
        surface = trimesh.Trimesh(arrays["vertices"], mine, process=True)
        assert surface.is_watertight and surface.volume > 0.1


@pytest.mark.parametrize("name", SCENE_FILES)
def test_bind_keeps_shapes_faces_uvs_materials_and_normals(scenes: dict[str, Any], name: str) -> None:
    meshes = {mesh["name"]: mesh for mesh in scenes["found"][name]["meshes"]}
    assert sorted(meshes) == ["crate", "post"]
    for expected in scenes["expected"]:
        found = meshes[expected["name"]]
        assert found["materials"] == expected["materials"]
        if name != "scene.glb":  # glTF knows triangles only
            assert [len(polygon) for polygon in found["polygons"]] == [4] * 6
        wanted, got = _corners(expected), _corners(found)
        gaps = np.linalg.norm(wanted[:, None, :5] - got[None, :, :5], axis=2)  # place and UV tell a corner
        assert gaps.min(axis=1).max() < 1e-4
        assert np.abs(wanted[:, 5:] - got[gaps.argmin(axis=1), 5:]).max() < 0.01


@pytest.mark.parametrize("name", SCENE_FILES)
def test_bind_leaves_one_armature_of_its_own(scenes: dict[str, Any], name: str) -> None:
    found, arrays = scenes["found"][name], scenes["bound"][name].arrays
    (armature,) = found["armatures"]
    assert armature["name"] == "bound_rig"
    heads = {bone["name"]: bone["head"] for bone in armature["bones"]}
    assert np.allclose([heads[bone] for bone in BONE_DOCUMENT["bones"]], arrays["heads"], atol=2e-5)
    assert len(heads) == len(BONE_DOCUMENT["bones"])
    for mesh in found["meshes"]:
        assert mesh["parent"] == "bound_rig"
        assert mesh["modifiers"] == [["ARMATURE", "bound_rig"]]
        assert np.allclose([sum(row.values()) for row in mesh["weights"]], 1.0, atol=EXACT)
        assert {bone for row in mesh["weights"] for bone in row} <= set(BONE_DOCUMENT["bones"])


@pytest.mark.parametrize("name", SCENE_FILES)
def test_bind_gives_each_vertex_its_row(scenes: dict[str, Any], name: str) -> None:
    read = scenes["read"][name]
    wanted = _dense(bind_request(Path("unused"), read))
    for index, item in enumerate(read.document["objects"]):
        mesh = next(mesh for mesh in scenes["found"][name]["meshes"] if mesh["name"] == item["name"])
        rows = read.arrays["object_index"] == index
        assert np.allclose(mesh["vertices"], read.arrays["vertices"][rows], atol=2e-5)
        found = [[row.get(bone, 0.0) for bone in BONE_DOCUMENT["bones"]] for row in mesh["weights"]]
        assert np.allclose(found, wanted[rows], atol=EXACT)


@pytest.mark.parametrize("name", SCENE_FILES)
def test_bind_keeps_pictures(scenes: dict[str, Any], name: str) -> None:
    assert scenes["bound"][name].document["lost_pictures"] == []
    assert all(image["size"] == [32, 32] and image["packed_bytes"] for image in scenes["found"][name]["images"])
    assert scenes["found"][name]["images"]


def _dense(request: Exchange) -> np.ndarray:
    """(V, J) weights of a request's skin."""
    indices, weights = request.arrays["skin_indices"], request.arrays["skin_weights"]
    dense = np.zeros((len(indices), len(request.document["bones"])))
    np.add.at(dense, (np.arange(len(indices))[:, None], indices), weights)
    return dense


def _largest_gap(points: np.ndarray, others: np.ndarray) -> float:
    return float(np.linalg.norm(points[:, None] - others[None], axis=2).min(axis=1).max())


def _corners(mesh: dict[str, Any]) -> np.ndarray:
    """(L, 8) place, UV and normal of every face corner."""
    places = np.array([mesh["vertices"][vertex] for polygon in mesh["polygons"] for vertex in polygon])
    return np.hstack([places, mesh["uv"], mesh["normals"]])
