# SPDX-License-Identifier: GPL-3.0-or-later
"""weights.npz of a job, onto the vertices of the meshes that were sent."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from mathutils.kdtree import KDTree

from ..errors import ImportFailed, MeshUnusable
from ..jobs.aim import SentPart
from ..jobs.results import WEIGHTS_FILE
from ..phrases import phrase
from ..units import metres_per_unit
from .provenance import PREFIX
from .sent_body import SentBody, mesh_obstacle, read_body
from .sent_mesh import SentMesh

# On a mesh's object: names of the vertex groups that are Figurine's, one a line. Others of no bone are the artist's.
GROUPS_PROPERTY = f"{PREFIX}groups"
_FETCH_AGAIN = "Import it again from the job list: the files are fetched again."
_SEND_AGAIN = "Undo what was changed of the mesh and press Import in the job list, or send it again."
# Weights below this move nothing that could be seen.
_LEAST_WEIGHT = 1e-4


@dataclass(frozen=True, eq=False)
class Weights:
    """vertices: (V, 3) float64, as they were sent. indices: (V, 4) of the bones. weights: (V, 4), rows sum to 1."""

    vertices: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    bones: tuple[str, ...]

    def rows(self, start: int, stop: int) -> Weights:
        """Of these vertices alone."""
        part = slice(start, stop)
        return Weights(self.vertices[part], self.indices[part], self.weights[part], self.bones)


def read_weights(folder: Path) -> Weights:
    """Raises ImportFailed."""
    try:
        with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as found:
            vertices, indices, weights, bones = (found[key] for key in ("vertices", "indices", "weights", "bones"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ImportFailed(
            phrase("{name} cannot be read: {why}.", name=WEIGHTS_FILE, why=error), _FETCH_AGAIN
        ) from error
    is_whole = (
        vertices.ndim == 2
        and vertices.shape[1] == 3
        and indices.ndim == 2
        and indices.shape == weights.shape
        and len(indices) == len(vertices)
        and np.isfinite(vertices).all()
        and np.isfinite(weights).all()
        and bool((weights >= 0).all())
        and len(vertices) > 0
        and 0 <= indices.min()
        and indices.max() < len(bones)
    )
    if not is_whole:
        raise ImportFailed(
            phrase("{weights_file} holds no weights that can be used.", weights_file=WEIGHTS_FILE), _FETCH_AGAIN
        )
    return Weights(vertices.astype(np.float64), indices, weights, tuple(map(str, bones)))


def find_body(scene: bpy.types.Scene, parts: Sequence[SentPart], weights: Weights) -> SentBody:
    """The meshes that were sent, as they are now. Raises ImportFailed where one is gone, or is another by now."""
    objects = [_find(scene, part) for part in parts]
    try:
        body = read_body(objects, Matrix.Identity(4), metres_per_unit(scene))
    except MeshUnusable as error:
        raise ImportFailed(error.message, error.hint) from error
    if len(body.objects) != len(objects) or len(body.places) != len(weights.vertices):
        names = ", ".join(part.name for part in parts)
        raise ImportFailed(
            phrase("The faces of {names} are others than those that were sent.", names=names), _SEND_AGAIN
        )
    return body


def _find(scene: bpy.types.Scene, part: SentPart) -> bpy.types.Object:
    item = scene.objects.get(part.name)
    if item is None or item.type != "MESH":
        raise ImportFailed(
            phrase("{name}, a mesh that was sent, is not in this scene any more.", name=part.name),
            "If it was renamed, give it that name again and press Import in the job list.",
        )
    if item.mode == "EDIT":
        raise ImportFailed(
            phrase("{name} is in Edit Mode.", name=item.name), "Leave it, and press Import in the job list."
        )
    reason = mesh_obstacle(item)
    if reason:
        raise ImportFailed(reason, "Then press Import in the job list.")
    if len(item.data.vertices) != part.vertex_count:
        now = f"{len(item.data.vertices):,}"
        raise ImportFailed(
            phrase(
                "{name} was sent with {vertex_count:,} vertices and has {now} now.",
                name=item.name,
                vertex_count=part.vertex_count,
                now=now,
            ),
            _SEND_AGAIN,
        )
    return item


def write_weights(body: SentBody, weights: Weights) -> None:
    """Give every object its bones' vertex groups; weights of groups that the artist locked stay, and the others share
    what these leave.
    """
    start = 0
    for item, mesh in zip(body.objects, body.meshes, strict=True):
        stop = start + len(mesh.places)
        _write(item, mesh, weights.rows(start, stop))
        start = stop


def _write(item: bpy.types.Object, mesh: SentMesh, weights: Weights) -> None:
    groups = item.vertex_groups
    known = str(item.get(GROUPS_PROPERTY, "")).splitlines()
    for name in known:
        if name in groups and name not in weights.bones and not groups[name].lock_weight:
            groups.remove(groups[name])
    locked = {name for name in weights.bones if name in groups and groups[name].lock_weight}
    vertices, indices, values = _for_all_vertices(item, mesh, weights)
    if locked:
        values = _beside(item, locked, vertices, indices, values, weights.bones)
    everything = list(range(len(item.data.vertices)))
    for bone, name in enumerate(weights.bones):
        if name in locked:
            continue
        group = groups.get(name) or groups.new(name=name)
        group.remove(everything)
        rows, columns = np.nonzero((indices == bone) & (values > _LEAST_WEIGHT))
        for vertex, weight in _by_weight(vertices[rows], values[rows, columns]):
            group.add(vertex, weight, "REPLACE")
    item[GROUPS_PROPERTY] = "\n".join(weights.bones)
    item.data.update()


def _by_weight(vertices: np.ndarray, values: np.ndarray) -> Iterator[tuple[list[int], float]]:
    """Vertices of one weight together: most of a mesh follows one bone alone."""
    order = np.argsort(values, kind="stable")
    vertices, values = vertices[order], values[order]
    edges = [*np.flatnonzero(np.diff(values, prepend=-1.0)).tolist(), len(values)]
    for start, stop in itertools.pairwise(edges):
        yield vertices[start:stop].tolist(), float(values[start])


def _for_all_vertices(
    item: bpy.types.Object, mesh: SentMesh, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mesh's own vertices, their bones and their weights; those without faces follow the nearest that has one."""
    vertices, indices, values = mesh.used, weights.indices, weights.weights
    loose = np.setdiff1d(np.arange(len(item.data.vertices)), mesh.used)
    if not len(loose):
        return vertices, indices, values
    tree = KDTree(len(mesh.used))
    for row, vertex in enumerate(mesh.used.tolist()):
        tree.insert(item.data.vertices[vertex].co, row)
    tree.balance()
    near = [tree.find(item.data.vertices[vertex].co)[1] for vertex in loose.tolist()]
    return np.r_[vertices, loose], np.r_[indices, indices[near]], np.r_[values, values[near]]


def _beside(
    item: bpy.types.Object,
    locked: set[str],
    vertices: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    bones: Sequence[str],
) -> np.ndarray:
    """The weights that are left where the locked groups keep theirs."""
    held = {item.vertex_groups[name].index for name in locked}
    taken = np.array(
        [sum(entry.weight for entry in item.data.vertices[v].groups if entry.group in held) for v in vertices.tolist()]
    ).clip(0.0, 1.0)
    is_free = ~np.isin(indices, [bone for bone, name in enumerate(bones) if name in locked])
    free = np.where(is_free, values, 0.0)
    total = free.sum(axis=1)
    share = np.divide(1.0 - taken, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(free * share[:, None])
