# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the figurine command as a user would, and judges what it made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from inference_server.cli import main
from inference_server.core.cache import StageCache
from inference_server.core.frames import to_blender
from inference_server.core.types import Rig

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300


@dataclass(frozen=True)
class Done:
    """A finished command."""

    exit_code: int
    stdout: str
    stderr: str


def command(*arguments: str | Path) -> list[str]:
    """The figurine command line with these arguments."""
    return [sys.executable, "-m", "inference_server", *map(str, arguments)]


def figurine(*arguments: str | Path, home: Path, environment: Mapping[str, str] | None = None) -> Done:
    """Run to the end."""
    done = subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=os.environ | {"FIGURINE_HOME": str(home)} | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def share_stages(home: Path) -> Path:
    """Make this a data folder whose stage cache all tests of a run share: what one test had computed is there for the
    others. For tests of what comes after the stages; not for those that stop one of them in the middle.
    """
    stages = Path(os.environ.get("TESTS_STAGE_CACHE", home.with_name("stages")))
    stages.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, mode=0o700)
    (home / "cache").symlink_to(stages, target_is_directory=True)
    return home


def report_of(folder: Path) -> dict[str, Any]:
    """The folder's report.json."""
    document: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return document


def kept_result(home: Path, report: Mapping[str, Any], stage: str) -> Any:
    """What the stage cache holds for a stage of this report."""
    key = next(record["key"] for record in report["stages"] if record["stage"] == stage)
    return StageCache(home / "cache", 1 << 40).get(key)["result"]


def final_vertices(home: Path, report: Mapping[str, Any]) -> np.ndarray:
    """(V, 3) float32, Blender's frame, at the final size."""
    from inference_server.core.assemble import stand_on_ground

    textured, rig = kept_result(home, report, "texture"), kept_result(home, report, "rig")
    standing, _ = stand_on_ground(textured, rig, report["settings"]["height_m"])
    return to_blender(standing.mesh.vertices)


# Blender keeps a bone as direction and roll: one that points almost at the viewer moves its children by 0.02 mm.
BONE_TOLERANCE_m = 3e-5


def assert_sound(seen: Mapping[str, Any], folder: Path, home: Path) -> None:
    """Everything that a finished figure must hold. seen: its FBX, inspected and posed; home: where its stages lie."""
    report = report_of(folder)
    assert (len(seen["armatures"]), len(seen["meshes"]), seen["objects"], seen["actions"]) == (1, 1, 2, 0)
    (armature,), (mesh,) = seen["armatures"], seen["meshes"]
    assert mesh["modifiers"] == [["ARMATURE", armature["name"]]]
    assert mesh["parent"] == armature["name"]
    assert np.allclose([mesh["scale"], armature["scale"]], 1.0, atol=1e-6)
    (picture,) = (image for image in seen["images"] if image["packed_bytes"])
    assert min(picture["size"]) >= 1024
    assert picture["deviation"] > 0.01
    assert seen["stiff_bones"] == []
    _assert_bones(armature, json.loads((folder / "rig.json").read_text(encoding="utf-8"))["bones"])
    _assert_weights(mesh, kept_result(home, report, "rig"))
    vertices = np.array(mesh["vertices"])
    assert np.abs(vertices - final_vertices(home, report)).max() < 1e-5
    assert trimesh.Trimesh(vertices, mesh["polygons"], process=False).is_watertight
    _assert_size(vertices, report["kind"]["value"])


def _assert_bones(armature: Mapping[str, Any], document: Sequence[Mapping[str, Any]]) -> None:
    """Names, parents, heads of all bones, and tails of the last ones: FBX stores no others."""
    found = {bone["name"]: bone for bone in armature["bones"]}
    parents = {bone["parent"] for bone in document}
    assert set(found) == {bone["name"] for bone in document}
    for bone in document:
        assert found[bone["name"]]["parent"] == bone["parent"]
        assert np.abs(np.subtract(found[bone["name"]]["head"], bone["head"])).max() < BONE_TOLERANCE_m
        if bone["name"] not in parents:
            assert np.abs(np.subtract(found[bone["name"]]["tail"], bone["tail"])).max() < BONE_TOLERANCE_m


def _assert_weights(mesh: Mapping[str, Any], rig: Rig) -> None:
    column = {name: place for place, name in enumerate(rig.skeleton.names)}
    found = np.zeros((len(mesh["weights"]), len(column)))
    for row, weights in zip(found, mesh["weights"], strict=True):
        for name, weight in weights.items():
            row[column[name]] = weight
    wanted = np.zeros_like(found)
    np.add.at(wanted, (np.arange(len(wanted))[:, None], rig.skin.indices), rig.skin.weights)
    assert np.abs(found - wanted).max() < 1e-5
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-5
    assert (found > 0).sum(axis=1).max() <= 4


def _assert_size(vertices: np.ndarray, kind: str) -> None:
    size = np.ptp(vertices, axis=0)
    assert abs(vertices[:, 2].min()) < 1e-4
    measured = size[2] if kind == "humanoid" else size.max()
    assert abs(measured - (1.7 if kind == "humanoid" else 1.0)) < 1e-3


def assert_refused(arguments: list[str], out: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line that holds the word, no output folder."""
    try:
        exit_code = main([*arguments, "--out", str(out)])
    except SystemExit as stop:  # argparse
        exit_code = int(stop.code or 0)
    said = capsys.readouterr()
    assert exit_code == 2, said.err
    assert said.out == ""
    assert said.err.count("\n") == 1 and said.err.startswith("figurine"), said.err
    assert word.lower() in said.err.lower()
    assert "Traceback" not in said.err
    assert not out.exists()
