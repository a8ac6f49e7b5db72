# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips of other skeletons without Blender: feet and paws that stand in the source stand on the target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from blender_addon.animation.clips import clips_of
from blender_addon.animation.legs import sole_parts
from blender_addon.animation.motion import Motion
from blender_addon.animation.soles import find_soles
from blender_addon.animation.source import SourceClip
from blender_addon.animation.transfer import Wish, transfer_clip
from blender_addon.pose.rotations import lean
from blender_addon.pose.skeleton import RestSkeleton, to_character
from blender_addon.pose.standing import posed_heads
from tests.unit.addon.pose_bodies import humanoid, quadruped
from tests.unit.addon.test_animation import FRAMES, places, played

FPS = 24.0
TALL = quadruped(0.36, 0.42)
AS_IT_IS = Wish(FPS)


def walking(body: RestSkeleton, key: str, cycles: int = 2) -> SourceClip:
    """Our own clip as a file has it: the body walks, the floor rests."""
    motion = played(body, key)
    order = np.arange(cycles * FRAMES + 1) % FRAMES
    step = motion.speed * clips_of(body.kind)[key].seconds / FRAMES  # of a frame
    way = np.arange(len(order))[:, None] * np.array([0.0, -step, 0.0])
    heads = posed_heads(body, motion.turns[order]) + (motion.shifts[order] + way)[:, None]
    return SourceClip(body, motion.turns[order], heads, FPS)


def fitted(body: RestSkeleton, source: SourceClip, wish: Wish = AS_IT_IS) -> Motion:
    none = np.zeros((0, 3)), np.zeros(0, np.int64)
    still = np.tile(np.eye(3), (len(body.names), 1, 1))
    return transfer_clip(body, find_soles(body, *none, sole_parts(body.kind)), source, wish, still)


def slides(body: RestSkeleton, motion: Motion) -> dict[str, float]:
    """By paw: how far its tip moves along the floor while it is down, in any one step."""
    found = {}
    for role in sole_parts("quadruped"):
        tips = places(body, motion, role, "tails")
        down = tips[:, 2] < tips[:, 2].min() + 0.004
        steps = np.split(np.arange(len(tips)), np.flatnonzero(np.diff(down.astype(int))) + 1)
        found[role] = max(float(np.ptp(tips[step, :2], axis=0).max()) for step in steps if down[step[0]])
        assert 0.3 < down.mean() < 0.95, role
    return found


@pytest.mark.parametrize("target", [TALL, quadruped(0.2, 0.35), quadruped(0.4, 0.25), quadruped(0.2, 0.5)])
@pytest.mark.parametrize("key", ["walk", "trot"])
def test_paws_that_stand_in_the_file_stand_on_every_animal(target: RestSkeleton, key: str) -> None:
    source = walking(quadruped(), key)
    motion = fitted(target, source)
    assert max(slides(target, motion).values()) < 0.012
    lows = [places(target, motion, role, "tails")[:, 2].min() for role in sole_parts("quadruped")]
    floor = min(target.tails[target.by_role[role]][2] for role in sole_parts("quadruped"))
    assert np.allclose(lows, floor, atol=0.01)
    gone = places(target, motion, "hips")[-1] - places(target, motion, "hips")[0]
    assert gone[1] < -0.3 and abs(gone[0]) < 1e-6


def test_an_animals_own_clip_comes_back() -> None:
    source = walking(TALL, "walk")
    motion = fitted(TALL, source)
    for role in ("frontLeftPaw", "backRightPaw", "backLeftFoot", "frontRightLowerLeg"):
        bone = TALL.by_role[role]
        wanted = source.heads[:, bone] - source.heads[0, TALL.by_role["hips"]] * (1, 1, 0)
        found = places(TALL, motion, role) - TALL.heads[TALL.by_role["hips"]] * (1, 1, 0)
        assert np.abs(found - wanted).max() < 1e-3, role


