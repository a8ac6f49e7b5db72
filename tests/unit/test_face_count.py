# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that are far too large are refused by what their files announce."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from inference_server.core.cache import StageCache
from inference_server.errors import MeshInvalid
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.face_count import announced_faces
from inference_server.stages.scene import MOST_TEXTURED_FACES, read_scene

BALL = trimesh.creation.icosphere(subdivisions=2)


@pytest.mark.parametrize("suffix", ["ply", "stl", "obj", "glb"])
def test_faces_are_counted_without_reading_them(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ball.{suffix}"
    BALL.export(path)
    assert announced_faces(path) == len(BALL.faces)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("stl", b"solid ascii\nfacet normal 0 0 1\n"),
        ("ply", b"ply\nelement face 99999999\nend_header\n"),  # more than its bytes can hold
        ("glb", b"glTF\x02\0\0\0" + bytes(8)),
        ("glb", b"glTF"),
        ("obj", b""),
        ("fbx", b"Kaydara FBX Binary"),
    ],
)
def test_what_a_damaged_file_announces_is_nothing(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    assert announced_faces(path) == 0


def test_faces_on_the_edge_of_a_portion_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\n" + "f 1 1 1\n" * 40)
    for size in range(1, 12):
        monkeypatch.setattr("inference_server.stages.face_count._CHUNK_BYTES", size)
        assert announced_faces(path) == 40, size


def test_five_million_faces_are_refused_before_blender_is_started(tmp_path: Path) -> None:
    path = tmp_path / "huge.stl"
    count = 5_000_000
    with path.open("wb") as stream:
        stream.write(bytes(80) + np.uint32(count).tobytes())
        stream.truncate(84 + 50 * count)
    nowhere = BlenderProcess(tmp_path / "no-blender", tmp_path / "work")
    cache = StageCache(tmp_path / "cache", 1 << 30)
    with pytest.raises(MeshInvalid, match="5,000,000 triangles; 1,000,000 are the most"):
        read_scene(path, nowhere, cache, lambda: None, most_faces=MOST_TEXTURED_FACES)
    assert not (tmp_path / "work").exists()
