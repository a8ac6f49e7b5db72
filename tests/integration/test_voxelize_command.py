# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine voxelize: a mesh in, a figure of voxels out, in every format."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import trimesh
from PIL import Image

from inference_server.cli import main
from tests.integration.inspector import inspect
from tests.integration.jobs import ROOT, TIMEOUT_S, command, figurine, report_of
from tests.unit.voxel.vox_reader import VoxFile

pytestmark = pytest.mark.blender

SIZE = 24
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


def voxelized(mesh: Path, out: Path, home: Path, *more: str) -> Path:
    """The output folder of a run that must succeed and say nothing."""
    done = figurine("voxelize", mesh, "--out", out, "--size", str(SIZE), "--quiet", *more, home=home)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    assert {Path(line) for line in done.stdout.splitlines()} == set(out.iterdir())
    assert list((home / "work").iterdir()) == []
    return out


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


def glb_document(path: Path) -> dict[str, Any]:
    """The JSON in a binary glTF."""
    content = path.read_bytes()
    return json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])


def test_the_same_mesh_gives_the_same_voxels(figure: Path, meshes: Path, home: Path, tmp_path: Path) -> None:
    again = voxelized(meshes / "posable.glb", tmp_path, home, "--formats", "vox,ply")
    assert report_of(again)["digests"] == report_of(figure)["digests"]
    for name in ("posable_voxels.vox", "posable_voxels.ply"):
        assert (again / name).read_bytes() == (figure / name).read_bytes()


