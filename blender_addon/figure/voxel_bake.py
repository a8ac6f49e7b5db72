# SPDX-License-Identifier: GPL-3.0-or-later
"""An animation as voxels: a collection with one object a frame, each shown from its frame on until the next.

Objects that take turns play back, render and export like any others in every Blender, and each can be edited, retimed
or handed to a game by itself; a modifier that swaps the mesh could be neither edited nor exported.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from ..voxel.animation import cast, voxel_frame
from ..voxel.arrays import Floats
from ..voxel.errors import BakeTooLarge
from ..voxel.glow import Glow, find_light
from ..voxel.voxelize import VoxelSettings
from .voxel_choice import Choice
from .voxel_materials import PaletteMaterials
from .voxel_object import voxel_mesh
from .voxel_source import read_source

MOST_FACES = 8_000_000  # of all frames together: 1.2 GiB at about 160 bytes a face in Blender
_BAKE_OF = "figurine_bake_of"  # on the collection, numbered: the objects that it was made from
_PART = "figurine_bake_part"  # on what the bake made: the frame, or _CARRIER
_CARRIER = -1


class VoxelBake:
    """Makes the frames one by one. Nothing is in the scene before `finish`; `give_up` leaves nothing behind."""

    def __init__(self, context: bpy.types.Context, choice: Choice, settings: VoxelSettings, glow: Glow) -> None:
        """Reads the figure in its rest pose. Raises VoxelError."""
        self._scene, self._choice = context.scene, choice
        self._former = context.scene.frame_current, context.scene.frame_subframe
        self._actor = cast(read_source(choice.figure, choice.others).mesh, settings)
        self._glow = glow
        self.warning = self._actor.figure.grid.warning
        self._meshes: dict[int, bpy.types.Mesh] = {}
        self._faces = 0

    def add_frame(self, context: bpy.types.Context, frame: int) -> None:
        """Voxelize the figure as it is in that frame. Raises VoxelError."""
        self._scene.frame_set(frame)
        made = voxel_frame(self._actor, posed_vertices(context, self._choice.objects))
        self._faces += len(made.quads.quads)
        if self._faces > MOST_FACES:
            raise BakeTooLarge(frame, MOST_FACES)
        self._meshes[frame] = voxel_mesh(f"{self._choice.figure.name} Voxels {frame:04d}", made.quads, made.colour)

    def finish(self, context: bpy.types.Context) -> bpy.types.Object:
        """Put the frames in the place of a former bake's; what carries them all."""
        figure = self._choice.figure
        collection = bake_of(figure) or _new_collection(context, figure)
        _clear(collection)
        _remember(collection, self._choice.objects)
        carrier = _carrier(collection, f"{figure.name} Voxel Bake")
        rest = self._actor.figure
        light = find_light(rest.palette, rest.colour, self._glow)
        material = PaletteMaterials(f"{figure.name} Voxel Bake", rest.palette, light).by_uv()
        frames = sorted(self._meshes)
        for place, frame in enumerate(frames):
            data = self._meshes[frame]
            data.materials.append(material)
            item = bpy.data.objects.new(data.name, data)
            item[_PART] = frame
            item.parent = carrier
            collection.objects.link(item)
            _key(item, frame, is_first=not place, end=frames[place + 1] if place + 1 < len(frames) else None)
        self._meshes = {}
        self._back()
        return carrier

    def give_up(self) -> None:
        """Drop what was made so far."""
        bpy.data.batch_remove(list(self._meshes.values()))
        self._meshes = {}
        self._back()

    def _back(self) -> None:
        self._scene.frame_set(self._former[0], subframe=self._former[1])


def posed_vertices(context: bpy.types.Context, objects: Sequence[bpy.types.Object]) -> Floats:
    """(V, 3) of all objects, one after the other, in world space, as they are in this frame."""
    depsgraph = context.evaluated_depsgraph_get()
    found = []
    for item in objects:
        evaluated = item.evaluated_get(depsgraph)
        data = evaluated.to_mesh()
        vertices = np.empty(len(data.vertices) * 3, np.float32)
        data.vertices.foreach_get("co", vertices)
        evaluated.to_mesh_clear()
        matrix = np.array(evaluated.matrix_world, np.float64)
        with np.errstate(all="ignore"):  # a vertex may be anywhere; voxel_frame judges it
            found.append(vertices.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(found)


def bake_of(figure: bpy.types.Object) -> bpy.types.Collection | None:
    """The collection with this figure's bake."""
    return next((item for item in bpy.data.collections if item.get(f"{_BAKE_OF}_0") == figure), None)


def baked_from(item: bpy.types.Object | None) -> Choice | None:
    """What this frame, or what carries the frames, was baked from; None for any other object."""
    if item is None or item.get(_PART) is None:
        return None
    for collection in item.users_collection:
        names = sorted(name for name in collection.keys() if name.startswith(_BAKE_OF))
        objects = [collection[name] for name in names if collection[name] is not None]
        if objects:
            return Choice(objects[0], tuple(objects[1:]))
    return None


def _new_collection(context: bpy.types.Context, figure: bpy.types.Object) -> bpy.types.Collection:
    collection = bpy.data.collections.new(f"{figure.name} Voxel Bake")
    context.scene.collection.children.link(collection)
    return collection


def _remember(collection: bpy.types.Collection, objects: Sequence[bpy.types.Object]) -> None:
    """Note what the frames were baked from."""
    for name in [name for name in collection.keys() if name.startswith(_BAKE_OF)]:
        del collection[name]
    for place, item in enumerate(objects):
        collection[f"{_BAKE_OF}_{place}"] = item


def _carrier(collection: bpy.types.Collection, name: str) -> bpy.types.Object:
    """The empty that all frames hang on: where an earlier bake's was moved to, this one stands, too."""
    for item in collection.objects:
        if item.get(_PART) == _CARRIER:
            return item
    carrier = bpy.data.objects.new(name, None)
    carrier[_PART] = _CARRIER
    collection.objects.link(carrier)
    return carrier


def _clear(collection: bpy.types.Collection) -> None:
    """Remove a former bake's frames with all that was made for them; what the artist added stays."""
    frames = [item for item in collection.objects if item.get(_PART, _CARRIER) != _CARRIER]
    actions = [item.animation_data.action for item in frames if item.animation_data and item.animation_data.action]
    meshes = [item.data for item in frames]
    materials = {material for data in meshes for material in data.materials if material is not None}
    bpy.data.batch_remove(frames)
    bpy.data.batch_remove([block for block in [*actions, *meshes] if not block.users])
    _remove_unused(materials)


def _remove_unused(materials: set[bpy.types.Material]) -> None:
    left = [material for material in materials if not material.users]
    nodes = [node for material in left for node in material.node_tree.nodes]
    images = {node.image for node in nodes if node.type == "TEX_IMAGE" and node.image}
    bpy.data.batch_remove(left)
    bpy.data.batch_remove([image for image in images if not image.users])


def _key(item: bpy.types.Object, frame: int, is_first: bool, end: int | None) -> None:
    """Let it be seen from its frame on until before `end`; the first is there before, too, and the last stays."""
    keys = [] if is_first else [(frame - 1, True)]
    keys.append((frame, False))
    if end is not None:
        keys.append((end, True))
    for when, is_hidden in keys:
        item.hide_viewport = item.hide_render = is_hidden
        for name in ("hide_viewport", "hide_render"):
            item.keyframe_insert(name, frame=when)
