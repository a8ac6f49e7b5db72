# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft's rig stage: what it keeps between corrections, and that this changes nothing but the time."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from inference_server.core.digest import digest
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import Mesh, Rig, RigInput, Skeleton
from inference_server.stages.rig import draft
from inference_server.stages.rig.draft import DraftRig


def ball(radius: float = 1.0) -> Mesh:
    made = trimesh.creation.icosphere(subdivisions=2, radius=radius)
    return Mesh(np.asarray(made.vertices, np.float32), np.asarray(made.faces, np.int32))


def bones(bend: float) -> Skeleton:
    heads = np.array([[0, -0.8, 0], [0, bend, 0]], np.float32)
    tails = np.array([[0, bend, 0], [0, 0.8, 0]], np.float32)
    parents = np.array([-1, 0], np.int32)
    return Skeleton(("root", "tip"), ("root", "chain"), parents, heads, tails, np.zeros(2, np.float32), "generic")


def run(stage: DraftRig, mesh: Mesh, skeleton: Skeleton) -> Rig:
    return stage.run(RigInput(mesh, skeleton), RunContext("rig", "draft", 0, {"kind": "auto"}, Control()))


@pytest.fixture
def stage() -> DraftRig:
    made = DraftRig()
    made.load(Device())
    return made


@pytest.fixture
def prepared(stage: DraftRig, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vertices each mesh had that was prepared, in order."""
    counts = []
    prepare = stage._weights.prepare_mesh

    def count(vertices: np.ndarray, faces: np.ndarray) -> object:
        counts.append(len(vertices))
        return prepare(vertices, faces)

    monkeypatch.setattr(stage._weights, "prepare_mesh", count)
    return counts


def test_a_correction_finds_its_mesh_prepared_and_gets_the_same_weights(stage: DraftRig, prepared: list[int]) -> None:
    warm = [run(stage, ball(), bones(bend)) for bend in (0.0, 0.2, 0.0)]
    assert len(prepared) == 1
    stage.unload()
    cold = run(stage, ball(), bones(0.2))
    assert len(prepared) == 2
    assert digest(warm[1]) == digest(cold)
    assert digest(warm[0]) == digest(warm[2]) != digest(cold)


def test_only_so_many_vertices_are_kept(stage: DraftRig, prepared: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(ball().vertices)
    monkeypatch.setattr(draft, "_KEPT_VERTICES", 2 * size)
    for radius in (1.0, 2.0, 1.0, 3.0, 1.0, 2.0):  # the third mesh drives out the second, which was used before
        run(stage, ball(radius), bones(0.0))
    assert len(prepared) == 4
    monkeypatch.setattr(draft, "_KEPT_VERTICES", size - 1)
    run(stage, ball(4.0), bones(0.0))
    assert not stage._meshes


def test_another_kind_of_the_same_mesh_is_found_in_the_same_solid(
    stage: DraftRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    find = stage._skeleton.find_solid
    monkeypatch.setattr(stage._skeleton, "find_solid", lambda *mesh: looked.append(mesh) or find(*mesh))
    made = {kind: run_kind(stage, kind) for kind in ("generic", "humanoid", "none")}
    assert len(looked) == 1
    assert [rig.skeleton.kind for rig in made.values()] == ["generic", "humanoid", "none"]
    stage.unload()
    assert digest(run_kind(stage, "humanoid")) == digest(made["humanoid"])
    assert len(looked) == 2


def run_kind(stage: DraftRig, kind: str) -> Rig:
    return stage.run(RigInput(ball()), RunContext("rig", "draft", 0, {"kind": kind}, Control()))
