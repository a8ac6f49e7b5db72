# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of tiny real stages, and what goes into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference_server.core.digest import digest
from inference_server.core.pipeline import Pipeline
from inference_server.core.types import Mesh, SceneMesh, SceneObject, Skeleton, SourceImage
from tests.unit.core.tiny_stages import Workshop, new_pipeline


@pytest.fixture
def workshop(tmp_path: Path, tiny_skeleton: Skeleton, sphere: Mesh) -> Workshop:
    folder = tmp_path / "work"
    folder.mkdir()
    return Workshop(folder, tiny_skeleton, sphere)


@pytest.fixture
def pipeline(workshop: Workshop, tmp_path: Path) -> Pipeline:
    return new_pipeline(workshop, tmp_path)


@pytest.fixture
def source() -> SourceImage:
    rgba = np.random.default_rng(2).integers(0, 256, (8, 9, 4), dtype=np.uint8)
    return SourceImage(rgba, digest(rgba))


@pytest.fixture
def scene(tmp_path: Path, box: Mesh) -> SceneMesh:
    path = tmp_path / "box.obj"
    path.write_bytes(b"the file")
    return SceneMesh(box, (SceneObject("box", len(box.vertices)),), path)
