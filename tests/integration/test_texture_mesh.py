# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that an artist has is textured from a picture: from Blender and back, and by the command."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.integration.inspector import inspect
from tests.integration.jobs import ROOT, TIMEOUT_S, figurine, report_of
from tests.integration.server_process import Server
from tests.integration.test_addon_ui import archive, run

__all__ = ["archive"]  # a fixture

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("xatlas") is None, reason="xatlas has no wheel for this Python"),
]

RED, BLUE = np.array([220, 30, 20]), np.array([20, 40, 220])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the runner says."""
    scratch = tmp_path_factory.mktemp("dress")
    answer = scratch / "answer.json"
    command = [sys.executable, "-m", "tests.integration.texture_mesh_runner", str(scratch), str(answer)]
    ended = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=TIMEOUT_S)
    assert answer.exists(), ended.stderr[-3000:]
    document: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return document


def test_the_artists_mesh_is_as_it_was(done: dict[str, Any]) -> None:
    assert done["after"] == done["before"]
    assert done["layers"] == ["Mine", "Figurine"]


def test_colours_of_the_picture_are_where_it_shows_them(done: dict[str, Any]) -> None:
    faces = np.array(done["colours"]["faces"])
    away = faces[:, :3] - [3.0, 1.0, 0.5]
    is_front = away[:, 1] < -0.6  # seen from -Y
    for side, wanted in ((away[:, 0] < -0.2, RED), (away[:, 0] > 0.2, BLUE)):
        found = faces[is_front & side, 3:]
        assert len(found) > 8
        assert np.abs(found - wanted).max() < 12, found
    assert done["colours"]["packed"]


def test_how_much_the_picture_shows_is_said(done: dict[str, Any]) -> None:
    assert any(sentence.startswith("What was given shows 3") for sentence in done["notes"]), done["notes"]
    assert any("lie over each other" in sentence for sentence in done["notes"])


def test_the_way_back_is_kept(done: dict[str, Any]) -> None:
    assert done["materials"] == ["Skin", "Cloth", "Ball_textured"]
    assert done["fake_users"] == [True, True, False]
    assert done["slots_before"] == [index % 2 for index in range(len(done["slots_before"]))]
    assert done["slots_before_two"] == done["slots_before"]
    assert done["layers_of_two"] == ["Mine", "Figurine", "Figurine.001"]
    assert done["job"] == "7"


def test_a_mesh_that_was_changed_or_is_gone_is_told_and_left_alone(done: dict[str, Any]) -> None:
    changed, gone = done["troubles"]
    assert "Changed has other faces" in changed and "texture it again" in changed.lower()
    assert "Ball, which the texture was made for, is not in this scene" in gone
    assert not done["left_behind"]


def make_files(folder: Path) -> tuple[Path, Path]:
    """An OBJ of one box of quads beside a ball of triangles, and a picture of something else."""
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    lines = ["o box", *(f"v {x} {y} {z}" for x in (2, 3) for y in (0, 1) for z in (0, 1))]
    lines += ["f 1 3 4 2", "f 5 6 8 7", "f 1 2 6 5", "f 3 7 8 4", "f 2 4 8 6", "f 1 5 7 3", "o ball"]
    lines += [f"v {x} {y + 0.5} {z}" for x, y, z in ball.vertices.tolist()]
    lines += ["f " + " ".join(str(corner + 9) for corner in face) for face in ball.faces.tolist()]
    mesh, picture = folder / "things.obj", folder / "tower.png"
    mesh.write_text("\n".join(lines) + "\n")
    rgba = np.zeros((200, 200, 4), np.uint8)
    rgba[60:140, 10:190] = [200, 120, 10, 255]
    Image.fromarray(rgba).save(picture)
    return mesh, picture


@pytest.mark.full
def test_the_command_keeps_objects_and_faces_and_says_what_it_guessed(tmp_path: Path) -> None:
    mesh, picture = make_files(tmp_path)
    ended = figurine(
        "texture",
        mesh,
        picture,
        "--out",
        tmp_path / "out",
        "--engine",
        "draft",
        "--texture",
        "1024",
        home=tmp_path / "home",
    )
    assert ended.exit_code == 0, ended.stderr
    report = report_of(tmp_path / "out")
    assert [stage["stage"] for stage in report["stages"]] == ["normalize", "texture", "export"]
    assert report["kind"] is None and report["digests"].keys() == {"mesh", "texture"}
    assert any("another subject" in warning["sentence"] for warning in report["warnings"])
    names = {f"things_textured.{suffix}" for suffix in ("fbx", "glb", "png")}
    assert set(report["files"]) == {*names, "preview.png"}
    (seen,) = inspect(tmp_path / "out" / "things_textured.fbx")
    assert {item["name"]: sorted(map(len, item["polygons"]))[-1] for item in seen["meshes"]} == {"box": 4, "ball": 3}
    assert all(item["uv"] is not None for item in seen["meshes"])
    assert not seen["armatures"]


@pytest.mark.full
def test_a_served_job_paints_and_can_wait_for_its_cut_out(tmp_path: Path) -> None:
    mesh, picture = make_files(tmp_path)
    with Server(tmp_path / "home") as server:
        settings = {"engine": "draft", "texture_px": 1024, "pause_after": "normalize"}
        with mesh.open("rb") as first, picture.open("rb") as second:
            files = {"mesh": (mesh.name, first), "image": (picture.name, second)}
            made = server.request("POST", "/v1/jobs", files=files, data={"settings": json.dumps(settings)})
        job = server.wait(made.json()["id"], lambda job: job["state"] not in ("queued", "running"))
        assert job["state"] == "waiting" and [item["stage"] for item in job["stages"]] == ["normalize"]
        server.request("POST", f"/v1/jobs/{job['id']}/continue", json={})
        job = server.wait(job["id"])
        assert job["state"] == "done", job["error"]
        names = {item["name"] for item in job["artifacts"]}
        assert {"texture.png", "texture.npz", "figure.glb", "figure.fbx", "preview.png", "report.json"} <= names
        assert not {"rig.json", "weights.npz"} & names


@pytest.mark.full
def test_the_panel_textures_the_active_mesh(archive: Path, tmp_path: Path) -> None:
    run("addon_texture_cases.texture_selected_mesh", archive, tmp_path)
