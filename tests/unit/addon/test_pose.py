# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing without Blender: the poses as data, and how they are fitted to a skeleton."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon.pose.library import _body_pose, body_poses, hand_poses
from blender_addon.pose.limits import joint_limits
from blender_addon.pose.rotations import MIRROR, about, axis_angle, between, lean, part_of, swing, unit
from blender_addon.pose.skeleton import RestSkeleton, sided, to_character
from blender_addon.pose.solve import fill, locals_of, mirror, solve_body, solve_hand
from blender_addon.pose.standing import posed_heads
from tests.unit.addon.pose_bodies import humanoid, quadruped

WAVING = (((0.3, -0.2, 1), (0, -1, 0.4)), ((-0.2, 0.1, -1), (-0.4, -0.3, -1)))
ARM = ("upperArm", "lowerArm", "hand")


def still(skeleton: RestSkeleton) -> np.ndarray:
    return np.tile(np.eye(3), (len(skeleton.names), 1, 1))


def pointing(skeleton: RestSkeleton, turns: np.ndarray, role: str) -> np.ndarray:
    bone = skeleton.by_role[role]
    return turns[bone] @ skeleton.direction(bone)


def posed(skeleton: RestSkeleton, key: str) -> np.ndarray:
    return solve_body(skeleton, body_poses(skeleton.kind)[key], still(skeleton)).turns


def test_the_library_holds_what_is_promised() -> None:
    assert len(body_poses("humanoid")) >= 14 and {"t_pose", "a_pose"} <= body_poses("humanoid").keys()
    assert len(body_poses("quadruped")) >= 8
    assert body_poses("other") == {}
    assert all(pose.fingers.keys() == {"thumb", "index", "middle", "ring", "little"} for pose in hand_poses().values())
    for kind in ("humanoid", "quadruped"):
        names = [pose.name for pose in body_poses(kind).values()]
        assert len(names) == len(set(names)) and all(pose.description for pose in body_poses(kind).values())


@pytest.mark.parametrize("part", [{"both": {"elbow": [1, 0, 0]}}, {"left": {"upperArm": [1, 0]}}, {"spin": [1, 2, 3]}])
def test_what_is_no_pose_is_refused(part: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"elbow|upperArm|spin"):
        _body_pose({"key": "k", "name": "K", "description": "", **part})


@pytest.mark.parametrize("key", body_poses("humanoid"))
def test_a_pose_looks_alike_whatever_the_rest_pose_and_the_proportions(key: str) -> None:
    """Not only the directions: the bones are not twisted against each other either."""
    plain, other = humanoid(), humanoid(*WAVING, arm=0.15, leg=0.9)
    for side in ("left", "right"):
        for part in (*ARM[:2], "upperLeg", "lowerLeg"):
            role = sided(part, side)
            orientations = [
                posed(body, key)[body.by_role[role]] @ body.stances[body.by_role[role]] for body in (plain, other)
            ]
            assert np.allclose(*orientations, atol=0.02 if "Leg" in role else 1e-9), role


def test_directions_are_those_of_the_data() -> None:
    body = humanoid(*WAVING)
    for key, pose in body_poses("humanoid").items():
        turns = posed(body, key)
        for side, sign, parts in (("left", 1, pose.left), ("right", -1, pose.right)):
            for part in ("upperArm", "lowerArm", "upperLeg", "lowerLeg"):
                if part in parts:
                    out, front, up = parts[part]
                    aim = unit(np.array([sign * out, -front, up]))
                    assert np.allclose(pointing(body, turns, sided(part, side)), aim, atol=1e-9), (key, side, part)


def test_a_knee_bends_about_its_hinge() -> None:
    body = humanoid()
    turns = posed(body, "sit")
    for side in ("left", "right"):
        thigh, shin = body.by_role[f"{side}UpperLeg"], body.by_role[f"{side}LowerLeg"]
        axis, angle_rad = axis_angle(turns[thigh].T @ turns[shin])
        assert abs(axis[0]) > 0.97 and angle_rad > 1.0


@pytest.mark.parametrize("key", [key for key in body_poses("humanoid") if key != "jump"])
def test_the_lowest_part_is_on_the_floor(key: str) -> None:
    body = humanoid()
    found = solve_body(body, body_poses("humanoid")[key], still(body))
    heads = posed_heads(body, found.turns) + found.shift
    soles = [body.by_role[f"{side}{part}"] for side in ("left", "right") for part in ("Foot", "Toes", "LowerLeg")]
    tips = [heads[bone] + found.turns[bone] @ (body.tails[bone] - body.heads[bone]) for bone in soles]
    assert -0.03 < min(tip[2] for tip in tips) < 0.12


def test_a_jump_is_in_the_air() -> None:
    body = humanoid()
    pose = body_poses("humanoid")["jump"]
    grounded = solve_body(body, pose.__class__(**{**vars(pose), "lift": 0.0}), still(body))
    assert solve_body(body, pose, still(body)).shift[2] == pytest.approx(grounded.shift[2] + 0.3 * 0.9, abs=1e-3)


