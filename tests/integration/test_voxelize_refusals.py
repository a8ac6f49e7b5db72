# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine voxelize, disturbed: bad input, a kill, an interrupt. One clear sentence, and nothing is left behind."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from inference_server.cli import main
from tests.integration.jobs import ROOT, TIMEOUT_S, assert_refused, command, report_of
from tests.integration.voxel_runs import voxelized

pytestmark = pytest.mark.blender


def assert_voxelize_refused(arguments: list[str], out: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused in one line that holds the word, with nothing in the data folder's work."""
    assert_refused(["voxelize", *arguments], out, word, capsys)
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
        (["--symmetry", "top"], "invalid choice"),
        (["--style", "pyramid"], "invalid choice"),
        (["--gap", "0.9"], "0 to 0.5"),
        (["--glow", "nan"], "glow is nan"),
        (["--print-height", "0"], "print's height is 0"),
        (["--print-height", "80", "--style", "brick"], "style cube"),
        (["--print-height", "80", "--print-wall", "-1"], "print's wall is -1"),
    ],
)
def test_an_unusable_setting_is_refused(
    more: list[str], word: str, own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", encoding="utf-8")
    assert_voxelize_refused([str(tmp_path / "mesh.obj"), *more], tmp_path / "out", word, capsys)


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
    assert_voxelize_refused([str(tmp_path / "mesh.obj"), *more], tmp_path / "out", word, capsys)


@pytest.mark.full
def test_more_voxels_than_a_vox_file_holds(own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mesh.obj").write_text(CUBE, encoding="utf-8")
    more = ["--size", "300", "--formats", "vox"]
    assert_voxelize_refused([str(tmp_path / "mesh.obj"), *more], tmp_path / "out", "leave vox out", capsys)


def test_what_is_no_mesh_is_refused(own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = ROOT / "examples/adventurer.png"
    assert_voxelize_refused([str(tmp_path / "none.glb")], tmp_path / "out", "does not exist", capsys)
    assert_voxelize_refused([str(picture)], tmp_path / "out", "OBJ, GLB", capsys)
    assert_voxelize_refused([str(tmp_path)], tmp_path / "out", "is a folder", capsys)
    shutil.copy(picture, tmp_path / "mesh.glb")
    assert_voxelize_refused([str(tmp_path / "mesh.glb")], tmp_path / "out", "is not GLB", capsys)


def test_the_mesh_itself_is_never_replaced(own_home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = tmp_path / "fox.obj"
    mesh.write_text(CUBE, encoding="utf-8")
    assert main(["voxelize", str(mesh), "--out", str(tmp_path), "--name", "fox", "--formats", "obj"]) == 2
    assert "would be replaced" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} <= {"fox.obj", "home"}
    assert mesh.read_text(encoding="utf-8") == CUBE


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    """A mesh that is fine."""
    path = tmp_path / "cube.obj"
    path.write_text(CUBE, encoding="utf-8")
    return path


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


def check_kill(mesh: Path, folder: Path, moment_s: float) -> None:
    """Killed then, it leaves no result; the next run is whole and clears what was left."""
    with start(mesh, folder / "out", folder / "home") as process:
        children = children_of(process)
        time.sleep(moment_s)
        process.kill()
        process.communicate()
    wait_for_end(children)
    names = {path.name for path in (folder / "out").iterdir()} if (folder / "out").exists() else set()
    if "report.json" not in names:
        assert not names
    undisturbed = voxelized(mesh, folder / "undisturbed", folder / "home", "--formats", "vox")
    out = voxelized(mesh, folder / "out", folder / "home", "--formats", "vox")
    assert report_of(out)["digests"] == report_of(undisturbed)["digests"]


def test_killed_in_the_middle_it_leaves_nothing_that_stays(cube: Path, tmp_path: Path) -> None:
    check_kill(cube, tmp_path, 1.0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(6))
def test_kill_storm(seed: int, cube: Path, tmp_path: Path) -> None:
    check_kill(cube, tmp_path, random.Random(seed).uniform(0, 3))


def test_a_killed_worker_is_said_and_an_interrupt_leaves_nothing(cube: Path, tmp_path: Path) -> None:
    with start(cube, tmp_path / "out", tmp_path / "home") as process:
        children = children_of(process)
        for child in children:
            child.kill()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.decode().count("\n") == 1, said.decode()
    assert not (tmp_path / "out").exists()
    with start(cube, tmp_path / "out", tmp_path / "home") as process:
        children = children_of(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.decode() == "figurine: Stopped: nothing was written. Run the same command to begin again.\n"
    wait_for_end(children)
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "home" / "work").iterdir()) == []
