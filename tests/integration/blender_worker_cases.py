# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Blender worker share: how it is run, and the models that it is run on, all made in code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inference_server.core.exchange import Exchange, read_exchange, write_exchange
from tests.integration.inspector import leave

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120
PREVIEW_PX = 96
RINGS, SIDES = 9, 12
HEIGHT_M = 1.6


def command_for(verb: str, request: Path, result: Path) -> list[str]:
    """The worker's command line, under the bpy module."""
    return [sys.executable, "-m", "inference_server.blender_worker", verb, str(request), str(result)]


def environment() -> dict[str, str]:
    """This environment, with the project importable."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def run_worker(folder: Path, verb: str, request: Exchange) -> tuple[int, Exchange]:
    """One run in a new folder: exit code and result. The folder holds nothing but request and result afterwards."""
    write_exchange(folder / "request", request)
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        done = subprocess.run(
            command_for(verb, folder / "request", folder / "result"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            timeout=TIMEOUT_S,
            check=False,
        )
    assert sorted(path.name for path in folder.iterdir()) == ["request", "result"]
    return done.returncode, read_exchange(folder / "result")


def picture(side_px: int, noise_seed: int | None = None) -> bytes:
    """A PNG: a colour ramp, or noise that does not compress."""
    rgb = np.zeros((side_px, side_px, 3), np.uint8)
    rgb[..., 0] = np.linspace(30, 250, side_px)[None, :]
    rgb[..., 1] = np.linspace(250, 60, side_px)[:, None]
    if noise_seed is not None:
        rgb = np.random.default_rng(noise_seed).integers(0, 256, rgb.shape, dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "PNG")
    return stream.getvalue()


def pillar() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A closed pillar on the ground, Blender's frame: vertices (V, 3), faces (F, 3), uv (F, 3, 2)."""
    angles = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    heights = np.linspace(0, HEIGHT_M, RINGS)
    rings = [np.stack([0.2 * np.cos(angles), 0.2 * np.sin(angles), np.full(SIDES, z)], 1) for z in heights]
    vertices = np.concatenate([*rings, [[0, 0, 0], [0, 0, HEIGHT_M]]]).astype(np.float32)
    bottom, top = len(vertices) - 2, len(vertices) - 1
    faces = []
    for side in range(SIDES):
        following = (side + 1) % SIDES
        for ring in range(RINGS - 1):
            low, high = ring * SIDES, (ring + 1) * SIDES
            faces += [(low + side, low + following, high + following), (low + side, high + following, high + side)]
        faces += [(bottom, following, side), (top, top - 1 - SIDES + side, top - 1 - SIDES + following)]
    corners = np.array(faces, np.int32)
    uv = np.stack([vertices[:, 0] + 0.5, vertices[:, 2] / HEIGHT_M], axis=1)[corners].astype(np.float32)
    return vertices, corners, uv


def skeleton_arrays(lower: float, upper: float) -> dict[str, np.ndarray]:
    """A root and two branches, the second of two bones, between two heights; no bone's tail but the last is a head."""
    span = upper - lower
    heads = np.array([[0, 0, 0.1], [0.02, 0, 0.4], [0.03, 0, 0.7], [-0.05, 0, 0.45]], np.float32)
    tails = np.array([[0, 0, 0.35], [0.02, 0.02, 0.65], [0.0, -0.03, 0.97], [-0.15, -0.05, 0.5]], np.float32)
    heads, tails = (places * [1, 1, span] + [0, 0, lower] for places in (heads, tails))
    return {
        "parents": np.array([-1, 0, 1, 0], np.int32),
        "heads": heads.astype(np.float32),
        "tails": tails.astype(np.float32),
        "rolls": np.array([0.0, 0.3, -0.4, 1.2], np.float32),
    }


BONE_DOCUMENT: dict[str, Any] = {
    "bones": ["hips", "spine", "head", "tail.L"],
    "roles": ["hips", "spine", "head", "chain"],
    "provenance": {"product": "Figurine", "version": "0.0.1", "source_sha256": "ab" * 32, "stages": []},
    "preview_px": PREVIEW_PX,
    "stem": "asset",
}


def skin_arrays(heights: np.ndarray) -> dict[str, np.ndarray]:  # (V,)
    """Three bones a vertex, blending along the height, of which some weights are equal and some are unique."""
    share = (heights - heights.min()) / np.ptp(heights)
    indices = np.tile(np.array([0, 1, 2, 0], np.int32), (len(heights), 1))
    weights = np.stack([1 - share, share * (1 - share), share**2, np.zeros_like(share)], axis=1)
    weights[share < 0.2] = [0, 0, 1, 0]
    indices[share < 0.2, 2] = 3
    return {"skin_indices": indices, "skin_weights": weights.astype(np.float32)}


