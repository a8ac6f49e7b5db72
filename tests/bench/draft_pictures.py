# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured on a figure that was made of a picture, without ground truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inference_server.core.cache import StageCache
from inference_server.core.frames import to_view
from inference_server.core.types import Mesh, NormalizedImage, Rig, TexturedMesh
from tests.bench.draft_skeletons import projected_bones

SIDE_px = 512
BORDER_px = 3  # of the mask is not compared in colour: antialiased
OPAQUE = 0.9
EXACT = 1e-3  # a sum of weights may be off by that
NO_LIMIT_bytes = 1 << 50


@dataclass(frozen=True, eq=False)
class Made:
    """The results of the stages for one picture, in the frame of the mesh before it is put on the ground."""

    image: NormalizedImage
    mesh: Mesh
    textured: TexturedMesh
    rig: Rig


def load_made(report: dict[str, Any], home: Path) -> Made:
    """The results behind a report, from the stage cache of that data folder."""
    cache = StageCache(home / "cache", NO_LIMIT_bytes)
    found = {stage["stage"]: _result(cache, stage["key"]) for stage in report["stages"] if stage["stage"] != "export"}
    return Made(found["normalize"], found["geometry"], found["texture"], found["rig"])


def _result(cache: StageCache, key: str) -> Any:
    kept = cache.get(key)
    if kept is None:
        raise RuntimeError(f"the cache holds no result under {key}")
    return kept["result"]


def measure_picture(picture: Path, out: Path, home: Path) -> dict[str, Any]:
    """Mesh, weights, front view, kind, bones in the picture, seconds, and the digests of the results."""
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    made = load_made(report, home)
    cv2.imwrite(str(out / "subject.png"), cv2.cvtColor(made.image.rgba, cv2.COLOR_RGBA2BGRA))
    return {
        "mesh": check_mesh(made.mesh),
        "weights": check_weights(made.rig),
        **compare_front(made),
        "kind": report["kind"],
        "bones": projected_bones(made.rig.skeleton, made.mesh),
        "seconds": {stage["stage"]: stage["seconds"] for stage in report["stages"]},
        "digests": report["digests"],
    }


def check_mesh(mesh: Mesh) -> dict[str, Any]:
    """Whether it is a closed oriented surface, and the share of faces in its smallest piece."""
    shape = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    _, pieces = connected_components(_adjacency(shape), directed=False)
    return {
        "watertight": bool(shape.is_watertight),
        "winding_consistent": bool(shape.is_winding_consistent),
        "outward": bool(shape.volume > 0),
        "smallest_piece": float(np.bincount(pieces).min() / len(mesh.faces)),
        "faces": len(mesh.faces),
    }


def check_weights(rig: Rig) -> bool:
    """Finite, none negative, sums of one (so no vertex is unweighted); the type holds at most four."""
    weights = rig.skin.weights
    return bool(np.isfinite(weights).all() and (weights >= 0).all() and np.abs(weights.sum(1) - 1).max() <= EXACT)


def compare_front(made: Made) -> dict[str, float]:
    """silhouette_iou: of the mesh and the picture's alpha; render_mae: of sRGB values, 0..1, unlit, inside both."""
    alpha = made.image.rgba[:, :, 3:].astype(np.float32) / 255
    whole = np.dstack([made.image.rgba[:, :, :3] / 255 * alpha, alpha]).astype(np.float32)  # premultiplied
    picture = cv2.resize(whole, (SIDE_px, SIDE_px), interpolation=cv2.INTER_AREA)
    seen, colours = render_front(made)
    inside = picture[:, :, 3] > 0.5
    core = cv2.erode((picture[:, :, 3] > OPAQUE).astype(np.uint8), np.ones((3, 3)), iterations=BORDER_px) > 0
    core &= seen
    straight = picture[:, :, :3] / np.maximum(picture[:, :, 3:], 1e-6)
    return {
        "silhouette_iou": float((seen & inside).sum() / (seen | inside).sum()),
        "render_mae": float(np.abs(colours[core] - straight[core]).mean()),
    }


def render_front(made: Made) -> tuple[np.ndarray, np.ndarray]:
    """bool (512, 512): where rays from the front meet the mesh; float32 (512, 512, 3): the texture there, sRGB."""
    mesh, view = made.mesh, made.mesh.front_view
    assert view is not None
    steps = (np.arange(SIDE_px) + 0.5) / SIDE_px - 0.5
    x, y = np.meshgrid(view.center_x_m + steps * view.side_m, view.center_y_m - steps * view.side_m)
    vertices = to_view(mesh.vertices, view)
    start = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, vertices[:, 2].max() + view.side_m)])
    shape = trimesh.Trimesh(vertices, mesh.faces, process=False)
    points, rays, faces = shape.ray.intersects_location(start, np.tile([0.0, 0.0, -1.0], (x.size, 1)), False)
    where = trimesh.triangles.points_to_barycentric(shape.triangles[faces], points)
    uv = (where[:, :, None] * made.textured.uv[faces]).sum(axis=1)
    side = made.textured.base_color.shape[0]
    column, row = uv[:, 0] * side - 0.5, (1 - uv[:, 1]) * side - 0.5
    texture = made.textured.base_color[:, :, :3].astype(np.float32) / 255
    texels = np.stack(
        [ndimage.map_coordinates(texture[:, :, c], [row, column], order=1, mode="nearest") for c in range(3)], axis=1
    )
    seen, colours = np.zeros(x.size, bool), np.zeros((x.size, 3), np.float32)
    seen[rays], colours[rays] = True, texels
    return seen.reshape(x.shape), colours.reshape(*x.shape, 3)


def _adjacency(shape: trimesh.Trimesh) -> coo_array:
    pairs = shape.face_adjacency
    return coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(len(shape.faces),) * 2)
