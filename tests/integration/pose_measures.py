# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a posed figure: how far its skin is stretched, and whether its sides are where they belong."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from blender_addon.importer import ImportOptions, import_result
from blender_addon.operators import pose_asset, pose_ik, pose_rig, pose_setup
from blender_addon.pose.library import BodyPose, body_poses
from blender_addon.pose.rig import read_rig
from blender_addon.pose.rotations import unit
from blender_addon.pose.skeleton import SIDES, sided
from tests.integration.addon_contents import figure_of, weights_of

# As the evaluation tool has them: shorter edges say nothing, and what one bone carries alone cannot be stretched.
SHORTEST_EDGE = 2e-3  # of the diagonal
CARRIED = 0.01
PERCENTILE = 99
_CLASSES = (*pose_rig.CLASSES, *pose_ik.CLASSES, *pose_setup.CLASSES, *pose_asset.CLASSES)


def register_pose_operators() -> None:
    """Where the add-on as a whole is not switched on."""
    for kind in _CLASSES:
        if not getattr(kind, "is_registered", False):
            bpy.utils.register_class(kind)


class Skin:
    """A figure's skin: edges (E, 2) that more than one bone has a hand in, and the vertices as they are posed."""

    def __init__(self, rig: bpy.types.Object) -> None:
        self.figure = figure_of(rig)
        points = self.points()
        edges = np.array([edge.vertices for edge in self.figure.data.edges])
        weights = weights_of(self.figure, [bone.name for bone in rig.data.bones])
        differs = np.abs(weights[edges[:, 0]] - weights[edges[:, 1]]).max(axis=1) > CARRIED
        shared = (weights[edges].max(axis=2) < 1 - CARRIED).any(axis=1)
        long_enough = lengths(points, edges) > SHORTEST_EDGE * np.linalg.norm(np.ptp(points, axis=0))
        self.edges = edges[(differs | shared) & long_enough]

    def points(self) -> np.ndarray:
        """(V, 3)."""
        bpy.context.view_layer.update()
        evaluated = self.figure.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found = np.empty(3 * len(evaluated.data.vertices))
        evaluated.data.vertices.foreach_get("co", found)
        return found.reshape(-1, 3)

    def stretch(self, before: np.ndarray) -> float:
        """The 99th percentile of how much longer the edges are than before, (V, 3)."""
        return float(np.percentile(lengths(self.points(), self.edges) / lengths(before, self.edges), PERCENTILE))


def lengths(points: np.ndarray, edges: np.ndarray) -> np.ndarray:  # (V, 3), (E, 2)
    """(E,)."""
    return np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)


def measure_poses(rig: bpy.types.Object, start: str) -> dict[str, dict[str, Any]]:
    """By pose: stretch from the pose `start`, faults as sentences, the lowest point as a share of the height."""
    bpy.context.view_layer.objects.active = rig
    skin = Skin(rig)
    kind = read_rig(rig).skeleton.kind
    floor, height = skin.points()[:, 2].min(), float(np.ptp(skin.points()[:, 2]))
    bpy.ops.figurine.apply_pose(pose=start)
    before = skin.points()
    found = {}
    for key, pose in body_poses(kind).items():
        assert bpy.ops.figurine.apply_pose(pose=key) == {"FINISHED"}
        low = (skin.points()[:, 2].min() - floor) / height
        found[key] = {"stretch": skin.stretch(before), "faults": faults_of(rig, pose), "low": float(low)}
    return found


def faults_of(rig: bpy.types.Object, pose: BodyPose) -> list[str]:
    """Bones that do not point where the pose says, and limbs that are on the other's side. Looks at Blender's own
    bones, in the character's frame.
    """
    posable = read_rig(rig)
    bones = {role: rig.pose.bones[posable.skeleton.names[bone]] for role, bone in posable.skeleton.by_role.items()}
    turn = posable.to_character
    found = []
    for side, sign, parts in zip(SIDES, (1.0, -1.0), (pose.left, pose.right), strict=True):
        for part, numbers in parts.items():
            role = sided(part, side)
            if not part.endswith(("Arm", "Leg")) or role not in bones:
                continue
            out, front, up = numbers
            aim = unit(np.array([sign * out, -front, up]))
            if aim @ turn @ np.array(bones[role].vector.normalized()) < 0.9999:
                found.append(f"{role} points elsewhere")
    for part in ("UpperArm", "UpperLeg", "frontUpperLeg", "backUpperLeg"):
        left, right = (sided(part if part[0].islower() else part[0].lower() + part[1:], side) for side in SIDES)
        if left in bones and right in bones:
            sides = turn @ np.array(bones[left].head - bones[right].head)
            at_rest = turn @ np.array(bones[left].bone.head_local - bones[right].bone.head_local)
            if sides @ at_rest <= 0:
                found.append(f"{left} is on the other side")
    return found + flips_of(posable)


def flips_of(posable: Any) -> list[str]:
    """Bones that turn about themselves, against their parents, by more than a body can."""
    turns = posable.turns()
    found = []
    for bone, parent in enumerate(posable.skeleton.parents):
        along = posable.skeleton.direction(bone)
        if parent < 0 or along is None:
            continue
        x, y, z, w = _quaternion(turns[parent].T @ turns[bone])
        twist_deg = np.degrees(2 * np.arctan2(np.dot([x, y, z], along), w))
        if abs((twist_deg + 180) % 360 - 180) > 100:
            found.append(f"{posable.skeleton.names[bone]} is flipped")
    return found


def _quaternion(turn: np.ndarray) -> tuple[float, float, float, float]:
    w, x, y, z = Matrix(turn.tolist()).to_quaternion()
    return x, y, z, w


def bring_folder(folder: Path, name: str) -> bpy.types.Object:
    """Import a finished job; the armature."""
    return import_result(bpy.context, folder, ImportOptions(name=name), {})


def main(folders: Path) -> None:
    """measured.json beside a file of folders by name: what is found of each."""
    measured = {}
    for name, folder in json.loads(folders.read_text(encoding="utf-8")).items():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        register_pose_operators()
        measured[name] = measure_poses(bring_folder(Path(folder), name), "a_pose")
    folders.with_name("measured.json").write_text(json.dumps(measured), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # without Blender's own clean-up, which has crashed after finished work
