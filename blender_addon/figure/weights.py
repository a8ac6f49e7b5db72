# SPDX-License-Identifier: GPL-3.0-or-later
"""weights.npz of a job, onto the vertices of the meshes that were sent."""

from __future__ import annotations

import itertools
import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from .mirroring import Origin, Swap, choose_swaps, even_middle
from .provenance import PREFIX
from .sent_body import SentBody, mesh_obstacle, read_body, unapplied
from .sent_mesh import SentMesh
from .whole_shape import applied_meshes

# On a mesh's object: names of the vertex groups that are Figurine's, one a line. Others of no bone are the artist's.
GROUPS_PROPERTY = f"{PREFIX}groups"
_FETCH_AGAIN = "Import it again from the job list: the files are fetched again."
_SEND_AGAIN = "Undo what was changed of the mesh and press Import in the job list, or send it again."
# Weights below this move nothing that could be seen.
_LEAST_WEIGHT = 1e-4
# A weight as whole digits: as fine as single precision below 1, and few enough of them that vertices share many.
_WEIGHT_BITS = 24
_DIGIT_BITS = 6


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


@dataclass(frozen=True, eq=False)
class Settled:
    """indices, values: (N, 4), of all the object's own vertices."""

    item: bpy.types.Object
    swaps: Sequence[Swap]
    indices: np.ndarray
    values: np.ndarray
    bones: tuple[str, ...]


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


@contextmanager
def found_body(
    scene: bpy.types.Scene, parts: Sequence[SentPart], weights: Weights
) -> Iterator[tuple[SentBody, dict[bpy.types.Object, bpy.types.Mesh]]]:
    """The meshes that were sent, as they are now; and for those that were sent with modifiers applied the mesh that
    these make, which is removed afterwards unless its object has it by then. Raises ImportFailed where one is gone, or
    is another by now.
    """
    objects = [_find(scene, part) for part in parts]
    with applied_meshes(objects) as applied:
        try:
            body = read_body(objects, Matrix.Identity(4), metres_per_unit(scene), applied)
        except MeshUnusable as error:
            raise ImportFailed(error.message, error.hint) from error
        for part, count in zip(parts, _vertex_counts(objects, body), strict=True):
            _check_count(part, count)
        if len(body.places) != len(weights.vertices):
            names = ", ".join(part.name for part in parts)
            raise ImportFailed(
                phrase("The faces of {names} are others than those that were sent.", names=names), _SEND_AGAIN
            )
        yield body, applied


def _vertex_counts(objects: Sequence[bpy.types.Object], body: SentBody) -> list[int]:
    """Of each object as it would be sent now; of one without faces those that it has."""
    counts = {part.name: part.vertex_count for part in body.parts}
    return [counts.get(item.name, len(item.data.vertices)) for item in objects]


def _check_count(part: SentPart, count: int) -> None:
    if count != part.vertex_count:
        raise ImportFailed(
            phrase(
                "{name} was sent with {vertex_count:,} vertices and has {now} now.",
                name=part.name,
                vertex_count=part.vertex_count,
                now=f"{count:,}",
            ),
            _SEND_AGAIN,
        )


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
    reason = mesh_obstacle(item) or ("" if part.is_applied else unapplied([item]))
    if reason:
        raise ImportFailed(reason, "Then press Import in the job list.")
    return item


def settle(body: SentBody, weights: Weights) -> list[Settled]:
    """What every object's own vertices get, and how its Mirror modifiers have to be set so that every half gets its own
    bones. Changes nothing. Raises ImportFailed where they cannot be.
    """
    stops = np.cumsum([len(mesh.places) for mesh in body.meshes]).tolist()
    found = []
    for item, mesh, origin, ends in zip(
        body.objects, body.meshes, body.origins, itertools.pairwise([0, *stops]), strict=True
    ):
        part = weights.rows(*ends)
        swaps = choose_swaps(item, origin, part.indices, part.weights, part.bones)
        rows = _rows(mesh, origin)
        even = even_middle(origin, swaps, part.indices[rows], part.weights[rows], part.bones)
        found.append(Settled(item, swaps, *even, part.bones))
    return found


def write_weights(settled: Sequence[Settled]) -> None:
    """Give every object its bones' vertex groups; weights of groups that the artist locked stay, and the others share
    what these leave.
    """
    for part in settled:
        for swap in part.swaps:
            swap.mirror.use_mirror_vertex_groups = swap.is_swapping
        _write(part.item, part.indices, part.values, part.bones)


