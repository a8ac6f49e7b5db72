# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons for the tests of posing: bodies of any proportions, at rest in any pose."""

from __future__ import annotations

import numpy as np

from blender_addon.pose.rotations import unit
from blender_addon.pose.skeleton import RestSkeleton


def humanoid(
    left_arm: tuple[tuple[float, ...], tuple[float, ...]] = ((1, 0, -1), (1, 0, -1)),
    right_arm: tuple[tuple[float, ...], tuple[float, ...]] = ((-1, 0, -1), (-1, 0, -1)),
    arm: float = 0.3,
    leg: float = 0.45,
) -> RestSkeleton:
    """Upper and lower arm point so; arms and legs are so long above and below the joint."""
    bones: list[tuple[str, str, np.ndarray, np.ndarray]] = []

    def add(role: str, parent: str, head: np.ndarray, along: np.ndarray) -> np.ndarray:
        bones.append((role, parent, head, head + along))
        return head + along

    up, hips = np.array([0, 0, 0.15]), np.array([0, 0, 2 * leg + 0.1])
    top = add("hips", "", hips, up)
    for role, parent in (("spine", "hips"), ("chest", "spine"), ("neck", "chest"), ("head", "neck")):
        top = add(role, parent, top, up)
    for side, sign, arms in (("left", 1.0, left_arm), ("right", -1.0, right_arm)):
        place = add(f"{side}Shoulder", "chest", hips + 3 * up, np.array([0.15 * sign, 0, 0]))
        place = add(f"{side}UpperArm", f"{side}Shoulder", place, arm * unit(np.array(arms[0], float)))
        place = add(f"{side}LowerArm", f"{side}UpperArm", place, arm * unit(np.array(arms[1], float)))
        place = add(f"{side}Hand", f"{side}LowerArm", place, 0.1 * unit(np.array(arms[1], float)))
        add(f"{side}MiddleProximal", f"{side}Hand", place, 0.08 * unit(np.array(arms[1], float)))
        place = add(f"{side}UpperLeg", "hips", hips + np.array([0.1 * sign, 0, 0]), np.array([0, -0.01, -leg]))
        place = add(f"{side}LowerLeg", f"{side}UpperLeg", place, np.array([0, 0.01, -leg]))
        place = add(f"{side}Foot", f"{side}LowerLeg", place, np.array([0, -0.12, -0.08]))
        add(f"{side}Toes", f"{side}Foot", place, np.array([0, -0.06, -0.02]))
    return _skeleton(bones)


def quadruped(front_leg: float = 0.3, back_leg: float = 0.3) -> RestSkeleton:
    """A dog whose legs have so long bones."""
    bones: list[tuple[str, str, np.ndarray, np.ndarray]] = []
    height, along = 2.3 * max(front_leg, back_leg) + 0.1, np.array([0, -0.3, 0])
    places = [np.array([0, 0.4, height]) + place * along for place in range(7)]
    chain = ("hips", "spine", "chest", "neck1", "neck2", "head")
    for place, role in enumerate(chain):
        bones.append((role, chain[place - 1] if place else "", places[place], places[place + 1]))
    bones.append(("tail1", "hips", places[0], places[0] - along / 2))
    for end, parent, top, size in (("front", "chest", places[2], front_leg), ("back", "hips", places[0], back_leg)):
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            head, above = top + np.array([0.1 * sign, 0, -0.05]), parent
            ankle = 0.1
            lengths = (size, size, head[2] - 2 * size - ankle)
            for part, length in zip(("UpperLeg", "LowerLeg", "Foot"), lengths, strict=True):
                role = f"{end}{side}{part}"
                bones.append((role, above, head, head - (0, 0, length)))
                head, above = head - (0, 0, length), role
            bones.append((f"{end}{side}Paw", above, head, head + np.array([0, -0.1, -0.08])))
    return _skeleton(bones)


def _skeleton(bones: list[tuple[str, str, np.ndarray, np.ndarray]]) -> RestSkeleton:
    roles = [role for role, _, _, _ in bones]
    return RestSkeleton(
        tuple(roles),
        tuple(roles),
        tuple(roles.index(parent) if parent else -1 for _, parent, _, _ in bones),
        np.array([head for _, _, head, _ in bones], float),
        np.array([tail for _, _, _, tail in bones], float),
    )
