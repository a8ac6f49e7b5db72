# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes of the file as one body that is sent to be rigged, in metres about a point on its ground; and its bones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from ..errors import MeshUnusable
from ..jobs.aim import SentPart
from ..phrases import phrase
from ..pose.rig import HANDLE_ROLE, role_of
from ..pose.skeleton import kind_of, to_character
from .mirroring import Origin, trace
from .result_folder import RIG_FORMAT, RIG_VERSION
from .sent_mesh import MOST_TRIANGLES, SentMesh, place_of, read_mesh
from .shape_makers import makers_of, names_of
from .whole_shape import whole_shapes

NONE_APPLIED: Mapping[bpy.types.Object, bpy.types.Mesh] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class SentBody:
    """objects, meshes, origins: of the same length. applied: those of the objects that are sent with their modifiers
    applied. frame: from the world to where their places are. metres_per_unit: of the scene.
    """

    objects: tuple[bpy.types.Object, ...]
    meshes: tuple[SentMesh, ...]
    origins: tuple[Origin, ...]
    applied: frozenset[bpy.types.Object]
    frame: Matrix
    metres_per_unit: float

    @property
    def parts(self) -> tuple[SentPart, ...]:
        """What has to be remembered of the objects."""
        pairs = zip(self.objects, self.origins, strict=True)
        return tuple(SentPart(item.name, origin.vertex_count, item in self.applied) for item, origin in pairs)

    @cached_property
    def places(self) -> np.ndarray:
        """(V, 3) float64, of all of them, in the frame, in Blender units."""
        return np.concatenate([mesh.places for mesh in self.meshes])

    def to_sent(self, points: np.ndarray) -> np.ndarray:  # (N, 3), the frame
        """(N, 3): in metres, about the middle of the ground under the body."""
        low, high = self.places.min(axis=0), self.places.max(axis=0)
        ground = np.array([*(low + high)[:2] / 2, low[2]])
        return np.asarray((points - ground) * self.metres_per_unit)

    def joined(self) -> SentMesh:
        """One mesh, as it is sent."""
        starts = np.cumsum([0, *(len(mesh.places) for mesh in self.meshes)])
        return SentMesh(
            places=self.to_sent(self.places),
            corners=np.concatenate([mesh.corners + start for mesh, start in zip(self.meshes, starts, strict=False)]),
            sizes=np.concatenate([mesh.sizes for mesh in self.meshes]),
            loops=np.concatenate([mesh.loops for mesh in self.meshes]),
            uv=np.zeros((0, 2)),
            used=np.concatenate([mesh.used for mesh in self.meshes]),
        )


@dataclass(frozen=True)
class SentBone:
    """parent: the next above that is sent too, "" for none. head, tail: in the armature's own space, Blender units."""

    name: str
    parent: str
    role: str
    head: tuple[float, float, float]
    tail: tuple[float, float, float]


def read_body(
    objects: Sequence[bpy.types.Object],
    frame: Matrix,
    metres_per_unit: float,
    applied: Mapping[bpy.types.Object, bpy.types.Mesh] = NONE_APPLIED,
) -> SentBody:
    """Those that have faces, where they stand, with what Mirror modifiers add and without other modifiers and shape
    keys. frame: from the world to one in which they stand upright and face -Y. applied: meshes in the place of their
    own. Raises MeshUnusable.
    """
    solid = tuple(item for item in objects if len(applied.get(item, item.data).polygons))
    if not solid:
        raise MeshUnusable(objects[0].name, "it has no faces", "Choose a mesh with a surface.")
    with whole_shapes(solid, applied) as shapes:
        pairs = list(zip(solid, shapes, strict=True))
        meshes = tuple(read_mesh(item, frame, shape.whole) for item, shape in pairs)
        origins = tuple(
            trace(item, shape, mesh.used, place_of(item, frame))
            for (item, shape), mesh in zip(pairs, meshes, strict=True)
        )
    body = SentBody(solid, meshes, origins, frozenset(applied), frame, metres_per_unit)
    triangles = int(sum((mesh.sizes - 2).sum() for mesh in body.meshes))
    if triangles > MOST_TRIANGLES:
        why = phrase(
            "all together have {triangles:,} triangles, and {most_triangles:,} are the most",
            triangles=triangles,
            most_triangles=MOST_TRIANGLES,
        )
        raise MeshUnusable(phrase("{name} with the others", name=solid[0].name), why, "Decimate them first.")
    return body


def has_surface(item: bpy.types.Object) -> bool:
    """Whether it has faces, of its own or by a modifier."""
    return len(item.data.polygons) > 0 or bool(makers_of(item))