def assert_refused(arguments: list[str], out: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line that holds the word, no output folder, nothing in the data folder's work."""
    try:
        exit_code = main(["voxelize", *arguments, "--out", str(out)])
    except SystemExit as stop:  # argparse
        exit_code = int(stop.code or 0)
    said = capsys.readouterr()
    assert exit_code == 2, said.err
    assert said.out == ""
    assert said.err.count("\n") == 1 and said.err.startswith("figurine"), said.err
    assert word.lower() in said.err.lower()
    assert "Traceback" not in said.err
    assert not out.exists()
    work = Path(os.environ["FIGURINE_HOME"]) / "work"
    assert not work.exists() or list(work.iterdir()) == []


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty data folder for commands of this process."""
    monkeypatch.setenv("FIGURINE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--size", "0"], "size is 0"),
        (["--size", "10000"], "1 to 512"),
        (["--size", "tall"], "invalid int"),
        (["--rig", "rubber"], "invalid choice"),
        (["--colour", "loud"], "invalid choice"),
        (["--openings", "some"], "invalid choice"),
        (["--wall", "-1"], "wall is -1"),
        (["--palette", "1"], "2 to 255"),
        (["--palette", "256"], "2 to 255"),
        (["--palette", "figurine-17"], "no palette 'figurine-17'"),
        (["--palette", "none.png"], "does not exist"),
        (["--formats", "fbx,blend"], "formats"),
        (["--formats", ","], "formats"),
    ],
)
def test_an_unusable_setting_is_refused(
    more: list[str], word: str, own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", encoding="utf-8")
    assert_refused([str(tmp_path / "mesh.obj"), *more], tmp_path / "out", word, capsys)


CUBE = "".join(f"v {x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1)) + (
    "f 1 2 4 3\nf 5 7 8 6\nf 1 5 6 2\nf 3 4 8 7\nf 1 3 7 5\nf 2 6 8 4\n"
)
LOST_PICTURE = "mtllib mesh.mtl\n" + CUBE.replace("f ", "usemtl lost\nf ", 1)
BAD_MESHES = {
    "no faces": ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", [], "no faces"),
    "not a number": (CUBE.replace("v 1 1 1", "v 1 nan 1"), [], "not finite"),
    "one point": ("v 1 1 1\n" * 3 + "f 1 2 3\n", [], "no extent"),
    "no area": ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", [], "has an area"),
    "zero bytes": ("", [], "zero bytes"),
    "a picture that is missing": (LOST_PICTURE, [], "gone.png"),
    "a palette of one colour": (CUBE, ["--palette", "one.png"], "only one colour"),
    "wider than a grid": (CUBE.replace("v 1", "v 7"), ["--size", "512"], "so wide"),
}


@pytest.mark.parametrize("case", BAD_MESHES)
def test_a_bad_mesh_is_refused(
    case: str, own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, more, word = BAD_MESHES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh.obj").write_text(content, encoding="utf-8")
    (tmp_path / "mesh.mtl").write_text("newmtl lost\nmap_Kd gone.png\n", encoding="utf-8")
    Image.new("RGB", (4, 4), (9, 9, 9)).save(tmp_path / "one.png")
    assert_refused([str(tmp_path / "mesh.obj"), *more], tmp_path / "out", word, capsys)


@pytest.mark.full
def test_more_voxels_than_a_vox_file_holds(own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mesh.obj").write_text(CUBE, encoding="utf-8")
    more = ["--size", "300", "--formats", "vox"]
    assert_refused([str(tmp_path / "mesh.obj"), *more], tmp_path / "out", "leave vox out", capsys)


def test_what_is_no_mesh_is_refused(own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = ROOT / "examples/adventurer.png"
    assert_refused([str(tmp_path / "none.glb")], tmp_path / "out", "does not exist", capsys)
    assert_refused([str(picture)], tmp_path / "out", "OBJ, GLB", capsys)
    assert_refused([str(tmp_path)], tmp_path / "out", "is a folder", capsys)
    shutil.copy(picture, tmp_path / "mesh.glb")
    assert_refused([str(tmp_path / "mesh.glb")], tmp_path / "out", "is not GLB", capsys)


def test_the_mesh_itself_is_never_replaced(own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = tmp_path / "fox.obj"
    mesh.write_text(CUBE, encoding="utf-8")
    assert main(["voxelize", str(mesh), "--out", str(tmp_path), "--name", "fox", "--formats", "obj"]) == 2
    assert "would be replaced" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} <= {"fox.obj", "home"}
    assert mesh.read_text(encoding="utf-8") == CUBE


def start(mesh: Path, out: Path, home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("voxelize", mesh, "--out", out, "--size", "96"),
        cwd=ROOT,
        env=os.environ | {"FIGURINE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Those that the command has once Blender is one of them."""
    deadline = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        children = psutil.Process(process.pid).children(recursive=True)
        if any("blender_worker" in " ".join(child.cmdline()) for child in children if child.is_running()):
            return children
        time.sleep(0.02)
    raise AssertionError("Blender was never started")


def wait_for_end(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive, "a worker outlived its parent"


def check_kill(meshes: Path, folder: Path, moment_s: float, digests: dict[str, str]) -> None:
    """Killed then, it leaves no result; the next run is whole and clears what was left."""
    with start(meshes / "posable.glb", folder / "out", folder / "home") as process:
        children = children_of(process)
        time.sleep(moment_s)
        process.kill()
        process.communicate()
    wait_for_end(children)
    names = {path.name for path in (folder / "out").iterdir()} if (folder / "out").exists() else set()
    if "report.json" not in names:
        assert not names
    out = voxelized(meshes / "posable.glb", folder / "out", folder / "home", "--formats", "vox")
    assert report_of(out)["digests"] == digests


def test_killed_in_the_middle_it_leaves_nothing_that_stays(figure: Path, meshes: Path, tmp_path: Path) -> None:
    check_kill(meshes, tmp_path, 1.0, report_of(figure)["digests"])


@pytest.mark.full
@pytest.mark.parametrize("seed", range(6))
def test_kill_storm(seed: int, figure: Path, meshes: Path, tmp_path: Path) -> None:
    check_kill(meshes, tmp_path, random.Random(seed).uniform(0, 3), report_of(figure)["digests"])


def test_a_killed_worker_is_said_and_an_interrupt_leaves_nothing(meshes: Path, tmp_path: Path) -> None:
    with start(meshes / "posable.glb", tmp_path / "out", tmp_path / "home") as process:
        children = children_of(process)
        for child in children:
            child.kill()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.decode().count("\n") == 1, said.decode()
    assert not (tmp_path / "out").exists()
    with start(meshes / "posable.glb", tmp_path / "out", tmp_path / "home") as process:
        children = children_of(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.decode() == "figurine: Stopped: nothing was written. Run the same command to begin again.\n"
    wait_for_end(children)
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "home" / "work").iterdir()) == []


def test_the_report_is_json_that_people_can_read(figure: Path) -> None:
    text = (figure / "report.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    assert text.startswith("{\n  ")
    assert set(document["steps"]) == {"import", "voxelize", "static files", "fbx", "glb", "preview"}
