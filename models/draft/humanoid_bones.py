# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a humanoid's bones are, from what it shows of itself; usual proportions for the rest.

Lengths and places are in cells.
"""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from .body import bounds
from .humanoid import HIP_ABOVE_CROTCH, SYMMETRIC, HumanoidShape
from .tree import Bone, Solid, link, path_length, points_along

# Shares of the body's height unless the name says otherwise; medians of rigs that people made.
SPINE_JOINTS = (0.22, 0.45, 0.70)  # of the way from hips to neck: spine, chest, upper chest
NECK_BEYOND = 0.01  # the neck's joints are so far below and above its narrowest place
SHOULDER_OUT = 0.19  # of the arm's length, from the body's middle: small heads and large ones alike
SLANTED = 0.5  # of its length: an arm that falls so much has its joint above the armpit; one straight down, beyond
ARMPIT_ROWS = 5  # cells: a single row may hold a strap or a crease
BELOW_ARM = 0.6  # of the way to the finger tips: under a level arm, a trunk that is wider shows no armpit
SHOULDER_RISE = 2.0  # of the arm's radius: a hanging arm's joint is so much above the place where it leaves the trunk
BELOW_NECK = 0.03  # hair and collars above a shoulder are none of it
SHOULDER_INNER = 0.4  # of the way from the spine to the shoulder joint
ELBOW, WRIST, KNUCKLES = 0.39, 0.75, 0.87  # of the arm
CUT_ELBOW, CUT_WRIST, CUT_KNUCKLES = 0.62, 0.93, 0.97  # of an arm that ends where the picture does
CUT_REACH = 0.06  # so near to the ground
ELBOW_RANGE = (0.28, 0.55)  # of the arm: a bend here, where the arm leaves the straight line the most, is the elbow
SEEN_BEND = 0.07  # of the arm's length beside the straight line
LEAST_BEND = 0.015  # of a limb's length: elbows behind and knees before the straight line, so that IK turns them right
HIPS_BELOW_LEGS = 0.02  # the root of the spine, below the hip joints
HIP_SLICES = 5  # the top of a leg, whose middle is below the hip joint
GUESSED_LEG_OUT = 0.42  # of the trunk's half width where the legs begin
ANKLE = 0.13  # of the leg
ABOVE_FOOT = 0.5  # of the ankle's height: the leg so much above it has no foot in front
KNEE = 0.5  # of the way from hip to ankle
BALL = 0.5  # of the way from the ankle to the tip of the toes
BALL_RISE = 0.3  # of the ankle's height
ALIKE = 0.08  # joints of the two sides that are nearer to each other's mirror image differ by measurement alone
GUESSED_SHOULDER_DROP = 0.05
GUESSED_ARM_OUT = 0.8  # of the half width at that height
GUESSED_FOOT = 0.08
SIDES = {"L": 1.0, "R": -1.0}  # the sign of x
ARM_PARTS = ("shoulder", "upper_arm", "lower_arm", "hand", "fingers")
FINGERS_ROLE = {"L": "leftMiddleProximal", "R": "rightMiddleProximal"}  # one bone curls the hand like a mitten
LEG_PARTS = ("upper_leg", "lower_leg", "foot", "toes")


def humanoid_bones(solid: Solid, shape: HumanoidShape) -> tuple[list[Bone], set[str]]:
    """The bones in cells, parents first, and the names of those whose place is a guess."""
    leg_top = shape.crotch + HIP_ABOVE_CROTCH * shape.height
    arms, guessed_arms = _arm_joints(solid, shape)
    legs, guessed_legs = _leg_joints(solid, shape, leg_top)
    hips_y = leg_top - HIPS_BELOW_LEGS * shape.height
    neck_y = max(shape.neck - NECK_BEYOND * shape.height, hips_y + 4.0)
    ys = [
        hips_y,
        *(hips_y + part * (neck_y - hips_y) for part in SPINE_JOINTS),
        neck_y,
        max(shape.neck_top + NECK_BEYOND * shape.height, neck_y + 1.0),
    ]
    joints = np.array([shape.centre(y) for y in [*ys, max(shape.column[-1, 1], ys[-1] + 1.0)]])
    joints[0, 2] = np.mean([legs[side][0, 2] for side in SIDES])  # a seat or a belly draws the thickest place away
    bones = link(("hips", "spine", "chest", "upper_chest", "neck", "head"), joints, "")
    guessed = {"neck", "head"} if shape.neck_depth == 1.0 else set()
    if shape.legs is None:
        guessed |= {"hips", "spine", "chest", "upper_chest"}
    if shape.symmetry > SYMMETRIC:
        _average_sides(arms, shape)
        _average_sides(legs, shape)
    inner = shape.centre((ys[3] + neck_y) / 2)
    for side in SIDES:
        chest_end = inner + SHOULDER_INNER * (arms[side][0] - inner)
        arm = link(side_names(ARM_PARTS, side), np.concatenate([chest_end[None], arms[side]]), "upper_chest")
        bones += [*arm[:-1], replace(arm[-1], role=FINGERS_ROLE[side])]
        bones += link(side_names(LEG_PARTS, side), legs[side], "hips")
    return bones, guessed | guessed_arms | guessed_legs


def side_names(parts: tuple[str, ...], side: str) -> tuple[str, ...]:
    return tuple(f"{part}.{side}" for part in parts)


def _arm_joints(solid: Solid, shape: HumanoidShape) -> tuple[dict[str, np.ndarray], set[str]]:
    """Shoulder, elbow, wrist, knuckles and finger tips of each side, (5, 3) each, and the names of guessed bones."""
    found = {side: _joints_along_arm(solid, shape, path) for side, path in shape.arms.items()}
    joints, guessed = {}, set()
    for side, sign in SIDES.items():
        other = found.get("R" if side == "L" else "L")
        if side in found:
            joints[side] = found[side]
            continue
        guessed |= set(side_names(ARM_PARTS, side))
        joints[side] = _hanging_arm(shape, sign)
        if other is not None:
            mirrored = _mirrored(other, shape.plane)
            low, high = bounds(solid.grid.occupied)
            joints[side] = mirrored if low[0] <= mirrored[-3, 0] <= high[0] else joints[side]
    return joints, guessed


def _joints_along_arm(solid: Solid, shape: HumanoidShape, path: np.ndarray) -> np.ndarray:  # path: (N, 3)
    """(5, 3): the joints of an arm that leaves the trunk at the first cell of its path."""
    sign = np.sign(path[-1, 0] - shape.plane)
    whole = path_length(path) + abs(path[0, 0] - shape.plane)
    radius = float(np.median(solid.depth[tuple(path[len(path) // 4 : len(path) // 2 + 1].T)]))
    hangs = max(path[0, 1] - path[-1, 1], 0) / path_length(path)
    hanging = min(1.0, hangs / SLANTED)
    beside = _armpit(solid, shape, path) + (hangs - SLANTED) / (1 - SLANTED) * radius
    out = (1 - hanging) * SHOULDER_OUT * whole + hanging * beside
    beyond = np.flatnonzero(np.abs(path[:, 0] - shape.plane) >= out)
    first = min(int(beyond[0]), len(path) // 3) if len(beyond) else 0
    shoulder = path[first].astype(float)
    shoulder[0] = shape.plane + sign * out
    above = solid.grid.occupied[round(shoulder[0]), round(shoulder[1]) :, round(shoulder[2])]
    top = shoulder[1] + (len(above) if above.all() else int(above.argmin())) - radius
    shoulder[1] = np.clip(top, shoulder[1], max(path[0, 1], shoulder[1]) + SHOULDER_RISE * hangs * radius)
    shoulder[1] = min(shoulder[1], max(shape.neck - BELOW_NECK * shape.height, path[0, 1]))
    arm = np.concatenate([shoulder[None], path[first + 1 :]])
    if shape.is_cut and path[-1, 1] < shape.ground + CUT_REACH * shape.height:
        shares = (0.0, CUT_ELBOW, CUT_WRIST, CUT_KNUCKLES, 1.0)
    else:
        elbow_at = _bend(arm)
        shares = (0.0, ELBOW if elbow_at is None else elbow_at, WRIST, KNUCKLES, 1.0)
    joints = points_along(arm, shares)
    joints[0] = shoulder
    behind = (joints[0, 2] + joints[2, 2]) / 2 - LEAST_BEND * path_length(joints[:3])
    joints[1, 2] = min(joints[1, 2], behind)
    return joints


def _armpit(solid: Solid, shape: HumanoidShape, path: np.ndarray) -> float:  # path: (N, 3)
    """How far beside the plane the trunk reaches at the highest places where air is between it and the arm."""
    side = int(np.sign(path[-1, 0] - shape.plane))
    free = []
    for y in range(int(path[0, 1]), int(shape.crotch), -1):
        x, _, z = np.round(shape.centre(y)).astype(int)
        run = solid.grid.occupied[x::side, y, z]
        reach = float(run.argmin())
        at = np.abs(path[np.abs(path[:, 1] - y) <= 1, 0] - shape.plane)
        is_below = y < path[:, 1].min() and reach < BELOW_ARM * abs(path[-1, 0] - shape.plane)
        if reach and (at.min() > reach if len(at) else is_below):
            free.append(reach)
    return float(np.median(free[:ARMPIT_ROWS])) if free else shape.trunk_half


def _bend(path: np.ndarray) -> float | None:  # path: (N, 3)
    """Where an arm is bent, as a share of its length; None for one that is straight."""
    shares = np.linspace(0.0, WRIST, 31)
    points = points_along(path, tuple(shares))
    chord = points[-1] - points[0]
    along = (points - points[0]) @ chord / max(float(chord @ chord), 1e-9)
    off = np.linalg.norm(points - points[0] - along[:, None] * chord, axis=1)
    off[(shares < ELBOW_RANGE[0]) | (shares > ELBOW_RANGE[1])] = 0.0
    return float(shares[off.argmax()]) if off.max() > SEEN_BEND * path_length(path) else None


def _hanging_arm(shape: HumanoidShape, sign: float) -> np.ndarray:
    """(5, 3): an arm straight down inside the silhouette's edge, from below the neck to the crotch."""
    top = shape.neck - GUESSED_SHOULDER_DROP * shape.height
    shares = (0.0, CUT_ELBOW, CUT_WRIST, CUT_KNUCKLES, 1.0) if shape.is_cut else (0.0, ELBOW, WRIST, KNUCKLES, 1.0)
    ys = top + np.array(shares) * (shape.crotch - top)
    widths = np.interp(ys, shape.column[:, 1], shape.half_widths)
    joints = np.array([shape.centre(y) for y in ys])
    joints[:, 0] += sign * GUESSED_ARM_OUT * widths
    return joints


