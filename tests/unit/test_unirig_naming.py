# SPDX-License-Identifier: GPL-3.0-or-later
"""Names by geometry: bodies made here, turned, posed and mirrored, and rigs that people made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blender_addon.skeleton_map import MIXAMO_NAMES, UNITY_NAMES, VRM_BONES, VRM_REQUIRED, side_of
from inference_server.core.frames import from_blender, front_facing_rolls
from inference_server.core.types import Skeleton
from inference_server.core.validate import skeleton_problems
from models.draft.tree import role_of
from models.unirig.naming import Naming, name_bones
from models.unirig.tails import end_bones
from tests.bench import rig_names

Bones = dict[str, tuple[str, tuple[float, float, float]]]


def humanoid() -> Bones:
    """By name: parent and head, house frame; arms at 45°."""
    bones: Bones = {
        "hips": ("", (0, 0.95, 0)),
        "spine": ("hips", (0, 1.05, 0)),
        "chest": ("spine", (0, 1.2, -0.01)),
        "upper_chest": ("chest", (0, 1.32, -0.02)),
        "neck": ("upper_chest", (0, 1.45, -0.02)),
        "head": ("neck", (0, 1.55, 0)),
    }
    for side, x in (("L", 1.0), ("R", -1.0)):
        limb = {
            "upper_leg": ("hips", (0.1, 0.9, 0)),
            "lower_leg": ("upper_leg", (0.1, 0.5, 0.01)),
            "foot": ("lower_leg", (0.1, 0.09, -0.03)),
            "toes": ("foot", (0.11, 0.02, 0.08)),
            "shoulder": ("upper_chest", (0.03, 1.4, -0.02)),
            "upper_arm": ("shoulder", (0.17, 1.4, -0.03)),
            "lower_arm": ("upper_arm", (0.36, 1.21, -0.04)),
            "hand": ("lower_arm", (0.54, 1.03, -0.02)),
        }
        starts = {"thumb": (0.55, 1.0, 0.03), "index": (0.61, 0.96, 0.02), "middle": (0.615, 0.955, 0.0)}
        starts |= {"ring": (0.61, 0.96, -0.02), "little": (0.6, 0.97, -0.04)}
        for finger, start in starts.items():
            joints = (
                ("metacarpal", "proximal", "distal") if finger == "thumb" else ("proximal", "intermediate", "distal")
            )
            for place, joint in enumerate(joints):
                step = 0.02 * place
                parent = f"{finger}_{joints[place - 1]}" if place else "hand"
                limb[f"{finger}_{joint}"] = (parent, (start[0] + step, start[1] - step, start[2] + step / 4))
        for name, (parent, (away, y, z)) in limb.items():
            bones[f"{name}.{side}"] = (f"{parent}.{side}" if parent in limb else parent, (x * away, y, z))
    return bones


def quadruped() -> Bones:
    bones: Bones = {
        "hips": ("", (0, 0.7, -0.4)),
        "spine": ("hips", (0, 0.72, -0.15)),
        "chest": ("spine", (0, 0.7, 0.15)),
        "neck_01": ("chest", (0, 0.78, 0.42)),
        "head": ("neck_01", (0, 1.0, 0.55)),
        "tail_01": ("hips", (0, 0.7, -0.5)),
        "tail_02": ("tail_01", (0, 0.55, -0.65)),
        "tail_03": ("tail_02", (0, 0.4, -0.75)),
    }
    for side, x in (("L", 0.12), ("R", -0.12)):
        for end, parent, z in (("back", "hips", -0.4), ("front", "chest", 0.3)):
            heights = (("upper_leg", 0.62, 0.0), ("lower_leg", 0.38, 0.06), ("foot", 0.15, -0.05), ("paw", 0.05, 0.0))
            for name, y, off in heights:
                bones[f"{end}_{name}.{side}"] = (parent, (x, y, z + off))
                parent = f"{end}_{name}.{side}"
    return bones


def arrays(bones: Bones) -> tuple[np.ndarray, np.ndarray]:
    """heads, parents, parents before children."""
    names = list(bones)
    heads = np.array([head for _, head in bones.values()])
    return heads, np.array([names.index(parent) if parent else -1 for parent, _ in bones.values()])


def turned(heads: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    return heads @ np.array(turn).T


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -75])
@pytest.mark.parametrize(("bones", "kind"), [(humanoid(), "humanoid"), (quadruped(), "quadruped")])
def test_every_bone_gets_its_own_name_however_the_body_is_turned(bones: Bones, kind: str, degrees: float) -> None:
    heads, parents = arrays(bones)
    naming = name_bones(turned(heads, degrees) * 7 + [3, 1, -2], parents)
    assert naming.names == tuple(bones)
    assert naming.kind == kind and naming.confidence > 0.7
    assert np.abs(naming.front - turned(np.array([[0, 0, 1.0]]), degrees)[0]).max() < 0.05
    assert naming.roles == tuple(role_of(name) for name in bones)
    assert (naming.bone_confidence > 0.3).all() and (naming.bone_confidence <= 1).all()


def test_a_humanoid_has_all_that_vrm_unity_and_mixamo_ask_for() -> None:
    naming = name_bones(*arrays(humanoid()))
    roles = set(naming.roles)
    assert VRM_REQUIRED <= roles <= set(VRM_BONES) & set(UNITY_NAMES) & set(MIXAMO_NAMES)


def test_arms_that_cross_keep_their_sides() -> None:
    heads, parents = arrays(humanoid())
    names = list(humanoid())
    for side, x in (("L", -1.0), ("R", 1.0)):
        hand = names.index(f"hand.{side}")
        below = [place for place in range(len(names)) if _is_below(parents, place, hand)]
        heads[below, 0] = x * 0.03 + 0.2 * (heads[below, 0] - heads[hand, 0])
        heads[below, 2] += 0.3
    naming = name_bones(heads, parents)
    assert [side_of(name) for name in naming.names] == [side_of(name) for name in names]


def _is_below(parents: np.ndarray, bone: int, ancestor: int) -> bool:
    while bone >= 0 and bone != ancestor:
        bone = int(parents[bone])
    return bone == ancestor


def test_bones_that_are_a_little_off_keep_their_names() -> None:
    """By half a step of the network's coordinates, twice."""
    heads, parents = arrays(humanoid())
    names = [name for name in humanoid() if not name.startswith(("thumb", "index", "middle", "ring", "little"))]
    noise = np.random.default_rng(4).normal(scale=0.005, size=heads.shape)
    assert set(names) <= set(name_bones(heads + noise, parents).names)


