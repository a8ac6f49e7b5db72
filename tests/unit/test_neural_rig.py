# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural rig stage by itself: odd meshes, odd settings, odd weights. Each failure is one clear sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

from safetensors.torch import load_file, save_file

from inference_server.core.frames import from_blender
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import Mesh, Rig, RigInput
from inference_server.core.validate import rig_problems
from inference_server.errors import Cancelled, FigurineError, RigFailed, WeightsCorrupt
from inference_server.stages.rig.neural import NeuralRig
from inference_server.weights import WeightStore, read_manifest
from models.unirig import autorig
from models.unirig.tokenizer import encode
from tests.integration.tiny_unirig import JOINTS, PARENTS, SKELETON_ID, SKIN_ID, save_dictated, save_tiny_unirig

# A cross of two bones that fits into every mesh here.
FEW, FEW_PARENTS = np.array([[0, 0, -0.5], [0, 0, 0.5]]), np.array([-1, 0])


@pytest.fixture(autouse=True)
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autorig, "SKELETON_POINTS", 400)


def stage_of(home: Path) -> NeuralRig:
    """With the weights that lie there, taken in as `figurine weights verify` does."""
    store = WeightStore(home / "weights", read_manifest())
    for weight_id in (SKELETON_ID, SKIN_ID):
        store.verify(weight_id, lambda count: None)
    stage = NeuralRig(store)
    stage.load(Device("cpu"))
    return stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> NeuralRig:
    home = tmp_path_factory.mktemp("home")
    save_tiny_unirig(home, FEW, FEW_PARENTS)
    return stage_of(home)


def context(control: Control | None = None, **settings: object) -> RunContext:
    chosen = {"kind": "auto", "beams": 1, "skin": "engine"} | settings
    return RunContext("rig", "neural", 0, chosen, control or Control())


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(from_blender(shape.vertices), shape.faces)


def rod() -> Mesh:
    return mesh_of(trimesh.creation.cylinder(0.05, 1.0, sections=8).subdivide().subdivide())


def run(stage: NeuralRig, mesh: Mesh, **settings: object) -> Rig:
    rig = stage.run(RigInput(mesh), context(**settings))
    assert rig_problems(rig, len(mesh.vertices)) == []
    return rig


def grid(count: int) -> trimesh.Trimesh:
    """A flat square of count² · 2 triangles in x and z."""
    side = np.linspace(-0.5, 0.5, count + 1)
    x, z = np.meshgrid(side, side, indexing="ij")
    number = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    return trimesh.Trimesh(np.stack([x, 0 * x, z], -1).reshape(-1, 3), faces, process=False)


def several() -> trimesh.Trimesh:
    parts = [trimesh.creation.box((0.1, 0.1, 0.2)).apply_translation((0, 0, height)) for height in (-0.4, 0, 0.4)]
    return trimesh.util.concatenate(parts)


def non_manifold() -> trimesh.Trimesh:
    """A box with a fin on one of its edges, one face twice, and a vertex that no face has."""
    box = trimesh.creation.box((0.2, 0.2, 1.0))
    vertices = np.concatenate([box.vertices, [[0.3, 0.1, 0.0], [5.0, 5.0, 5.0]]])
    edge = box.faces[0][:2]
    return trimesh.Trimesh(vertices, [*box.faces, box.faces[3], [*edge, 8]], process=False)


@pytest.mark.parametrize(
    "shape",
    [
        lambda: grid(12),
        several,
        non_manifold,
        lambda: trimesh.creation.cylinder(0.002, 1.0, sections=8),
        lambda: trimesh.creation.cylinder(0.05, 1.0, sections=8).apply_scale(1e-4),
        lambda: trimesh.creation.cylinder(0.05, 1.0, sections=8).apply_translation((300, -20, 50)),
    ],
    ids=["plane", "several parts", "non-manifold", "thread", "tiny", "far away"],
)
def test_odd_meshes_are_rigged(stage: NeuralRig, shape: Callable[[], trimesh.Trimesh]) -> None:
    mesh = mesh_of(shape())
    rig = run(stage, mesh)
    assert len(rig.skeleton.names) == 2
    size = float(np.ptp(mesh.vertices[np.unique(mesh.faces)], axis=0).max())
    middle = (mesh.vertices[np.unique(mesh.faces)].min(axis=0) + mesh.vertices[np.unique(mesh.faces)].max(axis=0)) / 2
    assert np.abs(rig.skeleton.heads[0] - (middle - [0, size / 4, 0])).max() < 0.01 * size + 1e-4


def test_a_mesh_without_area_is_one_sentence(stage: NeuralRig) -> None:
    line = Mesh(np.array([[0, 0, 0], [0, 1, 0], [0, 2, 0]]), np.array([[0, 1, 2]]))
    with pytest.raises(RigFailed, match="no surface with an area") as caught:
        stage.run(RigInput(line), context())
    assert str(caught.value).count("\n") == 0 and caught.value.hint