def _leg_joints(solid: Solid, shape: HumanoidShape, hips_y: float) -> tuple[dict[str, np.ndarray], set[str]]:
    """Hip, knee, ankle, ball and tip of the toes of each side, (5, 3) each, and the names of guessed bones."""
    low, high = bounds(solid.grid.occupied)
    ground = float(low[1])
    ankle_y = ground + max(ANKLE * (hips_y - ground), 1.0)
    knee_y = ankle_y + KNEE * (hips_y - ankle_y)
    joints, guessed = {}, set()
    for side, sign in SIDES.items():
        if shape.legs:
            line = ndimage.gaussian_filter1d(shape.legs.lines[side], 2.0, axis=0, mode="nearest")
        else:
            centre = shape.centre(shape.crotch)
            line = centre[None] + [
                [sign * GUESSED_LEG_OUT * float(np.median(shape.half_widths[:HIP_SLICES])), 0.0, 0.0]
            ]
            guessed |= set(side_names(LEG_PARTS, side))
        hip, knee, ankle = (
            np.array([np.interp(y, line[:, 1], line[:, 0]), y, np.interp(y, line[:, 1], line[:, 2])])
            for y in (hips_y, knee_y, ankle_y)
        )
        ankle[2] = np.interp(ankle_y + ABOVE_FOOT * (ankle_y - ground), line[:, 1], line[:, 2])
        hip[0] = np.median(line[-HIP_SLICES:, 0])
        knee[2] = max(knee[2], (hip[2] + ankle[2]) / 2 + LEAST_BEND * (hip[1] - ankle[1]))
        if shape.legs:
            tip = _front_of_foot(solid, ankle, ground)
        else:
            tip = np.array([ankle[0], ground + 0.5, ankle[2] + GUESSED_FOOT * (high[1] - low[1])])
        ball = ankle + BALL * (tip - ankle)
        ball[1] = ground + max(BALL_RISE * (ankle_y - ground), 0.5)
        joints[side] = np.array([hip, knee, ankle, ball, tip])
    return joints, guessed


