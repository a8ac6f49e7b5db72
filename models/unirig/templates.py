# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones whose names a sequence implies: the parts of a class, in the order in which UniRig writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SPRING = None  # the part of bones without a template


def _vroid() -> dict[str, tuple[str, ...]]:
    body = [f"J_Bip_C_{name}" for name in ("Hips", "Spine", "Chest", "UpperChest", "Neck", "Head")]
    for parts in (("Shoulder", "UpperArm", "LowerArm", "Hand"), ("UpperLeg", "LowerLeg", "Foot", "ToeBase")):
        body += [f"J_Bip_{side}_{part}" for side in "LR" for part in parts]
    hand = [f"J_Bip_{side}_{finger}{joint}" for side, finger, joint in _fingers("Little")]
    return {"body": tuple(body), "hand": tuple(hand)}


def _mixamo() -> dict[str, tuple[str, ...]]:
    body = [f"mixamorig:{name}" for name in ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head")]
    sides = {"L": "Left", "R": "Right"}
    for parts in (("Shoulder", "Arm", "ForeArm", "Hand"), ("UpLeg", "Leg", "Foot", "ToeBase")):
        body += [f"mixamorig:{side}{part}" for side in sides.values() for part in parts]
    hand = [f"mixamorig:{sides[side]}Hand{finger}{joint}" for side, finger, joint in _fingers("Pinky")]
    return {"body": tuple(body), "hand": tuple(hand)}


def _fingers(smallest: str) -> list[tuple[str, str, int]]:
    """Side, finger and joint in the order of the templates, whose right hand begins with the index finger."""
    rest = ("Middle", "Ring", smallest)
    order = {"L": ("Thumb", "Index", *rest), "R": ("Index", "Thumb", *rest)}
    return [(side, finger, joint) for side in "LR" for finger in order[side] for joint in (1, 2, 3)]


TEMPLATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"vroid": _vroid(), "mixamo": _mixamo()}


def arrange(names: Sequence[str], parents: np.ndarray, kind: str | None) -> tuple[np.ndarray, dict[int, str | None]]:
    """The order in which bones of a class are written, and which part starts at which place of it.

    names: J. parents: (J,), −1 for the root. kind: the class. Parts whose bones are all there, each with a parent that
    stands before it, come first; the others keep their order. Returns order (J,) and place → part.
    """
    order: list[int] = []
    starts: dict[int, str | None] = {}
    of_name = {name: bone for bone, name in enumerate(names)}
    for part, wanted in TEMPLATES.get(kind or "", {}).items():
        bones = [of_name[name] for name in wanted if name in of_name]
        known = {-1, *order, *bones}
        if len(bones) < len(wanted) or any(int(parents[bone]) not in known for bone in bones):
            break
        starts[len(order)] = part
        order += bones
    placed = set(order)
    if len(order) < len(names):
        starts[len(order)] = SPRING
    return np.array(order + [bone for bone in range(len(names)) if bone not in placed]), starts


def template_names(kind: str | None, parts: Sequence[str | None]) -> list[str]:
    """The names that the parts of a class imply, in order; none for parts that the class does not define."""
    template = TEMPLATES.get(kind or "", {})
    return [name for part in parts if part is not SPRING for name in template.get(part, ())]