def _write(item: bpy.types.Object, indices: np.ndarray, values: np.ndarray, bones: Sequence[str]) -> None:
    """indices, values: (N, 4), of all its vertices."""
    groups = item.vertex_groups
    known = str(item.get(GROUPS_PROPERTY, "")).splitlines()
    for name in known:
        if name in groups and name not in bones and not groups[name].lock_weight:
            groups.remove(groups[name])
    locked = {name for name in bones if name in groups and groups[name].lock_weight}
    if locked:
        values = _beside(item, locked, indices, values, bones)
    is_held = (values > _LEAST_WEIGHT) & ~np.isin(indices, [bones.index(name) for name in locked])
    vertices, columns = np.nonzero(is_held)
    held = [None if name in locked else groups.get(name) or groups.new(name=name) for name in bones]
    fill(held, indices[vertices, columns], vertices, values[vertices, columns])
    stale = _stale(item.data, is_held.sum(axis=1))
    for bone, group in enumerate(held):
        if group is not None and len(stale):
            group.remove(stale[~(is_held & (indices == bone))[stale].any(axis=1)].tolist())
    item[GROUPS_PROPERTY] = "\n".join(bones)
    item.data.update()


def fill(groups: Sequence[bpy.types.VertexGroup], bones: np.ndarray, vertices: np.ndarray, values: np.ndarray) -> None:
    """Give each of P vertices its weight in the group of its bone. One call gives many vertices one weight: each weight
    is put together from a few digits that many have in common, the highest first, which single precision adds up
    without loss. bones, vertices, values: (P,).
    """
    whole = np.rint(values.astype(np.float64) * (1 << _WEIGHT_BITS)).astype(np.int64)
    base = (1 << _DIGIT_BITS) + 1  # the highest digit of 1.0 is one more than the others'
    kind = np.min_scalar_type(base * len(groups))  # short ones are sorted much faster
    for shift in range(_WEIGHT_BITS - _DIGIT_BITS, -1, -_DIGIT_BITS):
        digits = whole >> shift
        whole -= digits << shift
        how = "ADD" if shift < _WEIGHT_BITS - _DIGIT_BITS else "REPLACE"
        chosen = np.flatnonzero(digits) if how == "ADD" else np.arange(len(digits))
        keys = (bones[chosen] * base + digits[chosen]).astype(kind)
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], vertices[chosen[order]].tolist()
        starts = np.flatnonzero(np.diff(keys, prepend=-1)) if len(keys) else np.zeros(0, np.int64)
        for key, (start, stop) in zip(
            keys[starts].tolist(), itertools.pairwise([*starts.tolist(), len(ordered)]), strict=True
        ):
            share = math.ldexp(key % base, shift - _WEIGHT_BITS)
            groups[key // base].add(ordered[start:stop], share, how)


def _stale(mesh: bpy.types.Mesh, counts: np.ndarray) -> np.ndarray:
    """Vertices that are in other groups than those that they were given, counts (N,) of them: in the artist's, or in
    bones' of before.
    """
    now = np.fromiter((len(vertex.groups) for vertex in mesh.vertices), np.int64, len(mesh.vertices))
    return np.flatnonzero(now != counts)


def _rows(mesh: SentMesh, origin: Origin) -> np.ndarray:
    """(N,) int64, of each of the object's own vertices the place that was sent: its own, or where it was not sent, as
    without faces, the nearest.
    """
    rows = origin.rows()
    loose = np.flatnonzero(rows < 0)
    if len(loose):
        tree = KDTree(len(mesh.places))
        for row, place in enumerate(mesh.places.tolist()):
            tree.insert(place, row)
        tree.balance()
        rows[loose] = [tree.find(place)[1] for place in origin.places[loose].tolist()]
    return rows


def _beside(
    item: bpy.types.Object, locked: set[str], indices: np.ndarray, values: np.ndarray, bones: Sequence[str]
) -> np.ndarray:
    """The weights that are left where the locked groups keep theirs."""
    held = {item.vertex_groups[name].index for name in locked}
    taken = np.array(
        [sum(entry.weight for entry in vertex.groups if entry.group in held) for vertex in item.data.vertices]
    ).clip(0.0, 1.0)
    is_free = ~np.isin(indices, [bone for bone, name in enumerate(bones) if name in locked])
    free = np.where(is_free, values, 0.0)
    total = free.sum(axis=1)
    share = np.divide(1.0 - taken, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(free * share[:, None])
