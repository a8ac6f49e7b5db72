# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, end to end: real pictures, real Blender."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from inference_server.core.rig_document import SCHEMA_PATH, read_skeleton
from tests.integration.jobs import ROOT, Done, assert_sound, figurine, inspect_assets, report_of, write_exchange_arrays

pytestmark = pytest.mark.blender

EXAMPLES = {
    "adventurer.png": "humanoid",
    "fox_kid.png": "humanoid",
    "pup.png": None,
    "lantern.png": None,
    "robot.jpg": None,
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The examples, made once: output folder by picture; the home is beside them."""
    root = tmp_path_factory.mktemp("figures")
    folders = {}
    for picture in EXAMPLES:
        folder = root / Path(picture).stem
        done = figurine("run", ROOT / "examples" / picture, "--out", folder, home=root / "home")
        assert done.exit_code == 0, done.stderr
        assert done.stderr == ""
        folders[picture] = folder
    return folders


def test_every_example_becomes_a_sound_figure(figures: dict[str, Path], tmp_path: Path) -> None:
    asked = []
    for picture, folder in figures.items():
        name = Path(picture).stem
        home = folder.parent / "home"
        write_exchange_arrays(tmp_path / f"{name}.npz", home, report_of(folder))
        asked.append(
            {"fbx": str(folder / f"{name}.fbx"), "rig": str(folder / "rig.json"), "skin": str(tmp_path / f"{name}.npz")}
        )
    for picture, seen in zip(figures, inspect_assets(asked, tmp_path), strict=True):
        assert_sound(seen, report_of(figures[picture])["kind"]["value"])


def test_figures_of_two_legs_are_humanoids(figures: dict[str, Path]) -> None:
    for picture, kind in EXAMPLES.items():
        if kind is not None:
            assert report_of(figures[picture])["kind"]["value"] == kind, picture


def test_only_the_declared_files_are_written(figures: dict[str, Path]) -> None:
    folder = figures["adventurer.png"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "adventurer.fbx",
        "adventurer.glb",
        "preview.png",
        "report.json",
        "rig.json",
    ]
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


def test_nothing_of_the_current_folder_is_run(figures: dict[str, Path], tmp_path: Path) -> None:
    """A stray random.py beside the picture must not be taken for Python's own by the Blender worker."""
    (tmp_path / "random.py").write_text("raise SystemExit('code of the current folder was run')", encoding="utf-8")
    program = Path(sys.executable).with_name("figurine")
    environment = os.environ | {"FIGURINE_HOME": str(tmp_path / "home")}
    picture = ROOT / "examples/lantern.png"
    done = subprocess.run(
        [program, "run", picture, "--out", "out"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "lantern.fbx").exists()


def test_neural_is_refused_in_one_sentence(tmp_path: Path) -> None:
    done: Done = figurine(
        "run", ROOT / "examples/pup.png", "--out", tmp_path / "out", "--engine", "neural", home=tmp_path / "home"
    )
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "neural" in done.stderr
    assert not (tmp_path / "out").exists()
