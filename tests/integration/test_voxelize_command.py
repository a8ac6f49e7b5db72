# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine voxelize: a mesh in, a figure of voxels out, in every format."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.integration.inspector import inspect
from tests.integration.jobs import ROOT, report_of
from tests.integration.voxel_runs import SIZE, voxelized
from tests.unit.voxel.vox_reader import VoxFile

pytestmark = pytest.mark.blender

ALL_FORMATS = "fbx,glb,vox,ply,obj,stl"
SUFFIXES = (".fbx", ".glb", ".vox", ".ply", ".obj", ".stl", ".mtl", "_palette.png")
RED, GREEN, YELLOW, GREY = (204, 0, 0), (0, 153, 0), (255, 255, 0), (204, 204, 204)


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of make_posable.py and make_scene.py."""
    folder = tmp_path_factory.mktemp("meshes")
    for program in ("make_posable", "make_scene"):
        made = subprocess.run(
            [sys.executable, "-m", f"tests.integration.{program}", str(folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert (folder / ("body.vox" if program == "make_posable" else "scene.obj")).exists(), made.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of all runs."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def figure(meshes: Path, home: Path) -> Path:
    """All formats of the rig with three objects."""
    return voxelized(meshes / "posable.glb", meshes / "glb", home, "--formats", ALL_FORMATS, "--mm")


def vox_of(folder: Path) -> dict[tuple[int, ...], tuple[int, ...]]:
    (path,) = folder.glob("*.vox")
    return {cell: colour[:3] for cell, colour in VoxFile(path.read_bytes()).voxels.items()}


def from_lowest(vox: dict[tuple[int, ...], tuple[int, ...]]) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The same voxels where the figure begins; its grid may be a column wider."""
    low = np.array(list(vox)).min(0)
    return {tuple((np.array(cell) - low).tolist()): colour for cell, colour in vox.items()}


def painted_cells(folder: Path, mesh: trimesh.Trimesh, colours: np.ndarray) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The cell below the first corner of each triangle, and the triangle's colour. mesh: +Z up."""
    edge = report_of(folder)["voxels"]["edge_m"]
    corners = mesh.vertices[mesh.faces]
    along = [corners[:, other] - corners[:, 0] for other in (1, 2)]
    inside = corners[:, 0] + sum(0.2 * edge * side / np.linalg.norm(side, axis=1, keepdims=True) for side in along)
    places = (inside - 0.5 * edge * mesh.face_normals - mesh.vertices.min(0)) / edge
    cells = np.floor(places).astype(int)
    return {tuple(cell): tuple(colour) for cell, colour in zip(cells.tolist(), colours.tolist(), strict=True)}


def assert_as_in_vox(folder: Path, mesh: trimesh.Trimesh, colours: np.ndarray) -> None:
    seen, vox = painted_cells(folder, mesh, colours), from_lowest(vox_of(folder))
    assert len(seen) > 100
    assert all(vox[cell] == colour for cell, colour in seen.items())
    assert {RED, GREEN, YELLOW, GREY} <= set(seen.values())


def test_a_ply_has_each_faces_own_colour(figure: Path) -> None:
    mesh = trimesh.load(figure / "posable_voxels.ply", process=False)
    colours = mesh.visual.vertex_colors[mesh.faces][:, :, :3]
    assert (colours == colours[:, :1]).all()
    assert_as_in_vox(figure, mesh, colours[:, 0])


def test_an_obj_has_its_palette_beside_it(figure: Path) -> None:
    mesh = trimesh.load(figure / "posable_voxels.obj", process=False)
    upright = trimesh.Trimesh(
        np.stack([*mesh.vertices.T], axis=1)[:, [0, 2, 1]] * (1, -1, 1), mesh.faces, process=False
    )
    assert_as_in_vox(figure, upright, texels(mesh))


@pytest.mark.parametrize("suffix", [".glb"])
def test_a_glb_has_its_palette_in_it(figure: Path, suffix: str) -> None:
    (mesh,) = trimesh.load(figure / f"posable_voxels{suffix}", process=False).geometry.values()
    upright = trimesh.Trimesh(mesh.vertices[:, [0, 2, 1]] * (1, -1, 1), mesh.faces, process=False)
    assert_as_in_vox(figure, upright, texels(mesh))


