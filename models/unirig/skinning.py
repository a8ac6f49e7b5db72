# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh and the bones in it to the skin of every vertex: the prior, the network, the way back to the mesh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import igl
import numpy as np
import torch
import trimesh
from torch import nn

from models.common.checkpoint import load_strictly, read_tensors
from models.unirig.postprocess import (
    INFLUENCES,
    PUBLISHED_TRANSFER,
    Bones,
    SampledSkin,
    TransferConfig,
    keep_strongest,
    lend_to_idle,
    transfer_skin,
)
from models.unirig.preprocess import SEED, SKIN_POINTS, fit_box, reduce_mesh, sample_surface
from models.unirig.skin import SkinNetwork
from models.unirig.skin_config import PUBLISHED_SKIN, SkinConfig
from models.unirig.voxel_prior import PUBLISHED_PRIOR, PriorConfig, estimate_prior

KEY_PREFIX = "model."  # what the training wrapper put before every key
VERTICES_AT_ONCE = 65_536  # that the weights are brought back to: with 80 bones, 40 MB


def say_nothing(done: int, total: int) -> None:
    """Reports to nobody."""


@dataclass(frozen=True)
class SkinSettings:
    """points: that the network sees. seed: of their choice. prior, transfer: what comes before and after it.

    The defaults are those that the weights were published with.
    """

    points: int = SKIN_POINTS
    seed: int = SEED
    prior: PriorConfig = PUBLISHED_PRIOR
    transfer: TransferConfig = PUBLISHED_TRANSFER


PUBLISHED_SETTINGS = SkinSettings()


@dataclass(frozen=True)
class PointInput:
    """What the network sees: points, normals (N, 3), joints (J, 3), prior (N, J), all float32, scaled to −1 … 1, and
    parents (J,).
    """

    points: np.ndarray
    normals: np.ndarray
    joints: np.ndarray
    prior: np.ndarray
    parents: np.ndarray


def load_skin_network(path: Path, device: torch.device | str, config: SkinConfig = PUBLISHED_SKIN) -> SkinNetwork:
    """The network with its weights, ready to run, in float32. path: a .safetensors file with the official key names.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    with torch.device("meta"):
        network = SkinNetwork(config)
    tensors = {key.removeprefix(KEY_PREFIX): tensor for key, tensor in read_tensors(path).items()}
    load_strictly(network, tensors, path.name)
    return network.to(device).eval()


def predict_skin(
    network: SkinNetwork,
    mesh: tuple[np.ndarray, np.ndarray],
    bones: Bones,
    settings: SkinSettings = PUBLISHED_SETTINGS,
    report: Callable[[int, int], None] = say_nothing,
) -> tuple[np.ndarray, np.ndarray]:
    """Which bones each vertex follows: indices (V, 4) int32 and weights (V, 4) float32, falling, rows summing to 1.

    mesh: vertices (V, 3) float32 and faces (F, 3), in Blender's frame (+Z up, the character faces −Y), any place and
    size. Meshes with many faces are reduced, and the weights brought back to every vertex. report(done, total) is
    called before each part of the work, in equal steps; what it raises ends the work.
    Raises ValueError where nothing of the mesh has an area.
    """
    vertices, faces = mesh
    total = len(bones.heads) + len(_parts(network)) + -(-settings.points // network.chunk)
    done = -1

    def step() -> None:
        nonlocal done
        done += 1
        report(done, total)

    surface = reduce_mesh(vertices, faces)
    scaling = fit_box(np.concatenate((surface.vertices, bones.heads)))
    places, joints = scaling.apply(surface.vertices), scaling.apply(bones.heads)
    prior = estimate_prior(places, surface.faces, joints, settings.prior, step)
    samples = sample_surface(replace(surface, vertices=places), settings.points, settings.seed)
    seen = PointInput(
        points=samples.points.astype(np.float32),
        normals=samples.normals.astype(np.float32),
        joints=joints,
        prior=samples.interpolate(prior, surface.faces).astype(np.float32),
        parents=bones.parents,
    )
    weights = weigh_points(network, seen, step)
    skin = transfer_skin(SampledSkin(seen.points, weights), places, surface.faces, bones.parents, settings.transfer)
    step()
    indices, strongest = bring_back(scaling.apply(vertices), (places, surface.faces), skin)
    return lend_to_idle(indices, strongest, vertices, bones)


@torch.inference_mode()
def weigh_points(network: SkinNetwork, seen: PointInput, step: Callable[[], None] = lambda: None) -> np.ndarray:
    """Weights of the points: (N, J) float32, rows summing to 1. step is called before each part and may raise.

    On CUDA all but the point transformer runs in bfloat16, as published.
    """
    device = next(network.parameters()).device
    points, normals, joints, prior = (
        torch.from_numpy(array).to(device) for array in (seen.points, seen.normals, seen.joints, seen.prior)
    )
    parents = torch.from_numpy(seen.parents).long().to(device)
    hooks = [part.register_forward_pre_hook(lambda *_: step()) for part in _parts(network)]
    weights = []
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            features = network.encode(points, normals, joints)
            for start in range(0, len(points), network.chunk):
                step()
                rows = slice(start, start + network.chunk)
                chunk = replace(features, points=features.points[rows])
                weights.append(network.decode(chunk, prior[rows], parents))
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(weights).cpu().numpy()


def _parts(network: SkinNetwork) -> list[nn.Module]:
    stages = network.mesh_encoder.enc.values()
    blocks = [layer for stage in stages for name, layer in stage.items() if name.startswith("block")]
    return [*blocks, *network.bone_encoder.attn, *network.mesh_bone_attn]


def bring_back(
    vertices: np.ndarray, surface: tuple[np.ndarray, np.ndarray], skin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The four strongest bones of each vertex, from the nearest place of a surface whose vertices' weights are known.

    vertices: (V, 3); surface: vertices (P, 3) and faces (F, 3), in the same frame; skin: (P, J). Returns indices
    (V, 4) int32, weights (V, 4) float32.
    """
    places, faces = surface[0].astype(np.float64), surface[1].astype(np.int64)
    corners = places[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    faces = faces[areas > 0]
    indices = np.empty((len(vertices), INFLUENCES), np.int32)
    weights = np.empty((len(vertices), INFLUENCES), np.float32)
    for start in range(0, len(vertices), VERTICES_AT_ONCE):
        rows = slice(start, start + VERTICES_AT_ONCE)
        _, face, nearest = igl.point_mesh_squared_distance(vertices[rows].astype(np.float64), places, faces)
        corners = faces[face]  # (n, 3)
        shares = np.clip(trimesh.triangles.points_to_barycentric(places[corners], nearest), 0, 1)
        indices[rows], weights[rows] = keep_strongest(np.einsum("nc,ncj->nj", shares, skin[corners]))
    return indices, weights
