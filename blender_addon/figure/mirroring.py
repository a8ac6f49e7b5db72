# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights where Mirror modifiers make a side: the vertices that exist get theirs, and the modifier makes the others'
from vertex groups of the other side's names.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..errors import ImportFailed
from ..phrases import phrase
from ..vertex_groups import points_of
from .shape_makers import mirrors_of, swapping_mirrors_of
from .whole_shape import VERTEX_ID, Shape

# Of the mesh's size: what single precision leaves of the same place.
_SAME_PLACE = 1e-5
# Mean share of a vertex' weights that would go to other bones than the server found. Drafts of bodies that are mirrored
# about their middle have less than 0.1, one whose bones were edited on one side alone 0.3; about another plane it is
# more than a half.
_MOST_ASTRAY = 0.4
_NOT_SO = (
    "The Mirror modifier of {name} would give its other half the wrong bones: it does not mirror the character's left "
    "to its right, by bones whose names end in .L and .R."
)
_APPLY_IT = "Apply it and those above it, and press Import in the job list."


@dataclass(frozen=True, eq=False)
class Origin:
    """How what was sent of an object comes from its own N vertices, through its M Mirror modifiers.

    places: (N, 3) float64, of its own vertices, in the frame. sources: (S,) int64, of each place that was sent the own
    vertex that it is, or that it mirrors; -1 where a modifier cut an edge. turns: (S, M) bool, whether it is mirrored
    by each modifier, an odd number of times. is_itself: (S,) bool. middle: (N, M) bool, own vertices that lie on a
    plane of the modifier. vertex_count: of the whole mesh, those without faces too.
    """

    places: np.ndarray
    sources: np.ndarray
    turns: np.ndarray
    is_itself: np.ndarray
    middle: np.ndarray
    vertex_count: int

    def rows(self) -> np.ndarray:
        """(N,) int64, where each own vertex was sent; -1 for those that were not."""
        rows = np.full(len(self.places), -1)
        own = np.flatnonzero(self.is_itself)
        rows[self.sources[own[::-1]]] = own[::-1]
        return rows


def trace(item: bpy.types.Object, shape: Shape, used: np.ndarray, to_frame: np.ndarray) -> Origin:
    """used: (S,) int64, the whole mesh's vertices that were sent. to_frame: (4, 4), from the object's space."""
    own = points_of(shape.own)
    places = own @ to_frame[:3, :3].T + to_frame[:3, 3]
    count = len(shape.whole.vertices)
    if shape.whole is shape.own:
        none = np.zeros((len(used), 0), bool)
        return Origin(places, used, none, np.ones(len(used), bool), np.zeros((len(own), 0), bool), count)
    mirrors = mirrors_of(item)
    reach = _SAME_PLACE * max(1e-30, float(np.ptp(own, axis=0).max()))
    reach += max(max(entry.merge_threshold, entry.bisect_threshold) for entry in mirrors)
    ids = np.empty(count, np.int32)
    shape.whole.attributes[VERTEX_ID].data.foreach_get("value", ids)
    ids, seen = ids[used].astype(np.int64), points_of(shape.whole)[used]
    sources, turns = np.full(len(used), -1), np.zeros((len(used), len(mirrors)), bool)
    is_itself = np.zeros(len(used), bool)
    for matrix, turned in _reflections(item, mirrors):
        found = (sources < 0) & (np.linalg.norm(_move(own, matrix)[ids] - seen, axis=1) < reach)
        sources[found], turns[found] = ids[found], turned
        is_itself |= found & bool((matrix == np.eye(4)).all())
    middle = np.zeros((len(own), len(mirrors)), bool)
    for column, entry in enumerate(mirrors):
        for matrix in _planes(item, entry):
            middle[:, column] |= np.linalg.norm(_move(own, matrix) - own, axis=1) < reach
    return Origin(places, sources, turns, is_itself, middle, count)


@dataclass(frozen=True)
class Swap:
    """Whether a Mirror modifier has to swap the sides' vertex groups. column: its place among the object's mirrors."""

    mirror: bpy.types.Modifier
    column: int
    is_swapping: bool


