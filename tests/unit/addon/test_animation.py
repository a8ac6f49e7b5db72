# SPDX-License-Identifier: GPL-3.0-or-later
"""Animation without Blender: clips as data, feet that are planted, files with animation."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from blender_addon.animation.bvh import read_bvh
from blender_addon.animation.clips import clips_of, read_clip
from blender_addon.animation.curves import make_curve
from blender_addon.animation.legs import sole_parts
from blender_addon.animation.motion import Motion, Pace, fit_clip
from blender_addon.animation.soles import find_soles
from blender_addon.animation.source import role_of_joint
from blender_addon.errors import ClipUnusable
from blender_addon.pose.rotations import about, axis_angle
from blender_addon.pose.skeleton import RestSkeleton
from blender_addon.pose.solve import locals_of
from blender_addon.pose.standing import posed_heads
from tests.unit.addon.pose_bodies import humanoid, quadruped

WAVING = (((0.3, -0.2, 1), (0, -1, 0.4)), ((-0.2, 0.1, -1), (-0.4, -0.3, -1)))
FRAMES = 24


def played(body: RestSkeleton, key: str, amplitude: float = 1.0) -> Motion:
    still = np.tile(np.eye(3), (len(body.names), 1, 1))
    none = np.zeros((0, 3)), np.zeros(0, np.int64)
    soles = find_soles(body, *none, sole_parts(body.kind))
    clip = clips_of(body.kind)[key]
    return fit_clip(body, soles, clip, Pace(FRAMES, amplitude, clip.seconds), still)


def places(body: RestSkeleton, motion: Motion, role: str, end: str = "heads") -> np.ndarray:
    """(F, 3): where a bone begins or ends."""
    bone = body.by_role[role]
    found = []
    for turns, shift in zip(motion.turns, motion.shifts, strict=True):
        head = posed_heads(body, turns)[bone] + shift
        along = turns[bone] @ (body.tails[bone] - body.heads[bone])
        found.append(head + (along if end == "tails" else 0.0))
    return np.array(found)


def test_the_library_holds_what_is_promised() -> None:
    assert {"idle", "walk", "run", "jump", "wave", "sit", "dance"} <= clips_of("humanoid").keys()
    assert {"walk", "trot", "idle"} <= clips_of("quadruped").keys()
    assert {"breathe", "sway"} <= clips_of("other").keys()
    for kind in ("humanoid", "quadruped", "other"):
        assert all(clip.description and clip.seconds > 0 for clip in clips_of(kind).values())


@pytest.mark.parametrize(
    "part", [{"both": {"elbow": [1, 0, 0]}}, {"left": {"upperArm": [1, 0]}}, {"centre": {"shift": [1]}}, {"spin": 1}]
)
def test_what_is_no_clip_is_refused(part: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"elbow|upperArm|shift|spin"):
        read_clip({"key": "k", "name": "K", "description": "", "seconds": 1, **part})


def test_a_curve_goes_through_its_keys_closes_and_does_not_overshoot() -> None:
    keys = {"0.1": [0.0, 5.0], "0.3": [1.0, 5.0], "0.4": [1.0, 7.0], "0.8": [-1.0, 5.0]}
    curve = make_curve(keys)
    for phase, value in keys.items():
        assert np.allclose(curve.at(float(phase)), value) and np.allclose(curve.at(float(phase) + 1), value)
    seen = np.array([curve.at(phase) for phase in np.linspace(0, 1, 500)])
    assert np.allclose(seen[0], seen[-1])
    assert seen.min(axis=0) == pytest.approx([-1, 5], abs=1e-3) and seen.max(axis=0) == pytest.approx([1, 7], abs=1e-3)
    assert np.ptp(seen[150:200, 0]) < 1e-9  # flat between equal keys
    assert np.abs(np.diff(seen, axis=0)).max() < 0.1
    assert np.allclose(make_curve([3.0]).at(0.7), 3.0)


@pytest.mark.parametrize("body", [humanoid(), humanoid(*WAVING, arm=0.15, leg=0.9), humanoid(leg=0.15)])
@pytest.mark.parametrize("key", clips_of("humanoid"))
def test_loops_close_and_no_bone_flips(body: RestSkeleton, key: str) -> None:
    motion = played(body, key)
    assert np.allclose(motion.turns[0], motion.turns[-1]) and np.allclose(motion.shifts[0], motion.shifts[-1])
    within = [locals_of(body, turns) for turns in motion.turns]
    steps = [axis_angle(a.T @ b)[1] for one, other in pairwise(within) for a, b in zip(one, other, strict=True)]
    assert np.degrees(max(steps)) < 75
    assert motion.driven >= {body.by_role[role] for role in ("hips", "head", "leftHand", "rightLowerLeg")}


@pytest.mark.parametrize("body", [humanoid(), humanoid(*WAVING, leg=0.6)])
def test_a_foot_that_is_flat_goes_with_the_floor(body: RestSkeleton) -> None:
    motion = played(body, "walk")
    ankle = places(body, motion, "leftFoot")
    frames = np.arange(3, 9)  # from 0.12 to 0.36 of the cycle it is flat
    back = np.diff(ankle[frames], axis=0)
    step = motion.speed * clips_of("humanoid")["walk"].seconds / FRAMES
    assert np.allclose(back, [0.0, step, 0.0], atol=1e-6) and step > 0.01
    other = places(body, motion, "rightFoot")
    assert np.allclose(np.roll(other[:-1, 1:], FRAMES // 2, axis=0), ankle[:-1, 1:], atol=1e-6)


@pytest.mark.parametrize("key", ["idle", "wave"])
def test_feet_stand_still_where_they_do_not_walk(key: str) -> None:
    body = humanoid()
    ankle = places(body, played(body, key), "leftFoot")
    assert np.ptp(ankle, axis=0).max() < 1e-6


def test_a_walking_dog_keeps_three_feet_down() -> None:
    body = quadruped()
    motion = played(body, "walk")
    heights = np.array([places(body, motion, role, "tails")[:-1, 2] for role in sole_parts("quadruped")])
    down = heights < heights.min() + 0.01
    assert down.sum(axis=0).min() >= 2 and down.all(axis=0).mean() < 0.5
    assert (~down).any(axis=1).all()


def test_no_amplitude_is_no_motion() -> None:
    body = humanoid()
    motion = played(body, "walk", amplitude=0.0)
    assert np.ptp(motion.turns, axis=0).max() < 1e-9 and motion.speed == 0.0


def test_other_bodies_swell_and_sway_from_the_root_to_the_tips() -> None:
    names = tuple("abcd")
    heads = np.array([[0, 0, z] for z in (0.0, 1.0, 2.0, 3.0)])
    body = RestSkeleton(names, ("root", "chain", "chain", "chain"), (-1, 0, 1, 2), heads, heads + np.array([0, 0, 1.0]))
    motion = played(body, "sway")
    assert np.allclose(motion.turns[:, 0], np.eye(3)) and motion.driven == {1, 2, 3}
    tips = posed_heads(body, motion.turns[FRAMES // 3])
    assert np.ptp([posed_heads(body, turns)[3, 0] for turns in motion.turns]) > 0.1 and np.allclose(tips[0], 0)
    swells = played(body, "breathe").swells
    assert swells is not None and swells.max() == pytest.approx(0.025) and swells[0] == swells[-1] == 0.0


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("mixamorig:LeftUpLeg", "leftUpperLeg"),
        ("mixamorig7:LeftUpLeg", "leftUpperLeg"),
        ("mixamorig_Spine1", "chest"),
        ("LeftForeArm", "leftLowerArm"),
        ("actor:Hips", "hips"),
        ("leftUpperArm", "leftUpperArm"),
        ("LeftUpperLeg", "leftUpperLeg"),
        ("upper_arm.R", "rightUpperArm"),
        ("HEAD", "head"),
        ("Bip01", ""),
    ],
)
def test_joints_are_known_by_many_names(name: str, role: str) -> None:
    assert role_of_joint(name) == role


BVH = """HIERARCHY
ROOT Hips
{
 OFFSET 0 0 0
 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
 JOINT Spine
 {
  OFFSET 0 10 0
  CHANNELS 3 Zrotation Xrotation Yrotation
  End Site
  {
   OFFSET 0 5 0
  }
 }
}
MOTION
Frames: 2
Frame Time: 0.04
0 90 0 0 0 0 0 0 0
1 90 0 90 0 0 0 90 0
"""


def test_a_bvh_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "clip.bvh"
    path.write_text(BVH, encoding="utf-8")
    clip = read_bvh(path)
    assert clip.names == ("Hips", "Spine") and clip.roles == ("hips", "spine") and clip.fps == pytest.approx(25)
    assert np.allclose(clip.heads[0], [[0, 90, 0], [0, 100, 0]])
    assert np.allclose(clip.heads[1], [[1, 90, 0], [-9, 90, 0]])  # the hips turned by 90 degrees about Z
    assert np.allclose(clip.rotations[1, 1] @ [0, 1, 0], [0, 0, 1])  # then the spine about its own X
    assert np.allclose(clip.rest_tails, [[0, 10, 0], [0, 15, 0]])


def test_every_frame_of_a_bvh_turns_in_the_order_of_its_channels(tmp_path: Path) -> None:
    """Against turns that are put together frame by frame; the spine has a position of its own."""
    rows = np.random.default_rng(5).uniform(-170, 170, (40, 12))
    text = BVH[: BVH.index("MOTION")].replace(
        "CHANNELS 3 Zrotation", "CHANNELS 6 Yposition Xposition Zposition Zrotation"
    )
    text += f"MOTION\nFrames: {len(rows)}\nFrame Time: 0.01\n" + "\n".join(" ".join(map(str, row)) for row in rows)
    path = tmp_path / "clip.bvh"
    path.write_text(text, encoding="utf-8")
    clip = read_bvh(path)
    x, y, z = np.eye(3)
    for row, turns, heads in zip(rows, clip.rotations, clip.heads, strict=True):
        hips, spine = (
            about(z, angles[0]) @ about(x, angles[1]) @ about(y, angles[2])
            for angles in np.deg2rad([row[3:6], row[9:]])
        )
        assert np.allclose(turns, [hips, hips @ spine])
        assert np.allclose(heads, [row[:3], row[:3] + hips @ row[[7, 6, 8]]])


def test_a_bvh_joint_without_an_end_has_no_length(tmp_path: Path) -> None:
    path = tmp_path / "clip.bvh"
    path.write_text(BVH.replace("  End Site\n  {\n   OFFSET 0 5 0\n  }\n", ""), encoding="utf-8")
    clip = read_bvh(path)
    assert np.array_equal(clip.rest_tails, [[0, 10, 0], [0, 10, 0]])
    body = RestSkeleton(clip.names, clip.roles, clip.parents, clip.rest_heads, clip.rest_tails)
    assert body.direction(1) is None and np.allclose(body.direction(0), [0, 1, 0])


@pytest.mark.parametrize(
    "change",
    [
        ("HIERARCHY", "HIER"),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0"),
        ("Frames: 2", "Frames: 3"),
        ("}\nMOTION", "MOTION"),
        ("Xrotation", "Wrotation"),
        ("0.04", "0"),
        ("0.04", "inf"),
        ("0.04", "nan"),
        ("90 0 90", "90 0 nan"),
        ("90 0 90", "90 0 -inf"),
        ("OFFSET 0 10 0", "OFFSET 0 nan 0"),
        ("OFFSET 0 5 0", "OFFSET 0 inf 0"),
        ("CHANNELS 3", "CHANNELS 30"),
    ],
)
def test_a_broken_bvh_is_refused_in_one_sentence(tmp_path: Path, change: tuple[str, str]) -> None:
    path = tmp_path / "clip.bvh"
    path.write_text(BVH.replace(*change, 1), encoding="utf-8")
    with pytest.raises(ClipUnusable, match=r"clip\.bvh is no whole BVH file\."):
        read_bvh(path)
