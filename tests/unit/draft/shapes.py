# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies made of capsules, with known joints, in the house frame."""

import numpy as np
import trimesh

HUMANOID = {  # part: (from, to, radius)
    "trunk": ((0, 0.95, 0), (0, 1.35, 0), 0.14),
    "neck": ((0, 1.40, 0), (0, 1.56, 0), 0.06),
    "head": ((0, 1.64, 0), (0, 1.68, 0), 0.13),
    "arm.L": ((0.15, 1.40, 0), (0.75, 1.40, 0), 0.05),
    "arm.R": ((-0.15, 1.40, 0), (-0.75, 1.40, 0), 0.05),
    "leg.L": ((0.11, 0.07, 0), (0.10, 0.9, 0), 0.07),
    "leg.R": ((-0.11, 0.07, 0), (-0.10, 0.9, 0), 0.07),
    "foot.L": ((0.11, 0.05, 0), (0.11, 0.05, 0.15), 0.05),
    "foot.R": ((-0.11, 0.05, 0), (-0.11, 0.05, 0.15), 0.05),
}
FOX = {  # on two legs, with a head larger than its trunk, and a tail that touches the left leg and nearly the hand
    "trunk": ((0, 0.45, 0), (0, 0.62, 0), 0.16),
    "head": ((-0.1, 1.02, 0), (0.1, 1.02, 0), 0.30),
    "tuft": ((0, 1.3, 0), (0, 1.4, 0), 0.05),
    "ear.L": ((0.18, 1.25, 0), (0.30, 1.62, 0), 0.07),
    "ear.R": ((-0.18, 1.25, 0), (-0.30, 1.62, 0), 0.07),
    "arm.L": ((0.12, 0.62, 0), (0.52, 0.38, 0), 0.06),
    "arm.R": ((-0.12, 0.62, 0), (-0.52, 0.38, 0), 0.06),
    "leg.L": ((0.10, 0.08, 0), (0.09, 0.45, 0), 0.08),
    "leg.R": ((-0.10, 0.08, 0), (-0.09, 0.45, 0), 0.08),
    "tail.root": ((0.12, 0.28, 0), (0.40, 0.16, 0), 0.09),
    "tail.tip": ((0.40, 0.16, 0), (0.66, 0.36, 0), 0.07),
}
QUADRUPED = {  # faces +z
    "trunk": ((0, 0.6, -0.4), (0, 0.6, 0.4), 0.16),
    "neck": ((0, 0.65, 0.4), (0, 0.9, 0.65), 0.08),
    "head": ((0, 0.92, 0.65), (0, 0.88, 0.85), 0.10),
    "tail": ((0, 0.65, -0.5), (0, 0.5, -0.95), 0.04),
    "front.L": ((0.11, 0.06, 0.38), (0.11, 0.55, 0.38), 0.05),
    "front.R": ((-0.11, 0.06, 0.38), (-0.11, 0.55, 0.38), 0.05),
    "back.L": ((0.11, 0.06, -0.38), (0.11, 0.55, -0.38), 0.05),
    "back.R": ((-0.11, 0.06, -0.38), (-0.11, 0.55, -0.38), 0.05),
}


def body(parts: dict) -> tuple[np.ndarray, np.ndarray]:
    """The capsules as one triangle soup: vertices float32 (V, 3), faces int32 (F, 3)."""
    meshes = [capsule(np.array(start, float), np.array(stop, float), radius) for start, stop, radius in parts.values()]
    mesh = trimesh.util.concatenate(meshes)
    return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)


def capsule(start: np.ndarray, stop: np.ndarray, radius: float) -> trimesh.Trimesh:
    length = float(np.linalg.norm(stop - start))
    mesh = trimesh.creation.capsule(height=length, radius=radius, count=(12, 12))
    mesh.apply_translation([0, 0, -mesh.bounds.mean(0)[2]])
    mesh.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], (stop - start) / length))
    mesh.apply_translation((start + stop) / 2)
    return mesh
