# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom shapes: what a bone looks like in the viewport. Rings about the limbs, as wide as the body is there, a box for
a handle and a ball for a pole.

The shapes are small wire meshes in the collection of this name, which is in no scene. Every rig of the file uses the
same ones; they go with the last rig that uses them, and when the add-on is switched off.
"""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from ..vertex_groups import points_of, read_bone_weights
from .bound import meshes_of
from .ik import LIMBS
from .rig import HANDLE_ROLE, read_rig, role_of

COLLECTION = "Figurine Shapes"
_RING, _BOX, _BALL = "figurine_ring", "figurine_box", "figurine_ball"
_POLES = frozenset(limb.pole for limb in LIMBS.values())
_CORNERS = 32
# A ring is so much wider than what the bone carries, and never thinner than this share of the bone's length.
_ROOM = 1.12
_LEAST_RADIUS = 0.12
# Of the distances from the bone: the farthest are of something that sticks out.
_QUANTILE = 0.85
_OWN = 0.5  # of a vertex's weight: the bone carries it
_WIRE_px = 2.0


def are_shown(armature: bpy.types.Object) -> bool:
    """Whether any bone of the body has one of these shapes."""
    return any(_is_ours(posed.custom_shape) and not _is_handle(posed) for posed in armature.pose.bones)


def show(armature: bpy.types.Object) -> None:
    """Give every bone of the body without a shape of its own a ring."""
    radii = _radii(armature)
    for posed in armature.pose.bones:
        if posed.custom_shape is None and not _is_handle(posed):
            _dress(posed, _RING)
            posed.use_custom_shape_bone_size = False
            posed.custom_shape_scale_xyz = (radii[posed.name],) * 3
            posed.custom_shape_translation = (0.0, posed.bone.length / 2, 0.0)


def show_handles(armature: bpy.types.Object) -> None:
    """Give every handle without a shape of its own a box, and every pole a ball: the bare bones hardly show."""
    for posed in armature.pose.bones:
        if posed.custom_shape is None and _is_handle(posed):
            _dress(posed, _BALL if posed.name in _POLES else _BOX)


def hide(armature: bpy.types.Object) -> None:
    """Take them away again from the body."""
    _undress(posed for posed in armature.pose.bones if not _is_handle(posed))
    remove_unused()


def remove_unused() -> None:
    """The meshes, where no bone of the file has them."""
    if any(_is_ours(posed.custom_shape) for rig in _rigs() for posed in rig.pose.bones):
        return
    collection = bpy.data.collections.get(COLLECTION)
    if collection is None:
        return
    meshes = [shape.data for shape in collection.objects]
    bpy.data.batch_remove([*collection.objects, *meshes, collection])


def remove_all() -> None:
    """From every rig of the file, handles too."""
    for rig in _rigs():
        _undress(rig.pose.bones)
    remove_unused()


def _rigs() -> list[bpy.types.Object]:
    return [item for item in bpy.data.objects if item.type == "ARMATURE" and item.pose is not None]


def _is_handle(posed: bpy.types.PoseBone) -> bool:
    return role_of(posed.bone) == HANDLE_ROLE


def _dress(posed: bpy.types.PoseBone, name: str) -> None:
    posed.custom_shape = _shape(name)
    posed.bone.show_wire = True
    if hasattr(posed, "custom_shape_wire_width"):
        posed.custom_shape_wire_width = _WIRE_px


def _undress(bones: Iterable[bpy.types.PoseBone]) -> None:
    for posed in bones:
        if _is_ours(posed.custom_shape):
            posed.custom_shape = None
            posed.custom_shape_scale_xyz = (1.0, 1.0, 1.0)
            posed.custom_shape_translation = (0.0, 0.0, 0.0)
            posed.use_custom_shape_bone_size = True
            posed.bone.show_wire = False


def _is_ours(shape: bpy.types.Object | None) -> bool:
    return shape is not None and any(collection.name == COLLECTION for collection in shape.users_collection)


def _shape(name: str) -> bpy.types.Object:
    collection = bpy.data.collections.get(COLLECTION) or bpy.data.collections.new(COLLECTION)
    for shape in collection.objects:
        if shape.name.startswith(name):
            return shape
    points, edges = {_RING: _ring, _BOX: _box, _BALL: _ball}[name]()
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, edges, [])
    shape = bpy.data.objects.new(name, mesh)
    collection.objects.link(shape)
    return shape


def _ring() -> tuple[list[tuple[float, ...]], list[tuple[int, int]]]:
    """About the bone, whose length is along Y."""
    turns = np.linspace(0.0, 2 * np.pi, _CORNERS, endpoint=False)
    points = [(float(np.cos(turn)), 0.0, float(np.sin(turn))) for turn in turns]
    return points, [(corner, (corner + 1) % _CORNERS) for corner in range(_CORNERS)]


def _ball() -> tuple[list[tuple[float, ...]], list[tuple[int, int]]]:
    """Three rings about a bone's head."""
    ring, links = _ring()
    points = [tuple(point[(axis + shift) % 3] for axis in range(3)) for shift in range(3) for point in ring]
    return points, [(one + shift, other + shift) for shift in (0, _CORNERS, 2 * _CORNERS) for one, other in links]


def _box() -> tuple[list[tuple[float, ...]], list[tuple[int, int]]]:
    """About a bone, twice as wide as it is high."""
    points = [(x * 0.6, 0.5 + y * 0.6, z * 0.35) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]
    return points, pairs


def _radii(armature: bpy.types.Object) -> dict[str, float]:
    """By bone, in the armature's own units: how far from the bone the skin is that it carries."""
    rig = read_rig(armature).skeleton
    back = np.linalg.inv(np.array(armature.matrix_world))
    numbers = {name: bone for bone, name in enumerate(rig.names)}
    points, owners = [np.zeros((0, 3))], [np.zeros(0, np.int64)]
    for figure in meshes_of(armature, bpy.context.scene):
        onto = back @ np.array(figure.matrix_world)
        held = read_bone_weights(figure, figure.data, numbers)
        is_own = held.weights > _OWN
        points.append(points_of(figure.data)[held.vertices[is_own]] @ onto[:3, :3].T + onto[:3, 3])
        owners.append(held.bones[is_own])
    every, owner = np.concatenate(points), np.concatenate(owners)
    return {name: _radius(armature.data.bones[name], every[owner == bone]) for name, bone in numbers.items()}


def _radius(bone: bpy.types.Bone, places: np.ndarray) -> float:  # places: (N, 3)
    least = _LEAST_RADIUS * bone.length
    if not len(places):
        return least
    along = np.array(bone.matrix_local.to_3x3().col[1])
    away = places - np.array(bone.head_local)
    away -= (away @ along)[:, None] * along
    return max(least, _ROOM * float(np.quantile(np.linalg.norm(away, axis=1), _QUANTILE)))