def texels(mesh: trimesh.Trimesh) -> np.ndarray:
    """(F, 3): what the picture shows at each triangle's first corner."""
    material = mesh.visual.material
    picture = material.image if hasattr(material, "image") else material.baseColorTexture
    pixels = np.asarray(picture.convert("RGB"))
    uv = mesh.visual.uv[mesh.faces[:, 0]]
    return pixels[((1 - uv[:, 1]) * len(pixels)).astype(int), (uv[:, 0] * pixels.shape[1]).astype(int)]


def test_an_stl_is_in_millimetres_when_asked_for(figure: Path) -> None:
    stl, ply = (trimesh.load(figure / f"posable_voxels{suffix}") for suffix in (".stl", ".ply"))
    np.testing.assert_allclose(stl.bounds, ply.bounds * 1000, rtol=1e-6, atol=1e-3)
    solid = report_of(figure)["voxels"]
    assert stl.volume == pytest.approx(solid["solid"] * (solid["edge_m"] * 1000) ** 3, rel=1e-4)


def test_bones_move_the_voxels_and_nothing_is_lost(figure: Path, meshes: Path) -> None:
    before, *both = inspect(
        meshes / "posable.glb", figure / "posable_voxels.fbx", figure / "posable_voxels.glb", is_posed=True
    )
    old = {bone["name"]: bone for bone in before["armatures"][0]["bones"]}
    for seen in both:
        (armature,), (item,) = seen["armatures"], seen["meshes"]
        assert item["modifiers"] == [["ARMATURE", armature["name"]]]
        assert np.allclose([sum(row.values()) for row in item["weights"]], 1, atol=1e-5)
        assert {bone["name"]: bone["parent"] for bone in armature["bones"]} == {
            name: bone["parent"] for name, bone in old.items()
        }
        for bone in armature["bones"]:
            assert np.allclose(bone["head"], old[bone["name"]]["head"], atol=1e-4)
        assert seen["stiff_bones"] == []
        assert seen["actions"] == 0
        assert item["properties"]["figurine_version"]
        assert {image["name"] for image in seen["images"]} == {"posable_voxels_palette"}
        points = np.array(item["vertices"])
        hat = points[:, 2] > 1.5
        assert hat.any()
        assert all(
            row == {"head": pytest.approx(1)} for row, is_hat in zip(item["weights"], hat, strict=True) if is_hat
        )
        bounds = np.array([vertex for mesh in before["meshes"] for vertex in mesh["vertices"]])
        edge = report_of(figure)["voxels"]["edge_m"]
        assert np.allclose(points.min(0), bounds.min(0), atol=edge)
        assert np.allclose(points.max(0), bounds.max(0), atol=edge)


def test_the_report_says_what_was_made(figure: Path) -> None:
    report = report_of(figure)
    voxels, vox = report["voxels"], vox_of(figure)
    assert (report["format"], report["version"]) == ("figurine-voxel-report", 1)
    assert report["settings"]["size"] == voxels["grid"][2] == SIZE
    assert voxels["solid"] == len(vox)
    assert voxels["colours"] == len(set(vox.values()))
    assert voxels["bones"] == 3
    assert [warning["sentence"] for warning in report["warnings"]] == [
        "No bone of rig moves the object stone: it follows hips."
    ]
    for name, entry in report["files"].items():
        assert entry["bytes"] == (figure / name).stat().st_size
    assert set(report["files"]) == {
        "preview.png",
        *(f"posable_voxels{suffix}" for suffix in SUFFIXES),
    }
    with Image.open(figure / "preview.png") as picture:
        assert picture.size == (512, 512)
        assert np.asarray(picture.convert("RGB")).std() > 10


def test_the_voxels_are_those_of_the_operator(meshes: Path, home: Path, tmp_path: Path) -> None:
    out = voxelized(meshes / "body.glb", tmp_path / "out", home, "--formats", "vox")
    operators = {cell: colour[:3] for cell, colour in VoxFile((meshes / "body.vox").read_bytes()).voxels.items()}
    assert vox_of(out) == operators
    assert {path.name for path in out.iterdir()} == {"body_voxels.vox", "preview.png", "report.json"}
    assert report_of(out)["voxels"]["bones"] == 3