@pytest.mark.parametrize("legs", [(0.3, 0.3), (0.2, 0.35)])
@pytest.mark.parametrize("key", ["sit", "lie", "play_bow"])
def test_an_animal_stands_on_its_front_and_its_back(key: str, legs: tuple[float, float]) -> None:
    body = quadruped(*legs)
    found = solve_body(body, body_poses("quadruped")[key], still(body))
    heads = posed_heads(body, found.turns) + found.shift
    lows = {
        end: min(
            float((heads[bone] + found.turns[bone] @ (body.tails[bone] - body.heads[bone]))[2])
            for bone, role in enumerate(body.roles)
            if role.startswith(end)
        )
        for end in ("front", "back")
    }
    assert lows["front"] == pytest.approx(lows["back"], abs=0.15), lows


def test_fingers_hair_and_what_is_unknown_keep_what_they_have() -> None:
    body = humanoid()
    finger = body.by_role["leftMiddleProximal"]
    bent = fill(body, {finger: lean(10, 20, 30)}, still(body))
    turns = solve_body(body, body_poses("humanoid")["t_pose"], locals_of(body, bent)).turns
    assert np.allclose(locals_of(body, turns)[finger], lean(10, 20, 30))


def test_a_fist_closes_to_the_palm_on_both_sides() -> None:
    body = humanoid(*WAVING)
    turns = solve_hand(body, hand_poses()["fist"], ("left", "right"), posed(body, "t_pose"))
    for side in ("left", "right"):
        assert pointing(body, turns, f"{side}MiddleProximal")[2] < -0.8
    one = solve_hand(body, hand_poses()["fist"], ("left",), posed(body, "t_pose"))
    assert np.allclose(one[body.by_role["rightMiddleProximal"]], posed(body, "t_pose")[body.by_role["rightHand"]])


def test_a_mirrored_pose_is_its_mirror_image_where_the_sides_differ_at_rest() -> None:
    body = humanoid(*WAVING)
    turns = posed(body, "wave")
    seen = mirror(body, turns, body.names)
    for part in (*ARM, "upperLeg"):
        for here, there in (("left", "right"), ("right", "left")):
            wanted = MIRROR @ pointing(body, turns, sided(part, there))
            if part != "hand":  # a hand keeps what it has against its arm at rest
                assert np.allclose(pointing(body, seen, sided(part, here)), wanted, atol=1e-9), part
    assert np.allclose(mirror(body, seen, body.names), turns, atol=1e-9)
    assert not np.allclose(seen, turns, atol=0.1)


@pytest.mark.parametrize(
    "axes",
    [np.eye(3), np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])],
    ids=["ours", "Y up", "facing aside"],
)
@pytest.mark.parametrize("body", [humanoid(), quadruped()], ids=["humanoid", "quadruped"])
def test_a_rigs_own_axes_are_found(axes: np.ndarray, body: RestSkeleton) -> None:
    assert np.array_equal(to_character(body.roles, body.heads @ axes.T), axes.T)


def test_limits_count_from_the_straight_limb() -> None:
    """An elbow that is bent by 90 degrees at rest can be straightened by 90 and bent by 65 more."""
    straight, bent = (
        humanoid(((1, 0, 0), (1, 0, 0)), ((-1, 0, 0), (-1, 0, 0))),
        humanoid(((1, 0, 0), (0, -1, 0)), ((-1, 0, 0), (0, -1, 0))),
    )
    found = {}
    for name, body in (("straight", straight), ("bent", bent)):
        rests = body.stances @ np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], float).T
        limits = joint_limits(body, rests)
        found[name] = np.rad2deg(limits[body.by_role["leftLowerArm"]])
        hinge = np.ptp(found[name], axis=1).argmax()
        found[name] = found[name][hinge]
        right = np.rad2deg(limits[body.by_role["rightLowerArm"]])[hinge]
        assert np.allclose(sorted(np.abs(right)), sorted(np.abs(found[name])))
    assert np.allclose(sorted(np.abs(found["straight"])), (10, 155))
    assert np.allclose(sorted(np.abs(found["bent"])), (65, 100))


@pytest.mark.parametrize("angle_rad", [0.0, 1e-9, 0.5, 3.0, np.pi])
def test_turns_are_taken_apart_and_put_together(angle_rad: float) -> None:
    axis = unit(np.array([0.3, -0.5, 0.8]))
    turn = about(axis, angle_rad)
    found, size = axis_angle(turn)
    assert np.allclose(about(found, size), turn, atol=1e-7)
    assert np.allclose(part_of(turn, 0.5) @ part_of(turn, 0.5), turn, atol=1e-6)
    assert np.allclose(between(turn, np.eye(3), 1.0), np.eye(3), atol=1e-6)
    assert np.allclose(swing(axis, turn @ np.eye(3)[0]) @ axis, turn @ np.eye(3)[0])


def test_opposite_directions_are_swung_too() -> None:
    for axis in np.eye(3):
        assert np.allclose(swing(axis, -axis) @ axis, -axis)
        assert np.allclose(swing(axis, axis), np.eye(3))
