# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result is for, where it is not simply a new figure: remembered with the job, and told with its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# skin: new weights for the bones of an armature. rig: bones for meshes that have none. beside: a candidate that is
# shown next to a figure. upgrade: a better figure in place of one.
Purpose = Literal["skin", "rig", "beside", "upgrade"]


@dataclass(frozen=True)
class SentPart:
    """An object that was sent: its name, how many vertices its mesh had with what Mirror modifiers add to it, and
    whether it was sent as it is once modifiers that make its shape are applied.
    """

    name: str
    vertex_count: int
    is_applied: bool = False


@dataclass(frozen=True)
class Aim:
    """armature: the name of the one that is concerned, "" for meshes that had none. parts: the meshes that were sent,
    in the order of their vertices.
    """

    purpose: Purpose
    armature: str = ""
    parts: tuple[SentPart, ...] = ()