def test_one_bone_needs_no_network(stage: NeuralRig) -> None:
    rig = run(stage, rod(), kind="none")
    assert rig.skeleton.names == ("root",) and rig.skeleton.kind == "none"


def test_a_given_skeleton_is_kept_and_weighed(stage: NeuralRig) -> None:
    skeleton = run(stage, rod()).skeleton
    rig = stage.run(RigInput(rod(), skeleton), context())
    assert rig.skeleton is skeleton
    below = rod().vertices[:, 1] < -0.3
    assert (rig.skin.indices[below, 0] == 0).all()


def test_draft_weights_are_told(stage: NeuralRig) -> None:
    ctx = context(skin="draft")
    rig = stage.run(RigInput(rod()), ctx)
    assert rig_problems(rig, len(rod().vertices)) == [] and any("draft" in note for note in ctx.notes)


def test_a_skeleton_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    save_tiny_unirig(tmp_path)
    save_dictated(
        tmp_path / "weights" / SKELETON_ID, encode(np.array([[0, 0, 0], [0, 0, 0.02]]), FEW_PARENTS, None, {})[2:]
    )
    with pytest.raises(RigFailed, match="3 attempts gave no usable skeleton: all joints at one place") as caught:
        stage_of(tmp_path).run(RigInput(rod()), context())
    assert "draft engine" in caught.value.hint


def test_a_humanoid_gets_the_names_of_one(tmp_path: Path) -> None:
    save_tiny_unirig(tmp_path, JOINTS, PARENTS)
    stage = stage_of(tmp_path)
    box = mesh_of(trimesh.creation.box((1.0, 0.6, 2.0)))
    rig = stage.run(RigInput(box), context(skin="draft"))
    assert rig.skeleton.kind == "humanoid"
    heads = dict(zip(rig.skeleton.roles, rig.skeleton.heads, strict=True))
    for part in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot"):
        assert heads[f"left{part}"][0] > 0 > heads[f"right{part}"][0]
    ctx = context(skin="draft", kind="quadruped")
    assert stage.run(RigInput(box), ctx).skeleton.kind == "quadruped"
    assert any("A quadruped was asked for" in note for note in ctx.notes)


def cut(home: Path) -> None:
    path = home / "weights" / SKELETON_ID / "model.safetensors"
    weights = load_file(path)
    for key in ("model.transformer.lm_head.weight", "model.transformer.model.decoder.embed_tokens.weight"):
        weights[key] = weights[key][:266].clone()
    save_file(weights, path)


def forget(home: Path) -> None:
    path = home / "weights" / SKIN_ID / "model.safetensors"
    weights = load_file(path)
    del weights["model.qmesh.weight"]
    save_file(weights, path)


def configure(weight_id: str, change: dict[str, object]) -> Callable[[Path], None]:
    def write(home: Path) -> None:
        path = home / "weights" / weight_id / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return write


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "another tokenizer: it knows 266 tokens"),
        (forget, "qmesh.weight"),
        (configure(SKELETON_ID, {"vocab_size": 266}), "another shape"),
        (configure(SKIN_ID, {"heads_of_another_kind": 3}), "unknown heads_of_another_kind"),
        (configure(SKELETON_ID, {"llm": 7}), "cannot be used"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    save_tiny_unirig(tmp_path, FEW, FEW_PARENTS)
    spoil(tmp_path)
    with pytest.raises(WeightsCorrupt, match=said) as caught:
        stage_of(tmp_path).run(RigInput(rod()), context())
    assert "\n" not in str(caught.value) and "figurine weights" in str(caught.value)


def test_another_configuration_is_another_result_for_the_cache(tmp_path: Path) -> None:
    save_tiny_unirig(tmp_path, FEW, FEW_PARENTS)
    before = stage_of(tmp_path).requires.weight_digests
    configure(SKIN_ID, {"voxel_mask": 2.0})(tmp_path)
    assert stage_of(tmp_path).requires.weight_digests != before


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.9])
def test_it_can_be_cancelled_at_any_part(stage: NeuralRig, share: float) -> None:
    control = Control()

    def cancel(progress: object) -> None:
        if progress.fraction >= share:  # type: ignore[attr-defined]
            control.cancel()

    control.on_progress = cancel
    with pytest.raises(Cancelled):
        stage.run(RigInput(rod()), context(control))


def test_progress_never_goes_back(stage: NeuralRig) -> None:
    seen: list[float] = []
    control = Control(on_progress=lambda progress: seen.append(progress.fraction))
    stage.run(RigInput(rod()), context(control))
    assert seen == sorted(seen) and seen[0] < 0.1 and seen[-1] > 0.9


def test_errors_are_of_the_tree(stage: NeuralRig) -> None:
    broken = Mesh(np.full((4, 3), np.nan), np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 2, 3]]))
    with pytest.raises(FigurineError):
        stage.run(RigInput(broken), context())
