# SPDX-License-Identifier: GPL-3.0-or-later
"""The clips that come with Figurine, as data by bone role: data/humanoid.json, data/quadruped.json, data/other.json.

A clip lasts `seconds` and then begins anew. Every channel is a list of numbers that stay, or numbers by phase (0 to 1,
of the cycle), between which they change smoothly. Channels of the `centre` and of the sides `both`, `left` and `right`
are those of a pose (see `pose.library`), and also:

- `shift` (centre): where the hips are, [left, front, up] from standing straight, in leg lengths.
- `step`, `frontStep`, `backStep` (sides): where the flat foot is, [out, front, up] from where it stands, likewise.

With `alternates` the right side does what the left one did half a cycle before, and the centre of the second half is
the mirror image of the first. Where a side gives `upperLeg`, the leg points there; otherwise it reaches for its foot.

A `gait`, by end (`foot`, or `front` and `back`), moves the feet instead of steps, in phases of each foot's own cycle
that begins when it touches the floor: `stance` is the share of it for which it stays there, `stride` how far the floor
goes back under it meanwhile, `rise` how high its lowest part is, both in leg lengths, `pitch` how far the toes
point down in degrees, `shank` how far an animal's bone above the paw leans to the front in degrees. `starts` says when
each foot touches the floor, by side.

Clips of other figures give `swell` (how much the whole grows upwards, as a share) and `sway` ([forward, left] in
degrees for a whole chain), `lag` being the share of a cycle by which a chain's end follows its start.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..pose.library import CENTRE_COUNTS, SIDE_COUNTS
from ..pose.skeleton import SIDES, BodyKind
from .curves import Curve, Values, make_curve

_DATA = Path(__file__).with_name("data")
_CENTRE = {**CENTRE_COUNTS, "shift": 3}
_SIDE = {**SIDE_COUNTS, "step": 3, "frontStep": 3, "backStep": 3}
_MIRRORED = {"hips": (1, -1, -1), "trunk": (1, -1, -1), "head": (1, -1, -1), "tail": (1, -1), "shift": (-1, 1, 1)}
# What is measured from standing, and therefore grows from nothing and not from its mean.
FROM_STANDING = frozenset({"shift", "step", "frontStep", "backStep"})
_GAIT_PARTS = ("foot", "front", "back")

Channels = Mapping[str, Curve]


@dataclass(frozen=True, eq=False)
class Gait:
    """How feet of one end go. rise: (1,). pitch_deg, shank_deg: (1,). starts: by side, in phases of the clip."""

    stance: float
    stride: float
    rise: Curve
    pitch_deg: Curve
    shank_deg: Curve
    starts: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip. centre: by hips, trunk, head, tail, shift. sides: by side and part. gaits: by end."""

    key: str
    name: str
    description: str
    seconds: float
    centre: Channels = field(default_factory=dict)
    sides: Mapping[str, Channels] = field(default_factory=dict)
    gaits: Mapping[str, Gait] = field(default_factory=dict)
    alternates: bool = False
    swell: Curve | None = None
    sway: Curve | None = None
    lag: float = 0.0

    def centre_at(self, phase: float, amplitude: float) -> dict[str, Values]:
        """Numbers by part."""
        return {part: _scaled(part, curve, phase, amplitude) for part, curve in self.centre.items()}

    def side_at(self, side: str, phase: float, amplitude: float) -> dict[str, Values]:
        """Numbers by part."""
        if self.alternates:
            phase, side = phase - (0.5 if side == "right" else 0.0), "left"
        return {part: _scaled(part, curve, phase, amplitude) for part, curve in self.sides[side].items()}


@functools.cache
def clips_of(kind: BodyKind) -> dict[str, Clip]:
    """Those that fit such a body, by key, in the order in which they are shown."""
    entries = json.loads((_DATA / f"{kind}.json").read_text(encoding="utf-8"))["clips"]
    return {entry["key"]: read_clip(entry) for entry in entries}


def read_clip(entry: Mapping[str, Any]) -> Clip:
    """Raises ValueError for parts that are not known, or with another count of numbers."""
    known = {"key", "name", "description", "seconds", "alternates", "gait", "swell", "sway", "lag"}
    if not entry.keys() <= known | {"centre", "both", *SIDES}:
        raise ValueError(f"The clip {entry['key']} has unknown parts: {sorted(entry.keys() - known)}.")
    alternates = entry.get("alternates", False)
    centre = _channels(entry.get("centre", {}), _CENTRE)
    both = _channels(entry.get("both", {}), _SIDE)
    return Clip(
        key=entry["key"],
        name=entry["name"],
        description=entry["description"],
        seconds=float(entry["seconds"]),
        centre={part: _whole(part, curve) for part, curve in centre.items()} if alternates else centre,
        sides={side: both | _channels(entry.get(side, {}), _SIDE) for side in SIDES},
        gaits={end: _gait(value) for end, value in entry.get("gait", {}).items() if end in _GAIT_PARTS},
        alternates=alternates,
        swell=make_curve(entry["swell"]) if "swell" in entry else None,
        sway=make_curve(entry["sway"]) if "sway" in entry else None,
        lag=entry.get("lag", 0.0),
    )


def _whole(part: str, half: Curve) -> Curve:
    """The second half of the cycle is the first one's mirror image."""
    phases = np.concatenate([half.phases, half.phases + 0.5])
    return Curve(phases, np.concatenate([half.values, half.values * _MIRRORED[part]]))


def _gait(entry: Mapping[str, Any]) -> Gait:
    return Gait(
        float(entry["stance"]),
        float(entry["stride"]),
        make_curve(entry["rise"]),
        make_curve(entry["pitch"]),
        make_curve(entry.get("shank", [0.0])),
        {side: float(entry["starts"][side]) for side in SIDES},
    )


def _channels(parts: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Curve]:
    found = {part: make_curve(keys) for part, keys in parts.items()}
    for part, curve in found.items():
        if counts.get(part) != curve.values.shape[1]:
            raise ValueError(f"{part} is no channel of a clip, or has {curve.values.shape[1]} numbers.")
    return found


def _scaled(part: str, curve: Curve, phase: float, amplitude: float) -> Values:
    start = np.zeros(curve.values.shape[1]) if part in FROM_STANDING else curve.mean
    result: Values = start + amplitude * (curve.at(phase) - start)
    return result
