# SPDX-License-Identifier: GPL-3.0-or-later
"""The poses that come with Figurine, as data by bone role: data/humanoid.json, data/quadruped.json, data/hands.json.

A pose of a body says, in degrees and in the character's frame:

- `hips`, `trunk`, `head`: [bend forward, tilt left, turn left] away from upright. The spine is shared out between hips
  and trunk, the neck between trunk and head. Left out, the trunk follows the hips and the head the trunk.
- `both`, `left`, `right`: the limbs of both sides or of one. `upperArm`, `lowerArm`, `upperLeg`, `lowerLeg` and an
  animal's `frontUpperLeg`… are directions [out, front, up]: out is away from the body's middle, so the same numbers fit
  both sides. A limb that is left out stays as it is at rest. `palm` turns forearm and hand about the forearm, palm to
  the front being positive where the arm points out; `hand` is [bend to the palm, bend to the thumb]. `foot`,
  `frontPaw` and `backPaw` are [toes down, tilt out, toes out] away from flat on the floor; `toes` is [down].
- `tail`: [up, left], shared out between its bones.
- `lift`: how far the lowest part is above the floor, as a share of the leg's length. `is_level`: an animal's trunk is
  pitched until its front and its back both touch the floor.

A pose of a hand gives for `thumb`, `index`, `middle`, `ring` and `little` [bend, spread]: the bend of each joint, which
a finger of one bone makes one and a half times, and how far it is spread towards the thumb's side (the thumb away from
the others).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .skeleton import BodyKind

_DATA = Path(__file__).with_name("data")
CENTRE_COUNTS = {"hips": 3, "trunk": 3, "head": 3, "tail": 2}
SIDE_COUNTS = {
    **dict.fromkeys(("upperArm", "lowerArm", "upperLeg", "lowerLeg", "foot", "frontPaw", "backPaw"), 3),
    **{f"{end}{part}": 3 for end in ("front", "back") for part in ("UpperLeg", "LowerLeg", "Foot")},
    "hand": 2,
    "palm": 1,
    "toes": 1,
}
_FINGERS = dict.fromkeys(("thumb", "index", "middle", "ring", "little"), 2)

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class BodyPose:
    """One pose of a body. centre: by hips, trunk, head, tail. left, right: by part."""

    key: str
    name: str
    description: str
    centre: Mapping[str, Numbers]
    left: Mapping[str, Numbers]
    right: Mapping[str, Numbers]
    lift: float = 0.0
    is_level: bool = False


@dataclass(frozen=True)
class HandPose:
    """One pose of a hand. fingers: [bend, spread] in degrees by thumb, index, middle, ring, little."""

    key: str
    name: str
    description: str
    fingers: Mapping[str, Numbers] = field(default_factory=dict)


@functools.cache
def body_poses(kind: BodyKind) -> dict[str, BodyPose]:
    """Those that fit such a body, by key, in the order in which they are shown; none for other bodies."""
    if kind == "other":
        return {}
    return {entry["key"]: _body_pose(entry) for entry in _read(f"{kind}.json")}


@functools.cache
def hand_poses() -> dict[str, HandPose]:
    """By key, in the order in which they are shown."""
    return {entry["key"]: _hand_pose(entry) for entry in _read("hands.json")}


def _read(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((_DATA / name).read_text(encoding="utf-8"))["poses"]
    return entries


def _body_pose(entry: dict[str, Any]) -> BodyPose:
    """Raises ValueError for parts that are not known, or with another count of numbers."""
    centre = _checked({key: value for key, value in entry.items() if key in CENTRE_COUNTS}, CENTRE_COUNTS)
    both, left, right = (_checked(entry.get(side, {}), SIDE_COUNTS) for side in ("both", "left", "right"))
    known = {"key", "name", "description", "both", "left", "right", "lift", "is_level", *CENTRE_COUNTS}
    if not entry.keys() <= known:
        raise ValueError(f"The pose {entry['key']} has unknown parts: {sorted(entry.keys() - known)}.")
    return BodyPose(
        entry["key"],
        entry["name"],
        entry["description"],
        centre,
        both | left,
        both | right,
        entry.get("lift", 0.0),
        entry.get("is_level", False),
    )


def _hand_pose(entry: dict[str, Any]) -> HandPose:
    return HandPose(entry["key"], entry["name"], entry["description"], _checked(entry["fingers"], _FINGERS))


def _checked(parts: Mapping[str, list[float]], counts: Mapping[str, int]) -> dict[str, Numbers]:
    for part, numbers in parts.items():
        if counts.get(part) != len(numbers):
            raise ValueError(f"{part} is no part of a pose, or has {len(numbers)} numbers.")
    return {part: tuple(float(number) for number in numbers) for part, numbers in parts.items()}
