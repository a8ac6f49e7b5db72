# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture that was made for a mesh of this file: onto that mesh, beside all that it had.

Vertices, faces and the artist's own UV maps are not touched. The texture comes with a UV map and a material of its own
in a slot after the others, whose materials are kept with a fake user; which slot each face had is an attribute.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np

from ..errors import ImportFailed, MeshUnusable
from ..phrases import phrase
from .materials import settle_material
from .provenance import PREFIX
from .rollback import all_or_nothing, restore_work
from .sent_mesh import SentMesh, read_mesh

LAYOUT_FILE, PICTURE_FILE = "texture.npz", "texture.png"
UV_NAME = "Figurine"
SLOT_ATTRIBUTE = "figurine_slot_before"
_MOST_UV_MAPS = 8  # Blender's own limit
_FETCH_AGAIN = "Import it again from the job list: the files are fetched again."


def is_texture(folder: Path) -> bool:
    """Whether the result in the folder is a texture for a mesh that the artist has."""
    return (folder / LAYOUT_FILE).is_file()


def dress(context: bpy.types.Context, folder: Path, name: str, provenance: Mapping[str, str]) -> bpy.types.Object:
    """Put the texture in the folder onto the object of this name, or the active one where that is not there, and return
    it. No undo step is made: the operators that call this have UNDO.

    Raises ImportFailed, after which the file is as it was.
    """
    item = _target(context, name)
    sent = _as_sent(item)
    uv = _corner_uv(folder, sent, item)
    mesh = item.data
    if len(mesh.uv_layers) >= _MOST_UV_MAPS:
        raise ImportFailed(
            phrase(
                "{name} has {most} UV maps already, as many as Blender takes.",
                name=item.name,
                most=_MOST_UV_MAPS,
            ),
            "Remove one in Object Data, and import the texture again.",
        )
    with all_or_nothing() as before:
        try:
            image = bpy.data.images.load(str(folder / PICTURE_FILE))
            image.pack()
        except RuntimeError as error:
            raise ImportFailed(
                "Blender cannot read the texture: its file is damaged.", _FETCH_AGAIN, details=str(error)
            ) from error
        image.name = f"{item.name}_texture"
        image.filepath_raw = f"//{image.name}.png"
        material = bpy.data.materials.new(f"{item.name}_textured")
        if material.node_tree is None:
            material.use_nodes = True
        for key, fact in provenance.items():
            material[f"{PREFIX}{key}"] = fact
        layer = mesh.uv_layers.new(name=UV_NAME, do_init=False)
        values = np.zeros((len(mesh.loops), 2), np.float32)
        values[sent.loops] = uv
        layer.uv.foreach_set("vector", values.ravel())
        mesh.uv_layers.active = mesh.uv_layers[layer.name]
        settle_material(material, image, mesh, mesh.uv_layers.active.name)
        _wear(item, material)
        restore_work(before)
    return item


def _target(context: bpy.types.Context, name: str) -> bpy.types.Object:
    found = context.scene.objects.get(name) or context.object
    if found is None or found.type != "MESH":
        raise ImportFailed(
            phrase("{name}, which the texture was made for, is not in this scene.", name=name),
            "Select the mesh, also under another name, and press Import in the job list.",
        )
    if not found.data.is_editable:
        raise ImportFailed(
            phrase("{name} is linked from another file and cannot be changed.", name=found.name),
            "Make it local first.",
        )
    return found


def _as_sent(item: bpy.types.Object) -> SentMesh:
    try:
        return read_mesh(item)
    except MeshUnusable as error:
        raise ImportFailed(error.message, error.hint) from error


def _corner_uv(folder: Path, sent: SentMesh, item: bpy.types.Object) -> np.ndarray:
    """(C, 2) float32 of the corners as they were sent. Raises ImportFailed where the mesh has other faces by now."""
    try:
        with np.load(folder / LAYOUT_FILE, allow_pickle=False) as found:
            uv, vertices, sizes = (found[key] for key in ("uv", "vertices", "sizes"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ImportFailed(
            phrase("{name} cannot be read: {why}.", name=LAYOUT_FILE, why=error), _FETCH_AGAIN
        ) from error
    is_same = np.array_equal(sizes, sent.sizes) and np.array_equal(vertices, sent.corners)
    if not is_same or uv.shape != (len(sent.loops), 2) or not np.isfinite(uv).all():
        raise ImportFailed(
            phrase("{name} has other faces than the mesh that the texture was made for.", name=item.name),
            "Undo what was changed of its faces, or select the mesh as it was, and import the texture again. Otherwise "
            "texture it again.",
        )
    return np.asarray(uv, np.float32)


def _wear(item: bpy.types.Object, material: bpy.types.Material) -> None:
    """The material on all faces, in a slot of its own; the others are kept."""
    mesh = item.data
    for slot in item.material_slots:
        if slot.material is not None:
            slot.material.use_fake_user = True
    before = np.zeros(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", before)
    if len(mesh.materials):
        kept = mesh.attributes.get(SLOT_ATTRIBUTE)
        if kept is None:
            kept = mesh.attributes.new(SLOT_ATTRIBUTE, "INT", "FACE")
            kept.data.foreach_set("value", before)
    mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", np.full(len(mesh.polygons), len(mesh.materials) - 1, np.int32))
    item.active_material_index = len(mesh.materials) - 1
    mesh.update()