def test_a_paw_that_is_held_up_all_the_time_is_not_put_down() -> None:
    """An animal that begs: both front paws stay where they are in the air."""
    body = quadruped()
    up = {body.by_role[f"front{side}{part}"] for side in ("Left", "Right") for part in ("UpperLeg", "LowerLeg", "Foot")}
    turns = np.tile(np.eye(3), (len(body.names), 1, 1))
    for bone in up:
        turns[bone] = lean(-70, 0, 0)
    frames = np.tile(turns, (10, 1, 1, 1))
    source = SourceClip(body, frames, posed_heads(body, frames), FPS)
    motion = fitted(TALL, source)
    front, back = (places(TALL, motion, f"{end}LeftPaw")[:, 2] for end in ("front", "back"))
    assert front.min() > back.max() + 0.3


def test_in_place_takes_the_way_but_not_the_steps() -> None:
    source = walking(quadruped(), "walk")
    still, gone = fitted(TALL, source, Wish(FPS, in_place=True)), fitted(TALL, source)
    hips = places(TALL, still, "hips")
    assert np.abs(hips[-1] - hips[0]).max() < 1e-6 and still.speed > 0.2
    seconds = np.arange(len(hips))[:, None] / FPS
    assert np.allclose(hips - seconds * [0.0, still.speed, 0.0], places(TALL, gone, "hips"), atol=1e-6)
    assert np.allclose(still.turns, gone.turns, atol=1e-6)


def test_an_animal_without_known_paws_still_moves() -> None:
    body = quadruped()
    roles = tuple("" if role.endswith("Paw") else role for role in body.roles)
    source = replace(walking(body, "walk"), skeleton=replace(body, roles=roles))
    motion = fitted(TALL, source)
    assert np.ptp(places(TALL, motion, "frontLeftLowerLeg")[:, 2]) > 0.01 and np.isfinite(motion.turns).all()


def test_moments_between_two_frames_are_between_them() -> None:
    source = walking(humanoid(), "walk")
    turns, heads = source.at(np.array([0.0, 3.0005, 3.5, 48.0]))
    assert np.array_equal(turns[[0, 1, 3]], source.turns[[0, 3, 48]])
    assert np.allclose(heads[2], (source.heads[3] + source.heads[4]) / 2)
    assert np.allclose(turns[2] @ np.swapaxes(source.turns[3], 1, 2), source.turns[4] @ np.swapaxes(turns[2], 1, 2))


def test_the_feet_of_a_walk_stand_on_other_legs() -> None:
    source = walking(humanoid(), "walk")
    for body in (humanoid(leg=0.3), humanoid(leg=0.6, arm=0.2)):
        ankle = places(body, fitted(body, source), "leftFoot")
        stands = np.arange(FRAMES + 3, FRAMES + 9)  # flat from 0.12 to 0.36 of the cycle
        assert np.ptp(ankle[stands], axis=0).max() < 0.02


def test_an_animal_in_mid_stride_still_faces_forward() -> None:
    """Its hind legs are further behind each other than beside."""
    body = quadruped()
    heads = body.heads.copy()
    heads[body.by_role["backLeftUpperLeg"]] += (-0.06, 0.15, 0.0)
    heads[body.by_role["backRightUpperLeg"]] += (0.06, -0.15, 0.0)
    assert np.array_equal(to_character(body.roles, heads), np.eye(3))
    turned = heads @ np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert np.allclose(turned @ to_character(body.roles, turned).T, heads)


@pytest.mark.parametrize("target", [quadruped(0.2, 0.35), quadruped(0.4, 0.25)])
def test_the_trunk_is_pitched_until_front_and_back_legs_are_bent_as_the_files_are(target: RestSkeleton) -> None:
    source = walking(quadruped(), "walk")
    motion = fitted(target, source)
    for end in ("front", "back"):
        shares = []
        for body, moved in ((source.skeleton, fitted(source.skeleton, source)), (target, motion)):
            upper, paw = f"{end}LeftUpperLeg", f"{end}LeftPaw"
            height = places(body, moved, upper)[:, 2].mean() - places(body, moved, paw)[:, 2].min()
            shares.append(height / (body.heads[body.by_role[upper]][2] - body.heads[body.by_role[paw]][2]))
        assert shares[0] == pytest.approx(shares[1], abs=0.01), end