def test_twists_and_a_root_on_the_ground_have_names_beside_the_parts() -> None:
    bones = {"ground": ("", (0.0, 0.0, 0.0)), **humanoid()}
    bones["hips"] = ("ground", bones["hips"][1])
    bones["twist"] = ("upper_arm.L", (0.265, 1.305, -0.035))
    bones["lower_arm.L"] = ("twist", bones["lower_arm.L"][1])
    order = sorted(bones, key=lambda name: _depth(bones, name))
    naming = name_bones(*arrays({name: bones[name] for name in order}))
    given = dict(zip(order, naming.names, strict=True))
    assert given.pop("ground") == "root" and given.pop("twist") == "upper_arm_02.L"
    assert all(name == given[name] for name in given)
    assert naming.roles[order.index("twist")] == "chain"


def _depth(bones: Bones, name: str) -> int:
    return 0 if not bones[name][0] else 1 + _depth(bones, bones[name][0])


@pytest.mark.parametrize("seed", range(20))
def test_any_tree_gets_unique_names_with_sides_that_are_true(seed: int) -> None:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(1, 60))
    parents = np.array([-1, *(int(generator.integers(0, bone)) for bone in range(1, count))])
    heads = generator.normal(size=(count, 3))
    naming = name_bones(heads, parents)
    assert len(set(naming.names)) == count == len(naming.roles)
    assert naming.kind in ("humanoid", "quadruped", "generic") and 0 <= naming.confidence <= 1
    tails = end_bones(heads, parents, naming.roles, float(heads[:, 1].max()))
    rolls = front_facing_rolls(heads.astype(np.float32), tails)
    skeleton = Skeleton(naming.names, naming.roles, parents, heads, tails, rolls, naming.kind)
    assert skeleton_problems(skeleton) == []


@pytest.mark.parametrize("heads", [np.zeros((1, 3)), np.zeros((4, 3))])
def test_a_single_bone_and_bones_in_one_place_are_named(heads: np.ndarray) -> None:
    parents = np.arange(len(heads)) - 1
    naming = name_bones(heads, parents)
    assert naming.kind == "generic" and naming.names[0] == "root"
    assert np.linalg.norm(end_bones(heads, parents, naming.roles, 1.0) - heads, axis=1).min() > 0


@pytest.mark.shared
def test_rigs_that_people_made_get_their_roles_back(shared_root: Path) -> None:
    """The accuracy that docs/performance.md states; left and right never change places."""
    rights = total = swaps = 0
    for folder in sorted(path for path in (shared_root / "dev_assets").iterdir() if path.is_dir()):
        meta, truth = rig_names.read_asset(folder)
        heads = from_blender(truth["J"].astype(np.float32))
        naming: Naming = name_bones(heads, truth["parents"])
        judged = rig_names.judge(meta, naming)
        rights += sum(is_right for *_, is_right in judged)
        total += len(judged)
        swaps += rig_names.judge_sides(naming, heads)[0]
        assert all(side_of(name) or not name.endswith((".L", ".R")) for name in naming.names)
    assert total == 404 and rights / total > 0.96 and swaps == 0
