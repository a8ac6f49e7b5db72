# SPDX-License-Identifier: GPL-3.0-or-later
"""Validators: what every mesh, skeleton and skin must hold, whoever made it.

Each function returns the problems as sentences, an empty list when there are none; the caller raises the error that
fits its place in the chain.
"""

from __future__ import annotations

import numpy as np

from inference_server.core.types import Mesh, Rig, Skeleton, Skin, TexturedMesh

WEIGHT_SUM_TOLERANCE = 1e-5
# Shorter bones lose their direction in FBX's single precision.
_SHORTEST_BONE_SHARE = 1e-4
# Blender cuts longer names.
_LONGEST_NAME_BYTES = 63
_LISTED = 5
# Of the mesh's longest side: a sheet of paper is a body of this thickness.
_FLAT = 1e-3


def mesh_problems(mesh: Mesh) -> list[str]:
    """A surface at all: finite vertices, faces that name vertices, at least four of them with an area."""
    vertices, faces = mesh.vertices, mesh.faces
    if not len(faces):
        return ["The mesh has no faces."]
    if not np.isfinite(vertices).all():
        return [f"{int((~np.isfinite(vertices)).any(axis=1).sum())} vertices of the mesh are not finite numbers."]
    if faces.min() < 0 or faces.max() >= len(vertices):
        return ["Faces of the mesh name vertices that it does not have."]
    a, b, c = (vertices[faces[:, corner]].astype(np.float64) for corner in range(3))
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    size = float(np.ptp(vertices[faces].reshape(-1, 3).astype(np.float64), axis=0).max())
    sound = int((doubled_area > 1e-12 * max(size, 1e-30) ** 2).sum())
    if sound < 4:
        return [f"The mesh has {sound} triangle{'s' * (sound != 1)} with an area; a body needs at least four."]
    return []


def flatness_problems(mesh: Mesh) -> list[str]:
    """A sheet, however it stands: it can be bound and bent, but has no inside that shows where bones lie."""
    used = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
    axes = np.linalg.eigh(np.cov(used.T))[1]  # the thinnest first
    thinnest, _, longest = np.ptp(used @ axes, axis=0)
    if thinnest > _FLAT * longest:
        return []
    return ["The mesh is a flat sheet: its bones were placed by its outline alone, so check them."]


def texture_problems(textured: TexturedMesh) -> list[str]:
    """Texture coordinates that are finite and inside the picture."""
    if not np.isfinite(textured.uv).all():
        return ["Texture coordinates are not finite numbers."]
    if textured.uv.min() < -1e-4 or textured.uv.max() > 1.0 + 1e-4:
        return ["Texture coordinates lie outside the picture."]
    return []


def skeleton_problems(skeleton: Skeleton) -> list[str]:
    """One tree: one root first, parents before children, unique names, finite places, no bone without length."""
    names, parents = skeleton.names, skeleton.parents
    if not names:
        return ["The skeleton has no bones."]
    problems = []
    if len(set(names)) != len(names):
        doubled = sorted({name for name in names if names.count(name) > 1})
        problems.append(f"Bone names occur twice: {', '.join(doubled[:_LISTED])}.")
    if not all(names):
        problems.append("A bone has no name.")
    overlong = [name for name in names if len(name.encode()) > _LONGEST_NAME_BYTES]
    if overlong:
        problems.append(f"Bone names are longer than {_LONGEST_NAME_BYTES} bytes: {', '.join(overlong[:_LISTED])}.")
    if (parents >= np.arange(len(names))).any() or (parents < -1).any():
        problems.append("A bone stands before its parent.")
    if int((parents == -1).sum()) != 1:
        problems.append(f"The skeleton has {int((parents == -1).sum())} roots; it must have one.")
    places = np.concatenate([skeleton.heads, skeleton.tails])
    if not (np.isfinite(places).all() and np.isfinite(skeleton.rolls).all()):
        return [*problems, "Bone positions are not finite numbers."]
    lengths = np.linalg.norm(skeleton.tails - skeleton.heads, axis=1)
    short = np.flatnonzero(lengths <= _SHORTEST_BONE_SHARE * float(np.ptp(places, axis=0).max()))
    if len(short):
        problems.append(f"Bones have no length: {', '.join(names[bone] for bone in short[:_LISTED])}.")
    return problems


def skin_problems(skin: Skin, vertex_count: int, bone_count: int) -> list[str]:
    """A row per vertex; bones that exist; weights finite, not negative, summing to 1."""
    if len(skin.weights) != vertex_count:
        return [f"The skin has {len(skin.weights)} rows for {vertex_count} vertices."]
    if not np.isfinite(skin.weights).all() or (skin.weights < 0).any():
        return ["Skin weights are negative or not finite."]
    problems = []
    if skin.indices.min() < 0 or skin.indices.max() >= bone_count:
        problems.append("The skin names bones that the skeleton does not have.")
    off = np.abs(skin.weights.astype(np.float64).sum(axis=1) - 1.0) > WEIGHT_SUM_TOLERANCE
    if off.any():
        problems.append(f"The weights of {int(off.sum())} vertices do not sum to 1.")
    return problems


def rig_problems(rig: Rig, vertex_count: int) -> list[str]:
    """Those of the skeleton and of the skin."""
    return skeleton_problems(rig.skeleton) + skin_problems(rig.skin, vertex_count, len(rig.skeleton.names))
