# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, end to end: real pictures, real Blender."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from inference_server.core.rig_document import SCHEMA_PATH, read_skeleton
from tests.integration.inspector import inspect
from tests.integration.jobs import ROOT, Done, assert_sound, figurine, report_of, share_stages

pytestmark = pytest.mark.blender

# Blender reads no PYTHONPATH, has bpy at hand before the script runs, and leaves its own arguments in sys.argv.
STAND_IN = """#!{python} -I
import runpy, sys
import bpy
assert sys.argv[1:4] == ["-b", "--factory-startup", "--python"] and sys.argv[5] == "--", sys.argv
runpy.run_path(sys.argv[4], run_name="__main__")
"""
EXAMPLES = {
    "adventurer.png": "humanoid",
    "fox_kid.png": "humanoid",
    "pup.png": None,
    "lantern.png": None,
    "robot.jpg": None,
}


def result_names(stem: str) -> list[str]:
    return [f"{stem}.fbx", f"{stem}.glb", "preview.png", "rig.json", "report.json"]


def assert_said(said: str, report: dict[str, Any]) -> None:
    """The console says what the report says: engines, what body it was taken for, every warning."""
    lines = said.splitlines()
    for stage in report["stages"]:
        assert [line.split()[:2] for line in lines].count([stage["stage"], stage["engine"]]) == 1
    kind = report["kind"]
    assert f"kind       {kind['value']}, {kind['confidence']:.0%} sure" in lines
    for warning in report["warnings"]:
        assert f"warning    {warning['stage']}: {warning['sentence']}" in lines
    for reason in {stage["fallback_reason"] for stage in report["stages"]} - {""}:
        assert any(line.startswith("why draft") and line.endswith(f": {reason}") for line in lines), reason


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The examples, made once: output folder by picture; the home is beside them."""
    root = tmp_path_factory.mktemp("figures")
    share_stages(root / "home")
    folders = {}
    for picture in EXAMPLES:
        folder = root / Path(picture).stem
        done = figurine("run", ROOT / "examples" / picture, "--out", folder, home=root / "home")
        assert done.exit_code == 0, done.stderr
        assert done.stdout.split() == [str(folder / name) for name in result_names(Path(picture).stem)]
        assert_said(done.stderr, report_of(folder))
        folders[picture] = folder
    return folders


def test_every_example_becomes_a_sound_figure(figures: dict[str, Path]) -> None:
    files = [folder / f"{Path(picture).stem}.fbx" for picture, folder in figures.items()]
    for folder, seen in zip(figures.values(), inspect(*files, is_posed=True), strict=True):
        assert_sound(seen, folder, folder.parent / "home")


def test_figures_of_two_legs_are_humanoids(figures: dict[str, Path]) -> None:
    for picture, kind in EXAMPLES.items():
        if kind is not None:
            assert report_of(figures[picture])["kind"]["value"] == kind, picture


def test_only_the_declared_files_are_written(figures: dict[str, Path]) -> None:
    folder = figures["adventurer.png"]
    assert {path.name for path in folder.iterdir()} == set(result_names("adventurer"))
    assert list((folder.parent / "home" / "work").iterdir()) == []


def test_rig_json_keeps_its_schema_and_reads_back(figures: dict[str, Path]) -> None:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    for folder in figures.values():
        document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema)
        assert read_skeleton(folder / "rig.json").names == tuple(bone["name"] for bone in document["bones"])


def test_the_report_tells_engine_time_memory_and_guesses(figures: dict[str, Path]) -> None:
    report = report_of(figures["adventurer.png"])
    assert report["engine"] == "draft"
    assert [stage["stage"] for stage in report["stages"]] == ["normalize", "geometry", "texture", "rig", "export"]
    for stage in report["stages"]:
        assert stage["seconds"] > 0
        assert 10_000_000 < stage["peak_bytes"] < 2 << 30
        assert stage["engine"] == ("blender" if stage["stage"] == "export" else "draft")
        assert bool(stage["fallback_reason"]) == (stage["stage"] != "export")
    assert set(report["digests"]) == {"mesh", "texture", "skeleton", "weights"}
    assert any("draft" in warning["sentence"] for warning in report["warnings"])


def test_the_preview_shows_the_figure(figures: dict[str, Path]) -> None:
    for folder in figures.values():
        with Image.open(folder / "preview.png") as picture:
            pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
        assert min(pixels.shape[:2]) >= 256
        corner, middle = pixels[:20, :20].mean(axis=(0, 1)), pixels[pixels.shape[0] // 3 : -pixels.shape[0] // 3]
        assert np.abs(middle - corner).max() > 60


def test_the_same_input_gives_the_same_digests_in_a_fresh_home(figures: dict[str, Path], tmp_path: Path) -> None:
    done = figurine("run", ROOT / "examples/adventurer.png", "--out", tmp_path / "again", home=tmp_path / "home")
    assert done.exit_code == 0, done.stderr
    assert report_of(tmp_path / "again")["digests"] == report_of(figures["adventurer.png"])["digests"]


def test_a_second_run_reuses_every_stage_and_another_kind_only_the_rig_is_redone(
    figures: dict[str, Path], tmp_path: Path
) -> None:
    home = figures["adventurer.png"].parent / "home"
    picture = ROOT / "examples/adventurer.png"

    def reused(*more: str) -> list[bool]:
        done = figurine("run", picture, "--out", tmp_path, *more, home=home)
        assert done.exit_code == 0, done.stderr
        return [stage["reused"] for stage in report_of(tmp_path)["stages"]]

    assert reused() == [True] * 5
    assert reused("--kind", "generic") == [True, True, True, False, False]
    assert reused("--height", "0.5") == [True, True, True, True, False]


def test_height_name_and_kind_are_obeyed(figures: dict[str, Path], tmp_path: Path) -> None:
    home = figures["pup.png"].parent / "home"
    picture = ROOT / "examples/pup.png"
    done = figurine(
        "run", picture, "--out", tmp_path, "--kind", "none", "--height", "0.25", "--name", "Mr. Pup/..", home=home
    )
    assert done.exit_code == 0, done.stderr
    document = json.loads((tmp_path / "rig.json").read_text(encoding="utf-8"))
    assert [bone["name"] for bone in document["bones"]] == ["root"]
    box = document["bounding_box"]
    assert max(np.subtract(box["max"], box["min"])) == pytest.approx(0.25, abs=1e-5)
    assert (tmp_path / "Mr_Pup.fbx").exists()


@pytest.fixture(params=["installed", "stand-in"])
def blender_program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An installed Blender, and the bpy module behind the part of its command line that we use."""
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("the bpy module, which looks into the files, is not installed")
    if request.param == "installed":
        installed = os.environ.get("FIGURINE_BLENDER") or shutil.which("blender")
        if installed is None:
            pytest.skip("no Blender is installed: neither FIGURINE_BLENDER nor a blender on the PATH")
        return Path(installed)
    if os.name == "nt":
        pytest.skip("scripts are no programs on Windows")
    program = tmp_path / "blender"
    program.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return program


