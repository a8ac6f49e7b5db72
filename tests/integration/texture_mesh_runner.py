# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's mesh is textured from a picture, in this Python's Blender: sent as the panel sends it, painted by the
real pipeline, and brought back onto the object.

    python -m tests.integration.texture_mesh_runner SCRATCH ANSWER.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_addon.errors import FigurineError
from blender_addon.figure.dress import dress
from blender_addon.figure.sent_mesh import obj_text, read_mesh
from inference_server.config import load_config
from inference_server.core.cache import StageCache
from inference_server.core.codec import png_bytes
from inference_server.core.images import decode_image
from inference_server.core.pipeline import Pipeline
from inference_server.core.report import layout_file
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control
from inference_server.core.warm import WarmStages, memory_budget_bytes
from inference_server.engines import build_registry
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.scene import read_scene
from tests.integration.texture_mesh_scene import contents, make_object, picture


def colours(item: bpy.types.Object) -> dict[str, Any]:
    """Of each face's corners: where it stands in the world, and the texture's colour there."""
    mesh = item.data
    material = mesh.materials[mesh.polygons[0].material_index]
    nodes = {node.type: node for node in material.node_tree.nodes}
    image, name = nodes["TEX_IMAGE"].image, nodes["UVMAP"].uv_map
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(image.size[1], image.size[0], 4)
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers[name].uv.foreach_get("vector", uv)
    found = []
    for polygon in mesh.polygons:
        if len(set(polygon.vertices)) < 3:
            continue
        middle = uv.reshape(-1, 2)[list(polygon.loop_indices)].mean(axis=0)
        column, row = (middle * image.size).astype(int)
        place = item.matrix_world @ polygon.center
        found.append([*place, *(pixels[row, column, :3] * 255).tolist()])
    return {"faces": found, "packed": image.packed_file is not None}


def paint(scratch: Path, text: str) -> Path:
    """As a worker does; the folder of the result."""
    (scratch / "mesh.obj").write_text(text, encoding="ascii")
    os.environ["FIGURINE_HOME"] = str(scratch / "home")
    config = load_config(flags={"engine": "draft"}).config
    blender, cache = BlenderProcess(None, scratch / "work"), StageCache(scratch / "cache", 1 << 30)
    scene = read_scene(scratch / "mesh.obj", blender, cache, lambda: None)
    with WarmStages(memory_budget_bytes()) as warm:
        pipeline = Pipeline(build_registry(config, blender), cache, warm, product_version="0")
        source = decode_image(png_bytes(picture()), "a.png", 10.0)
        outcome = pipeline.texture_scene(scene, source, JobSettings(engine="draft", texture_px=1024), Control())
    folder = scratch / "result"
    folder.mkdir()
    asset: Any = outcome.asset
    (folder / "texture.npz").write_bytes(layout_file(asset))
    (folder / "texture.png").write_bytes(png_bytes(asset.textured.base_color))
    (folder / "notes.json").write_text(json.dumps([note for record in outcome.records for note in record.notes]))
    return folder


def main(scratch: Path, answer: Path) -> None:
    """Once there, once more, and once onto a mesh that was changed."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    item = make_object()
    before = contents(item)
    folder = paint(scratch, obj_text(read_mesh(item)))
    dress(bpy.context, folder, "Ball", {"job": "7"})
    document = {
        "before": before,
        "after": contents(item),
        "colours": colours(item),
        "notes": json.loads((folder / "notes.json").read_text()),
        "materials": [material.name for material in item.data.materials],
        "fake_users": [material.use_fake_user for material in item.data.materials],
        "slots_before": [entry.value for entry in item.data.attributes["figurine_slot_before"].data],
        "layers": [layer.name for layer in item.data.uv_layers],
        "job": item.data.materials[-1]["figurine_job"],
    }
    dress(bpy.context, folder, "Ball", {})
    document["layers_of_two"] = [layer.name for layer in item.data.uv_layers]
    document["slots_before_two"] = [entry.value for entry in item.data.attributes["figurine_slot_before"].data]
    blocks = len(bpy.data.materials), len(bpy.data.images)
    item.name = "Changed"
    item.data.clear_geometry()
    item.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    document["troubles"] = []
    for active in (item, None):
        bpy.context.view_layer.objects.active = active
        try:
            dress(bpy.context, folder, "Ball", {})
        except FigurineError as error:
            document["troubles"].append(f"{error.message} {error.hint}")
    document["left_behind"] = (len(bpy.data.materials), len(bpy.data.images)) != blocks
    answer.write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    # Without Blender's own clean-up, which has crashed after finished work.
    os._exit(0)
