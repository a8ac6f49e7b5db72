# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bones of rigs that people made get their role back when their names are hidden.

    python -m tests.bench.rig_names FOLDER [--table]

FOLDER holds an asset a folder: gt.npz (J, parents; Blender's frame) and meta.json (names, category). Only bones whose
name tells their part are counted; sides are judged by where a bone stands, for some artists mixed them up.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

from inference_server.core.frames import from_blender
from models.unirig.naming import Naming, name_bones

# The first pattern that fits a name in lower case counts. A part may go by several roles.
TRUNK = ("spine", "chest", "upperChest", "spine_")
HUMANOID = (
    (r"^hips$", ("hips", "spine")),  # of some artists the bone above the one that the legs hang on
    (r"bip01 pelvis|torso_joint_1$", ("hips",)),
    (
        r"eye|jaw|lip|brow|oris|levator|breast|root|^bone$|twist|oculi|special|toe4|metacarpal|tongue|temporal|risor",
        (),
    ),
    (r"thumb|finger1-|finger0", ("Thumb",)),
    (r"index|finger2-|finger1", ("Index",)),
    (r"middlehand", ()),
    (r"middle|finger3-|finger2", ("Middle",)),
    (r"ring|finger4-|finger3", ("Ring",)),
    (r"pinky|finger5-|finger4", ("Little",)),
    (r"foot|leg_joint_._3", ("Foot",)),
    (r"toe|leg_joint_._5", ("Toes", "toes_")),
    (r"upperleg|upleg|thigh|leg_joint_._1", ("UpperLeg", "upper_leg_")),
    (r"lowerleg|calf|leg_joint_._2", ("LowerLeg", "lower_leg_")),
    (r"shoulder|clavicle", ("Shoulder", "shoulder_")),
    (r"upperarm|arm_joint_l__4_|arm_joint_r$", ("UpperArm", "upper_arm_")),
    (r"lowerarm|forearm|arm_joint_l__3_|arm_joint_r__2_", ("LowerArm", "lower_arm_")),
    (r"wrist|bip01 . hand|arm_joint_l__2_|arm_joint_r__3_|^hand\.[lr]$|^palm\.", ("Hand", "MiddleProximal")),
    (r"neck_joint_2|head", ("head",)),
    (r"neck", ("neck", "neck_")),
    (r"spine|chest|torso|abdomen", TRUNK),
)
ANIMAL = (
    (r"^root$|^body$|frontfoot|backfoot|ik.*foot|ear", ()),
    (r"tail", ("tail",)),
    (r"ikfront|ikback|hand", ("Foot", "Paw", "Hand")),
    (r"frontup|upperarm|frontupperleg", ("UpperLeg", "UpperArm")),
    (r"frontlow|forearm", ("LowerLeg", "LowerArm")),
    (r"frontleg\.|frontshoulder", ("LegRoot", "UpperArm", "Shoulder")),
    (r"^ff\.", ("Paw",)),
    (r"^backhip|^backshoulder|backleg\..$", ("LegRoot", "UpperLeg")),
    (r"neck", ("neck", "chest")),
    (r"head", ("head",)),
    (r"spine|torso|shoulders", ("spine", "chest", "neck")),
)


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    rights, swaps, sided, total = 0, 0, 0, 0
    print("| rig | taken for | sure | bones with a known part | named right | sides swapped |")
    print("|---|---|---|---|---|---|")
    for folder in sorted(path for path in options.folder.iterdir() if (path / "gt.npz").is_file()):
        meta, truth = read_asset(folder)
        heads = from_blender(truth["J"].astype(np.float32))
        naming = name_bones(heads, truth["parents"])
        judged = judge(meta, naming)
        swapped, with_side = judge_sides(naming, heads)
        right = sum(is_right for *_, is_right in judged)
        share = f"{right} of {len(judged)}" if judged else "–"
        print(f"| {folder.name} | {naming.kind} | {naming.confidence:.2f} | {len(judged)} | {share} | {swapped} |")
        if options.table:
            print("\n".join(f"    {name}: {given}" for name, given, is_right in judged if not is_right))
        rights, total, swaps, sided = rights + right, total + len(judged), swaps + swapped, sided + with_side
    print(f"\n{rights} of {total} roles right ({rights / total:.1%}); {swaps} of {sided} bones on the wrong side.")
    return 0


def read_asset(folder: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """What is known about an asset, and its arrays."""
    with np.load(folder / "gt.npz") as file:
        arrays = {name: file[name] for name in ("J", "parents")}
    return json.loads((folder / "meta.json").read_text(encoding="utf-8")), arrays


def judge(meta: dict[str, object], naming: Naming) -> list[tuple[str, str, bool]]:
    """The name that an artist gave, the one given here, and whether they mean the same part."""
    is_humanoid = str(meta["category"]).startswith("humanoid") or meta["category"] == "robot"
    patterns = HUMANOID if is_humanoid else ANIMAL if meta["category"] in ("quadruped", "biped_animal") else ()
    judged = []
    for name, given, role in zip(meta["names"], naming.names, naming.roles, strict=True):  # type: ignore[arg-type]
        parts = next((parts for pattern, parts in patterns if re.search(pattern, name.lower())), ())
        if parts:
            judged.append((name, given, any(part in role or given.startswith(part) for part in parts)))
    return judged


def judge_sides(naming: Naming, heads: np.ndarray) -> tuple[int, int]:
    """Bones that are named for the side on which they do not stand, and bones with a side; every body here faces +Z."""
    off = (heads[:, 0] - heads[0, 0]) / np.ptp(heads, axis=0).max()
    sided = [(name[-1], place) for name, place in zip(naming.names, off, strict=True) if name.endswith((".L", ".R"))]
    return sum(abs(place) > 0.01 and (side == "L") != (place > 0) for side, place in sided), len(sided)


if __name__ == "__main__":
    sys.exit(main())