def test_a_rigged_fbx_of_ours_goes_in_again_and_the_bones_are_the_same(
    figure: Path, home: Path, tmp_path: Path
) -> None:
    out = voxelized(
        figure / "posable_voxels.fbx", tmp_path, home, "--rig", "blocky", "--formats", "fbx,vox", "--palette", "4"
    )
    before, after = inspect(figure / "posable_voxels.fbx", out / "posable_voxels_voxels.fbx")
    for old, new in zip(before["armatures"][0]["bones"], after["armatures"][0]["bones"], strict=True):
        assert (new["name"], new["parent"]) == (old["name"], old["parent"])
        for end in ("head", "tail"):
            assert np.allclose(new[end], old[end], atol=1e-4)
    (item,) = after["meshes"]
    assert all(len(row) == 1 for row in item["weights"])
    # A figure of voxels of the same size becomes itself.
    assert set(from_lowest(vox_of(out))) == set(from_lowest(vox_of(figure)))


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".fbx"])
def test_every_kind_of_mesh_becomes_voxels(suffix: str, meshes: Path, home: Path, tmp_path: Path) -> None:
    out = voxelized(meshes / f"scene{suffix}", tmp_path, home, "--formats", "vox,glb")
    report = report_of(out)
    assert report["voxels"]["bones"] == 0
    assert report["warnings"] == []
    if suffix in (".obj", ".fbx"):  # a red body and a blue hat
        colours = {cell[2] > 18: colour for cell, colour in vox_of(out).items()}
        assert colours[False] != colours[True]
    described = glb_document(out / "scene_voxels.glb")
    assert "skins" not in described
    assert len(described["meshes"]) == 1


def test_settings_change_what_they_say(meshes: Path, home: Path, tmp_path: Path) -> None:
    picture = np.zeros((1, 3, 4), np.uint8)
    picture[0] = (250, 0, 0, 255), (0, 250, 0, 255), (0, 0, 0, 0)
    Image.fromarray(picture).save(tmp_path / "two.png")
    chosen = voxelized(
        meshes / "body.glb", tmp_path / "a", home,
        "--formats", "vox,glb", "--palette", str(tmp_path / "two.png"), "--wall", "1", "--rig", "none",
        "--name", "Tree",
    )  # fmt: skip
    assert set(vox_of(chosen).values()) == {(250, 0, 0), (0, 250, 0)}
    assert len(vox_of(chosen)) < len(VoxFile((meshes / "body.vox").read_bytes()).voxels)
    assert "skins" not in glb_document(chosen / "Tree.glb")
    again = voxelized(meshes / "body.glb", tmp_path / "b", home, "--formats", "vox", "--palette", "figurine-16")
    assert report_of(again)["voxels"]["colours"] <= 16


def test_a_print_is_closed_and_as_high_as_asked(meshes: Path, home: Path, tmp_path: Path) -> None:
    out = voxelized(
        meshes / "body.glb", tmp_path, home, "--formats", "stl", "--print-height", "48", "--print-wall", "4"
    )
    mesh = trimesh.load(out / "body_voxels.stl")
    assert mesh.is_watertight
    assert 48 - 48 / SIZE - 1e-3 < mesh.extents[2] < 48 + 1e-3  # the tip may be too thin to fill the highest voxel
    voxels = report_of(out)["voxels"]
    assert mesh.volume == pytest.approx(voxels["solid"] * (48 / SIZE) ** 3, rel=1e-4)
    assert "walls of 4.00 mm" in voxels["print"]


def test_a_style_has_its_faces_in_every_mesh_file(meshes: Path, home: Path, tmp_path: Path) -> None:
    out = voxelized(
        meshes / "body.glb", tmp_path, home, "--formats", "glb,ply", "--style", "sphere", "--glow", "2", "--gap", "0.1"
    )
    voxels = report_of(out)["voxels"]
    assert voxels["bones"] == 3
    assert voxels["faces"] > 20 * voxels["visible"]
    assert len(trimesh.load(out / "body_voxels.ply", process=False).faces) > 20 * voxels["visible"]
    assert "skins" in glb_document(out / "body_voxels.glb")


def glb_document(path: Path) -> dict[str, Any]:
    """The JSON in a binary glTF."""
    content = path.read_bytes()
    return json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])


def test_the_same_mesh_gives_the_same_voxels(figure: Path, meshes: Path, home: Path, tmp_path: Path) -> None:
    again = voxelized(meshes / "posable.glb", tmp_path, home, "--formats", "vox,ply")
    assert report_of(again)["digests"] == report_of(figure)["digests"]
    for name in ("posable_voxels.vox", "posable_voxels.ply"):
        assert (again / name).read_bytes() == (figure / name).read_bytes()


def test_the_report_is_json_that_people_can_read(figure: Path) -> None:
    text = (figure / "report.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    assert text.startswith("{\n  ")
    assert set(document["steps"]) == {"import", "voxelize", "static files", "fbx", "glb", "preview"}
