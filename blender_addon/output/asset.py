# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure as an asset: its collection, with a picture, in a catalog by body.

Catalogs stand in a text file at the top of an asset library, or beside a file that is in none (Blender's manual, Asset
Catalogs): UUID:path:name.
"""

from __future__ import annotations

from pathlib import Path

import bpy
from mathutils import Vector

from ..pose.asset import set_preview
from ..pose.rig import body_kind, read_rig
from ..pose.thumbnail import render_thumbnail
from ..whole_files import write_all
from .subject import Subject

CATALOG_FILE = "blender_assets.cats.txt"
_HEAD = (
    "# This is an Asset Catalog Definition file for Blender.\n#\n"
    "# Empty lines and lines starting with `#` will be ignored.\n"
    "# The first non-ignored line should be the version indicator.\n"
    '# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"\n\n'
    "VERSION 1\n\n"
)
# By body. The numbers are ours for good: the same catalog in every library.
_CATALOGS = {
    "humanoid": ("6f3c1f0e-8f0b-4b5e-9a53-8c1a6a3d2f01", "Figurine/Humanoids"),
    "quadruped": ("6f3c1f0e-8f0b-4b5e-9a53-8c1a6a3d2f02", "Figurine/Quadrupeds"),
    "other": ("6f3c1f0e-8f0b-4b5e-9a53-8c1a6a3d2f03", "Figurine/Others"),
}
_TAG = "figurine"


def mark_figure(context: bpy.types.Context, subject: Subject) -> bpy.types.Collection:
    """Mark the figure's collection, one of its own being made where others share it. Its catalog is added to the
    library's. Raises OSError where that file cannot be written; nothing is marked then.
    """
    kind = body_kind(subject.armature)
    number, path = _CATALOGS[kind]
    if bpy.data.filepath:
        _add_catalog(_library(Path(bpy.data.filepath)), number, path)
    rig = read_rig(subject.armature)
    front = subject.armature.matrix_world.to_3x3() @ Vector((-rig.to_character[1]).tolist())
    picture = render_thumbnail(subject.armature, front)
    collection = _collection_of(context, subject)
    collection.asset_mark()
    collection.asset_data.catalog_id = number
    for tag in (_TAG, kind):
        collection.asset_data.tags.new(tag, skip_if_exists=True)
    if picture is not None:
        set_preview(collection, picture)
    return collection


def _collection_of(context: bpy.types.Context, subject: Subject) -> bpy.types.Collection:
    """The one that holds all of the figure and nothing else."""
    wanted = {subject.armature, *subject.meshes}
    for collection in subject.armature.users_collection:
        if collection != context.scene.collection and set(collection.all_objects) == wanted:
            return collection
    collection = bpy.data.collections.new(subject.name)
    context.scene.collection.children.link(collection)
    for item in wanted:
        collection.objects.link(item)
    return collection


def _library(file: Path) -> Path:
    """The top of the asset library that the file is in, or its own folder."""
    roots = [Path(entry.path) for entry in bpy.context.preferences.filepaths.asset_libraries if entry.path]
    return next((root for root in roots if root in file.parents), file.parent)


def _add_catalog(folder: Path, number: str, path: str) -> None:
    place = folder / CATALOG_FILE
    text = place.read_text(encoding="utf-8") if place.is_file() else _HEAD
    if number not in text:
        line = f"{number}:{path}:{path.replace('/', '-')}\n"
        write_all(folder, {CATALOG_FILE: (text if text.endswith("\n") else f"{text}\n").encode() + line.encode()})