def _front_of_foot(solid: Solid, ankle: np.ndarray, ground: float) -> np.ndarray:
    """(3,): the foremost place of the foot that is connected to the ankle in a straight line."""
    x = round(float(ankle[0]))
    foot = solid.grid.occupied[max(x - 1, 0) : x + 2, int(ground) : int(ankle[1]) + 1, :].any(axis=(0, 1))
    labels, _ = ndimage.label(foot)
    under = labels[round(float(ankle[2]))]
    front = np.flatnonzero(labels == under).max() if under else ankle[2]
    return np.array([ankle[0], ground + 0.5, max(front, ankle[2] + 1.5)])


def _mirrored(joints: np.ndarray, plane: float) -> np.ndarray:
    return np.stack([2 * plane - joints[:, 0], joints[:, 1], joints[:, 2]], axis=1)


def _average_sides(joints: dict[str, np.ndarray], shape: HumanoidShape) -> None:
    """Make the sides alike where they nearly are: an arm that waves stays up."""
    mirrored = _mirrored(joints["R"], shape.plane)
    if np.linalg.norm(joints["L"] - mirrored, axis=1).max() < ALIKE * shape.height:
        joints["L"] = (joints["L"] + mirrored) / 2
        joints["R"] = _mirrored(joints["L"], shape.plane)
