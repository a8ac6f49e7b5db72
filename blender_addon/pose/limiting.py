# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of the joints in Blender: a Limit Rotation constraint for each bone that has one, and for elbows and knees
that of the hinge within IK.
"""

from __future__ import annotations

import bpy
import numpy as np

from .limits import Ranges, joint_limits
from .rig import read_rig, role_of

NAME = "Figurine Limits"
_HINGES = ("LowerArm", "LowerLeg")


def are_limited(armature: bpy.types.Object) -> bool:
    """Whether any joint is."""
    return any(NAME in posed.constraints for posed in armature.pose.bones)


def limit(armature: bpy.types.Object) -> int:
    """Limit every joint that has a range; returns how many."""
    rig = read_rig(armature)
    found = joint_limits(rig.skeleton, rig.to_character @ rig.rests)
    for bone, ranges in found.items():
        posed = armature.pose.bones[rig.skeleton.names[bone]]
        _constrain(posed, ranges)
        if role_of(posed.bone).endswith(_HINGES):
            _limit_ik(posed, ranges)
    return len(found)


def unlimit(armature: bpy.types.Object) -> None:
    """Take all of that away again."""
    for posed in armature.pose.bones:
        constraint = posed.constraints.get(NAME)
        if constraint is not None:
            posed.constraints.remove(constraint)
            for axis in "xyz":
                setattr(posed, f"use_ik_limit_{axis}", False)


def _constrain(posed: bpy.types.PoseBone, ranges: Ranges) -> None:
    constraint = posed.constraints.new("LIMIT_ROTATION")
    constraint.name = NAME
    constraint.owner_space = "LOCAL"
    # What is turned by hand stops there too, and does not go on unseen.
    constraint.use_transform_limit = True
    for axis, (low, high) in zip("xyz", ranges.tolist(), strict=True):
        setattr(constraint, f"use_limit_{axis}", True)
        setattr(constraint, f"min_{axis}", low)
        setattr(constraint, f"max_{axis}", high)


def _limit_ik(posed: bpy.types.PoseBone, ranges: Ranges) -> None:
    """About the hinge alone, which has the widest range: the solver needs the other axes to reach what it should."""
    hinge = int(np.ptp(ranges, axis=1).argmax())
    low, high = ranges[hinge].clip(-np.pi, np.pi).tolist()
    axis = "xyz"[hinge]
    setattr(posed, f"ik_min_{axis}", min(low, 0.0))
    setattr(posed, f"ik_max_{axis}", max(high, 0.0))
    setattr(posed, f"use_ik_limit_{axis}", True)