def export_request(**changed: Any) -> Exchange:
    """The pillar, textured and rigged. `changed`: files or arrays in place of its own."""
    vertices, faces, uv = pillar()
    arrays = {"vertices": vertices, "faces": faces, "uv": uv} | skeleton_arrays(0.0, HEIGHT_M)
    arrays |= skin_arrays(vertices[:, 2].astype(np.float64))
    files = {"base_color.png": changed.pop("base_color", picture(64))}
    return Exchange(document={"name": "Ein Bär: 1", **BONE_DOCUMENT}, arrays=arrays | changed, files=files)


def bind_request(path: Path, read: Exchange) -> Exchange:
    """A skeleton and skin for what `read` found in the file."""
    heights = read.arrays["vertices"][:, 2].astype(np.float64)
    objects = [{key: item[key] for key in ("name", "vertex_count")} for item in read.document["objects"]]
    document = {"name": "bound", "path": str(path), "objects": objects, **BONE_DOCUMENT}
    arrays = skeleton_arrays(float(heights.min()), float(heights.max())) | skin_arrays(heights)
    return Exchange(document=document, arrays=arrays)


def make_scene_files(folder: Path) -> list[dict[str, Any]]:
    """scene.fbx, scene.glb, scene.obj (with its material and picture) and what is in them, by name.

    Two meshes of quads under a turned and scaled empty: "crate", bound to an old armature, and "post", mirrored,
    hidden, with two materials; both are textured and have normals of their own. Returns [{name, vertices, polygons,
    normals, uv, materials}], in world space.
    """
    (folder / "paint.png").write_bytes(picture(32))
    command = [sys.executable, str(Path(__file__).resolve()), str(folder)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (folder / "scene.json").exists(), done.stdout.decode(errors="replace")[-3000:]
    return json.loads((folder / "scene.json").read_text())


def _build_scene(folder: Path) -> None:
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    link = bpy.context.scene.collection.objects.link
    world = bpy.data.objects.new("world", None)
    world.rotation_euler, world.scale, world.location = (0.3, 0.0, 0.5), (2.0, 2.0, 2.0), (1.0, -2.0, 0.5)
    link(world)
    armature = bpy.data.objects.new("old_rig", bpy.data.armatures.new("old_rig"))
    link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    armature.data.edit_bones.new("old_bone").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.parent = world
    crate, post = (_add_box(name, folder / "paint.png") for name in ("crate", "post"))
    crate.parent, crate.scale, crate.location = armature, (0.5, 0.5, 0.7), (0.2, 0.1, 0.4)
    crate.modifiers.new("Armature", "ARMATURE").object = armature
    crate.vertex_groups.new(name="old_bone").add(range(8), 1.0, "REPLACE")
    post.parent, post.location, post.rotation_euler = world, (-0.6, 0.0, 0.0), (0.1, 0.7, 0.0)
    post.scale = (-0.4, 0.4, 0.9)
    second = bpy.data.materials.new("post_second")
    post.data.materials.append(second)
    post.data.polygons[0].material_index = 1
    bpy.context.view_layer.update()
    (folder / "scene.json").write_text(json.dumps([_expect(crate), _expect(post)]))
    bpy.ops.wm.obj_export(filepath=str(folder / "scene.obj"), export_materials=True, path_mode="RELATIVE")
    post.hide_set(True)  # after the OBJ, which leaves hidden objects out
    bpy.ops.export_scene.fbx(filepath=str(folder / "scene.fbx"), path_mode="COPY", embed_textures=True)
    bpy.ops.export_scene.gltf(filepath=str(folder / "scene.glb"), export_animations=False)


def _add_box(name: str, paint: Path) -> Any:
    """Eight vertices, six quads, normals that point away from the middle, one textured material."""
    import bpy

    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1.5)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(corners, [], quads)
    layer = mesh.uv_layers.new(name="UVMap")
    for index, corner in enumerate(layer.uv):
        corner.vector = ((index % 4 in (1, 2)) * 0.5 + index / 100, (index % 4 > 1) * 0.5)
    directions = np.array([corners[loop.vertex_index] for loop in mesh.loops], float)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    mesh.normals_split_custom_set(directions.tolist())
    material = bpy.data.materials.new(f"{name}_paint")
    if material.node_tree is None:
        material.use_nodes = True
    nodes = material.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(paint), check_existing=True)
    surface = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(texture.outputs["Color"], surface.inputs["Base Color"])
    mesh.materials.append(material)
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    return item


def _expect(item: Any) -> dict[str, Any]:
    place = item.matrix_world
    turn = place.to_3x3().inverted().transposed()
    return {
        "name": item.name,
        "vertices": [list(place @ vertex.co) for vertex in item.data.vertices],
        "polygons": [list(polygon.vertices) for polygon in item.data.polygons],
        "normals": [list((turn @ corner.vector).normalized()) for corner in item.data.corner_normals],
        "uv": [list(corner.vector) for corner in item.data.uv_layers.active.uv],
        "materials": [slot.material.name for slot in item.material_slots],
    }


if __name__ == "__main__":
    _build_scene(Path(sys.argv[1]))
    leave()
