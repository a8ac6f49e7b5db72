# SPDX-License-Identifier: GPL-3.0-or-later
"""Every bone moves one connected region: a tube that bends, and skins that tear it or leave a bone idle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import trimesh

from inference_server.core.motion import asset_problems, motion_problems
from inference_server.core.types import Mesh, Rig, Skeleton, Skin


def tube() -> Mesh:
    """Upright, 2 high, its middle at the origin."""
    shape = trimesh.creation.cylinder(0.2, 2.0, sections=16).subdivide().subdivide()
    return Mesh(shape.vertices[:, [1, 2, 0]].astype(np.float32), shape.faces)


def bent(mesh: Mesh) -> Rig:
    """Three bones, one above the other; each vertex follows the one that is level with it."""
    heads = np.array([[0, -1, 0], [0, -0.3, 0], [0, 0.4, 0]], np.float32)
    skeleton = Skeleton(
        ("low", "middle", "top"),
        ("root", "chain", "chain"),
        [-1, 0, 1],
        heads,
        heads + np.array([0, 0.5, 0]),
        [0, 0, 0],
        "generic",
    )
    level = np.searchsorted([-0.3, 0.4], mesh.vertices[:, 1])
    return Rig(skeleton, skin_of(level))


def skin_of(bones: np.ndarray) -> Skin:
    """Each vertex follows one bone."""
    indices = np.zeros((len(bones), 4), np.int32)
    indices[:, 0] = bones
    return Skin(indices, np.tile([1, 0, 0, 0], (len(bones), 1)))


def test_a_tube_that_bends_is_sound() -> None:
    mesh = tube()
    assert asset_problems(mesh, bent(mesh)) == []


def test_a_bone_that_moves_both_ends_tears_the_tube() -> None:
    mesh = tube()
    rig = bent(mesh)
    bones = rig.skin.indices[:, 0].copy()
    bones[mesh.vertices[:, 1] < -0.7] = 2
    found = motion_problems(mesh, replace(rig, skin=skin_of(bones)))
    assert found == ["Bones move places that are not joined: middle, top."]  # the middle one carries the top one along


def test_a_bone_of_two_separate_parts_tears_nothing() -> None:
    """A hand and the ring on it."""
    mesh = tube()
    rig = bent(mesh)
    ring = Mesh(
        np.concatenate([mesh.vertices, mesh.vertices * 0.2 + [3, 0.8, 0]]),
        np.concatenate([mesh.faces, mesh.faces + len(mesh.vertices)]),
    )
    bones = np.concatenate([rig.skin.indices[:, 0], np.full(len(mesh.vertices), 2)])
    assert motion_problems(ring, replace(rig, skin=skin_of(bones))) == []


def test_seams_of_normals_are_no_tears() -> None:
    mesh = tube()
    rig = bent(mesh)
    split = Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(mesh.faces.size).reshape(-1, 3))
    bones = rig.skin.indices[:, 0][mesh.faces].reshape(-1)
    assert motion_problems(split, replace(rig, skin=skin_of(bones))) == []


def test_a_bone_without_vertices_is_named_once_for_all_below_it() -> None:
    mesh = tube()
    rig = bent(mesh)
    idle = replace(rig, skin=skin_of(np.minimum(rig.skin.indices[:, 0], 1)))
    assert motion_problems(mesh, idle) == ["Bones move nothing: top."]
    # What has no vertices of its own still moves those of the bones above it.
    skipped = replace(rig, skin=skin_of(np.where(rig.skin.indices[:, 0] == 1, 2, rig.skin.indices[:, 0])))
    assert motion_problems(mesh, skipped) == []


def test_a_broken_skin_is_told_before_its_motion() -> None:
    mesh = tube()
    rig = bent(mesh)
    short = replace(rig, skin=Skin(rig.skin.indices[:-1], rig.skin.weights[:-1]))
    assert asset_problems(mesh, short) == [
        f"The skin has {len(mesh.vertices) - 1} rows for {len(mesh.vertices)} vertices."
    ]
