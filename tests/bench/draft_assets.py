# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground-truth assets: their skeletons as rig.json, a plain inflation of their pictures, and the evaluation tool."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve
from skimage.measure import marching_cubes

CREATURES = ("quadruped", "biped_animal", "fish", "insect", "bird")
INFLATION_px = 160  # of the longer side: the baseline is smooth, more shows nothing else
SHORTEST_BONE = 1e-3  # of a box of side 2; a stub as readers make it, which rig.json refuses below 1e-4


def category(asset: Path) -> str:
    """humanoid, robot or creature."""
    name = json.loads((asset / "meta.json").read_text(encoding="utf-8"))["category"]
    if name in CREATURES:
        return "creature"
    return "robot" if name == "robot" else "humanoid"


def judge(tool: Path, mode: str, asset: Path, prediction: Path) -> dict[str, Any]:
    """What the evaluation tool says. mode: rig-only or full."""
    done = subprocess.run(
        [sys.executable, str(tool / "eval.py"), mode, str(asset.absolute()), str(prediction)],
        check=True,
        capture_output=True,
        text=True,
    )
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


def write_true_skeleton(asset: Path, path: Path) -> None:
    """The asset's joints and tails as a rig.json where its mesh.glb stands.

    The ground truth's frame is Blender's, centred, with a longest side of 2.
    """
    truth = np.load(asset / "gt.npz")
    names = json.loads((asset / "meta.json").read_text(encoding="utf-8"))["names"]
    x, y, z = trimesh.load(asset / "mesh.glb", force="mesh").bounds.T  # glTF: +Y up, +Z to the front
    low, high = np.array([[x[0], -z[1], y[0]], [x[1], -z[0], y[1]]])
    half, middle = (high - low).max() / 2, (low + high) / 2
    heads, tails = truth["J"].astype(float), truth["tails"].astype(float)
    short = np.linalg.norm(tails - heads, axis=1) < SHORTEST_BONE
    tails[short] = heads[short] + np.array([0.0, 0.0, SHORTEST_BONE])
    bones = [
        {
            "name": name,
            "parent": names[parent] if parent >= 0 else None,
            "head": (head * half + middle).tolist(),
            "tail": (tail * half + middle).tolist(),
        }
        for name, parent, head, tail in zip(names, truth["parents"], heads, tails, strict=True)
    ]
    document = {"format": "figurine-rig", "version": 1, "frame": "blender", "unit": "metre", "kind": "generic"}
    path.write_text(json.dumps(document | {"bones": bones}), encoding="utf-8")


def write_plain_inflation(picture: Path, path: Path) -> None:
    """A closed mesh of the picture's alpha: half as thick as sqrt(u), where the Laplacian of u is -4 (Baran and
    Lehtinen, "Notes on inflating curves", 2009); a disc becomes a ball. The baseline that the engine must beat.
    """
    alpha = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)[:, :, 3]
    scale = INFLATION_px / max(alpha.shape)
    mask = cv2.resize(alpha, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) > 127
    mask = np.pad(mask, 2)
    height = _solve_poisson(mask)
    reach = int(np.ceil(np.sqrt(height.max()))) + 2
    depth = np.arange(-reach, reach + 1)
    field = np.where(mask, height, -1.0)[:, :, None] - depth[None, None, :].astype(float) ** 2
    points, faces, _, _ = marching_cubes(field, 0.0)
    rows, columns, layers = points.T
    mesh = trimesh.Trimesh(np.column_stack([columns, -rows, layers - reach]), faces)
    if mesh.volume < 0:
        mesh.invert()
    mesh.export(path)


def _solve_poisson(mask: np.ndarray) -> np.ndarray:  # mask: (H, W) bool
    """float64 (H, W): the Laplacian is -4 inside and the value 0 outside."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    links = []
    for one, other in ((number[:, :-1], number[:, 1:]), (number[:-1], number[1:])):
        both = (one >= 0) & (other >= 0)
        links += [np.stack([one[both], other[both]]), np.stack([other[both], one[both]])]
    rows, columns = np.concatenate(links, axis=1)
    count = int(mask.sum())
    system = diags_array(np.full(count, 4.0)) - coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    height = np.zeros(mask.shape)
    height[mask] = spsolve(system.tocsc(), np.full(count, 4.0))
    return height
