# SPDX-License-Identifier: GPL-3.0-or-later
"""FBX and GLB of the scene's armature and meshes."""

from __future__ import annotations

from pathlib import Path

import bpy

from inference_server.blender_worker.failures import WorkerFailure

# Enough of a packed picture's bytes to find it again in the file.
PICTURE_PROBE_BYTES = 256


def write_fbx(path: Path) -> None:
    """Rest pose, no animation, pictures embedded.

    Leaf bones are added because FBX stores no tails: an importer with `ignore_leaf_bones` gets the exact tails of the
    last bones of every chain, and one without keeps the real bones too.
    """
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        object_types={"ARMATURE", "MESH"},
        mesh_smooth_type="FACE",
        use_custom_props=True,
        add_leaf_bones=True,
        bake_anim=False,
        path_mode="COPY",
        embed_textures=True,
    )
    _check(path)


def write_glb(path: Path) -> None:
    """Rest pose, no animation, no compression: every reader of glTF 2.0 can open it."""
    bpy.ops.export_scene.gltf(
        filepath=str(path),
        export_format="GLB",
        export_animations=False,
        export_extras=True,
        export_cameras=False,
        export_lights=False,
    )
    _check(path)


def lost_pictures(fbx: Path) -> list[str]:
    """Names of the scene's used pictures that are not embedded in the file."""
    content = fbx.read_bytes()
    packed = [image for image in bpy.data.images if image.users and image.packed_file is not None]
    return [image.name for image in packed if image.packed_file.data[:PICTURE_PROBE_BYTES] not in content]


def _check(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        raise WorkerFailure("ExportCrashed", f"{path.name} is empty.", "Run it again and report it with the log.")