def mesh_obstacle(item: bpy.types.Object) -> str:
    """Why this mesh cannot be given bones or weights, for the artist; "" where it can."""
    if not item.data.is_editable or not (item.is_editable or item.override_library):
        return phrase("{name} is linked from another file: make it local first.", name=item.name)
    sharing = () if item.data.users < 2 else bpy.data.objects
    others = [other.name for other in sharing if other is not item and other.data is item.data]
    if others:
        return phrase(
            "{name} shares its mesh, and so its weights, with {value}: choose Object > Relations > "
            "Make Single User > Object & Data first.",
            name=item.name,
            value=others[0],
        )
    makers = makers_of(item)
    if makers and item.data.shape_keys is not None:
        return phrase(
            "{name} gets its shape from a modifier ({modifiers}), and Blender applies none to a mesh with shape keys: "
            "remove these, or hide the modifier to rig the mesh without it.",
            name=item.name,
            modifiers=names_of(makers),
        )
    return ""


def unapplied(items: Sequence[bpy.types.Object]) -> str:
    """That a modifier has to be applied to one of them, for the artist; "" where none has."""
    for item in items:
        if makers_of(item):
            return phrase(
                "{name} gets its shape from a modifier ({modifiers}): turn on Apply Modifiers, or hide the modifier to "
                "rig the mesh without it.",
                name=item.name,
                modifiers=names_of(makers_of(item)),
            )
    return ""


def read_bones(armature: bpy.types.Object) -> list[SentBone]:
    """The bones that deform, parents first, as they are edited now; none of the handles that posing added."""
    is_edited = armature.mode == "EDIT"
    bones = armature.data.edit_bones if is_edited else armature.data.bones
    ends = ("head", "tail") if is_edited else ("head_local", "tail_local")
    sent = {bone.name for bone in bones if bone.use_deform and role_of(bone) != HANDLE_ROLE}
    found = [
        SentBone(bone.name, _parent_of(bone, sent), role_of(bone) or "chain", *(tuple(getattr(bone, e)) for e in ends))
        for bone in bones
        if bone.name in sent
    ]
    return _as_tree(found)


def frame_of(armature: bpy.types.Object, bones: Sequence[SentBone]) -> Matrix:
    """From the world to the character's own frame: upright, facing -Y, not mirrored, whatever the armature's transform
    and axes, so that the same figure is sent alike wherever it stands. A body of unknown parts is sent as it stands.
    """
    roles = tuple(bone.role for bone in bones)
    if kind_of(set(roles)) == "other":
        return Matrix.Identity(4)
    own = armature.matrix_world
    turn = to_character(roles, np.array([bone.head for bone in bones]))
    return Matrix(turn.tolist()).to_4x4() @ Matrix.Scale(abs(own.determinant()) ** (1 / 3), 4) @ own.inverted()


def skeleton_document(armature: bpy.types.Object, bones: Sequence[SentBone], body: SentBody) -> dict[str, Any]:
    """rig.json of bones that stand in this body, where the armature stands."""
    matrix = np.array(body.frame @ armature.matrix_world, dtype=np.float64)

    def place(points: list[tuple[float, float, float]]) -> list[list[float]]:
        there = np.array(points) @ matrix[:3, :3].T + matrix[:3, 3]
        return [[float(number) for number in row] for row in body.to_sent(there)]

    heads, tails = place([bone.head for bone in bones]), place([bone.tail for bone in bones])
    entries = [
        {"name": bone.name, "role": bone.role, "parent": bone.parent or None, "head": head, "tail": tail}
        for bone, head, tail in zip(bones, heads, tails, strict=True)
    ]
    return {"format": RIG_FORMAT, "version": RIG_VERSION, "bones": entries}


def _parent_of(bone: Any, sent: set[str]) -> str:
    above = bone.parent
    while above is not None and above.name not in sent:
        above = above.parent
    return "" if above is None else above.name


def _as_tree(bones: list[SentBone]) -> list[SentBone]:
    """One root: a rig whose bones hang on controls that are not sent has several; the one that carries most has the
    others as children.
    """
    above = {bone.name: bone.parent for bone in bones}

    def root_of(name: str) -> str:
        while above[name]:
            name = above[name]
        return name

    roots = [root_of(name) for name in above]
    if not roots:
        return bones
    main = max(dict.fromkeys(roots), key=roots.count)
    return [bone if bone.parent or bone.name == main else replace(bone, parent=main) for bone in bones]