def test_a_blender_program_exports_the_same(figures: dict[str, Path], tmp_path: Path, blender_program: Path) -> None:
    home = figures["lantern.png"].parent / "home"
    done = figurine(
        *("run", ROOT / "examples/lantern.png", "--out", tmp_path / "out", "--name", blender_program.parent.name),
        home=home,
        environment={"FIGURINE_BLENDER": str(blender_program)},
    )
    assert done.exit_code == 0, done.stderr
    report = report_of(tmp_path / "out")
    assert [stage["reused"] for stage in report["stages"]] == [True] * 4 + [False]
    assert report["digests"] == report_of(figures["lantern.png"])["digests"]
    (file,) = (tmp_path / "out").glob("*.fbx")
    (seen,) = inspect(file, is_posed=True)
    assert_sound(seen, tmp_path / "out", home)


def test_nothing_of_the_current_folder_is_run(figures: dict[str, Path], tmp_path: Path) -> None:
    """A stray random.py beside the picture must not be taken for Python's own by the Blender worker."""
    (tmp_path / "random.py").write_text("raise SystemExit('code of the current folder was run')", encoding="utf-8")
    program = Path(sys.executable).with_name("figurine")
    environment = os.environ | {"FIGURINE_HOME": str(share_stages(tmp_path / "home"))}
    picture = ROOT / "examples/lantern.png"
    words = ["--name", "astray"]  # that no Blender has exported before
    done = subprocess.run(
        [program, "run", picture, "--out", "out", *words], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "astray.fbx").exists()


def test_neural_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done: Done = figurine(
        "run", ROOT / "examples/pup.png", "--out", tmp_path / "out", "--engine", "neural", home=tmp_path / "home"
    )
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "figurine weights fetch" in done.stderr
    assert not (tmp_path / "out").exists()
