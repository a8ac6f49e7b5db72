# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the figurine command as a user would, and inspects what it made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference_server.core.cache import StageCache
from inference_server.core.frames import to_blender
from inference_server.core.types import Rig

ROOT = Path(__file__).resolve().parents[2]
INSPECTOR = Path(__file__).with_name("asset_inspector.py")
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


def report_of(folder: Path) -> dict[str, Any]:
    """The folder's report.json."""
    document: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return document


def kept_result(home: Path, report: Mapping[str, Any], stage: str) -> Any:
    """What the stage cache holds for a stage of this report."""
    key = next(record["key"] for record in report["stages"] if record["stage"] == stage)
    return StageCache(home / "cache", 1 << 40).get(key)["result"]


def write_exchange_arrays(path: Path, home: Path, report: Mapping[str, Any]) -> None:
    """The arrays that Blender was given, as an npz for the inspector: vertices in Blender's frame, indices, weights."""
    request = kept_result(home, report, "rig")
    assert isinstance(request, Rig)
    np.savez(path, indices=request.skin.indices, weights=request.skin.weights, vertices=final_vertices(home, report))


def final_vertices(home: Path, report: Mapping[str, Any]) -> np.ndarray:
    """(V, 3) float32, Blender's frame, at the final size."""
    from inference_server.core.assemble import stand_on_ground

    textured, rig = kept_result(home, report, "texture"), kept_result(home, report, "rig")
    standing, _ = stand_on_ground(textured, rig, report["settings"]["height_m"])
    return to_blender(standing.mesh.vertices)


def inspect_assets(assets: list[dict[str, str]], scratch: Path) -> list[dict[str, Any]]:
    """Open FBX files in one Blender process; see asset_inspector.py."""
    request, answer = scratch / "inspect.json", scratch / "inspected.json"
    request.write_text(json.dumps({"assets": assets}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(INSPECTOR), str(request), str(answer)], capture_output=True, text=True, timeout=1800
    )
    assert answer.exists(), done.stderr[-2000:]
    inspected: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8"))
    return inspected


def assert_sound(seen: Mapping[str, Any], kind: str) -> None:
    """Everything that a finished figure must hold."""
    assert (seen["armatures"], seen["meshes"], seen["objects"], seen["actions"]) == (1, 1, 2, 0)
    assert seen["modifiers"] == [["ARMATURE", True]]
    assert seen["is_child"]
    assert np.allclose(seen["scales"], 1.0, atol=1e-6)
    assert seen["unweighted"] == 0
    assert seen["weight_sum_error"] < 1e-5
    assert seen["influences"] <= 4
    assert seen["weight_error"] < 1e-5
    assert seen["vertex_error"] < 1e-5
    assert seen["pictures"] and min(seen["pictures"][0]) >= 1024
    assert seen["grey_spread"] > 0.01
    assert seen["names_equal"]
    assert seen["parents_equal"]
    assert seen["head_error"] < 1e-5
    assert seen["leaf_tail_error"] < 1e-5
    assert (seen["open_edges"], seen["crowded_edges"]) == (0, 0)
    assert seen["stiff_bones"] == []
    low, high = np.array(seen["low"]), np.array(seen["high"])
    assert abs(low[2]) < 1e-4
    size = (high - low)[2] if kind == "humanoid" else (high - low).max()
    assert abs(size - (1.7 if kind == "humanoid" else 1.0)) < 1e-3