def choose_swaps(
    item: bpy.types.Object, origin: Origin, indices: np.ndarray, values: np.ndarray, bones: Sequence[str]
) -> list[Swap]:
    """Which of the object's mirrors have to swap the sides' groups so that every half gets the bones that the server
    found for it. indices, values: (S, 4) of what was sent. Changes nothing. Raises ImportFailed where no choice does.
    """
    swapping = swapping_mirrors_of(item)
    if not swapping:
        return []
    found = _dense(indices, values, len(bones))
    rows = origin.rows()
    mirrored = (origin.sources >= 0) & origin.turns.any(axis=1)
    mirrored[mirrored] = rows[origin.sources[mirrored]] >= 0
    own, wanted = found[rows[origin.sources[mirrored]]], found[mirrored]
    swapped = own[:, partners(bones)]
    off, off_swapped = (np.abs(part - wanted).sum(axis=1) / 2 for part in (own, swapped))
    columns = [mirrors_of(item).index(entry) for entry in swapping]
    best: tuple[float, tuple[bool, ...]] = (np.inf, ())
    for chosen in itertools.product((True, False), repeat=len(columns)):
        odd = (origin.turns[mirrored][:, columns] & np.array(chosen)).sum(axis=1) % 2 == 1
        astray = float(np.where(odd, off_swapped, off).mean()) if len(odd) else 0.0
        best = min(best, (astray, chosen), key=lambda entry: entry[0])
    if best[0] > _MOST_ASTRAY:
        raise ImportFailed(phrase(_NOT_SO, name=item.name), _APPLY_IT)
    return [Swap(*parts) for parts in zip(swapping, columns, best[1], strict=True)]


def even_middle(
    origin: Origin, swaps: Sequence[Swap], indices: np.ndarray, values: np.ndarray, bones: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """indices and values, (N, 4) both, of the own vertices: those that lie on a plane where sides are swapped follow
    both sides alike, so that the halves stay together where they are not merged.
    """
    columns = [swap.column for swap in swaps if swap.is_swapping]
    middle = np.flatnonzero(origin.middle[:, columns].any(axis=1)) if columns else np.zeros(0, np.int64)
    if not len(middle):
        return indices, values
    indices, values = indices.copy(), values.copy()
    other = partners(bones)
    held = _dense(indices[middle], values[middle], len(bones))
    both = (held + held[:, other]) / 2
    # A pair stays or goes as one: of equal weights, those of a pair are neighbours in this order.
    pairs = np.minimum(np.arange(len(bones)), other)
    most = indices.shape[1]
    order = np.lexsort((np.broadcast_to(pairs, both.shape), -both), axis=1)[:, : most + 1]
    kept = np.take_along_axis(both, order, axis=1)
    if order.shape[1] > most:
        split = (pairs[order[:, -1]] == pairs[order[:, -2]]) & (kept[:, -1] > 0)
        kept, order = kept[:, :-1], order[:, :-1]
        kept[split, -1] = 0.0
    indices[middle, : order.shape[1]] = order
    values[middle] = 0.0
    values[middle, : order.shape[1]] = kept / kept.sum(axis=1, keepdims=True)
    return indices, values


def partners(bones: Sequence[str]) -> np.ndarray:
    """(J,) int64, of each bone the one whose name is that of the other side, as Blender has it; itself where there is
    none.
    """
    places = {name: place for place, name in enumerate(bones)}
    return np.array([places.get(bpy.utils.flip_name(name), place) for place, name in enumerate(bones)])


def _reflections(item: bpy.types.Object, mirrors: Sequence[bpy.types.Modifier]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each copy that the modifiers make, itself first: (4, 4) from the own vertices, in the object's space, and
    (M,) bool, by which modifiers it is turned over.
    """
    found = [(np.eye(4), np.zeros(len(mirrors), bool))]
    for column, entry in enumerate(mirrors):
        turned = np.arange(len(mirrors)) == column
        for matrix in _planes(item, entry):
            found += [(matrix @ before, turns ^ turned) for before, turns in found]
    return found


def _planes(item: bpy.types.Object, mirror: bpy.types.Modifier) -> list[np.ndarray]:
    """(4, 4) for each axis, the reflection in the object's space."""
    there = np.eye(4)
    if mirror.mirror_object is not None:
        there = np.array(mirror.mirror_object.matrix_world.inverted_safe() @ item.matrix_world, dtype=np.float64)
    found = []
    for axis in np.flatnonzero(mirror.use_axis):
        turn = np.eye(4)
        turn[axis, axis] = -1.0
        found.append(np.linalg.inv(there) @ turn @ there)
    return found


def _dense(indices: np.ndarray, values: np.ndarray, bones: int) -> np.ndarray:
    """(V, J) float32."""
    found = np.zeros((len(indices), bones), np.float32)
    np.add.at(found, (np.arange(len(indices))[:, None], indices), values)
    return found


def _move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])
