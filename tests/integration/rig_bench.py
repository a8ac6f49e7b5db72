# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what the add-on sends to be rigged as a worker does, with the real draft pipeline, in this process. The OBJ
is read here and not by a second Blender: what that makes of it is the served tests' part.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender_addon import properties
from inference_server.config import load_config
from inference_server.core.cache import StageCache
from inference_server.core.pipeline import Outcome, Pipeline
from inference_server.core.report import build_report, encode_report, rig_document, weights_file
from inference_server.core.rig_document import read_skeleton
from inference_server.core.settings import settings_from_document
from inference_server.core.stage import Control
from inference_server.core.types import Mesh, RiggedScene, SceneMesh, SceneObject
from inference_server.core.warm import WarmStages, memory_budget_bytes
from inference_server.engines import build_registry
from inference_server.stages.blender import BlenderProcess


def register_request() -> None:
    """The scene's request, where the add-on as a whole is not switched on."""
    if not hasattr(bpy.types.Scene, "figurine"):
        for kind in properties.CLASSES:
            bpy.utils.register_class(kind)
        properties.add_properties()


def answer(request: Any, folder: Path) -> Path:
    """The result of a request of the add-on, as it is fetched."""
    source = request.mesh()
    skeleton = None if request.skeleton is None else read_skeleton(request.skeleton())
    settings = settings_from_document({**request.settings, "engine": "draft"})
    blender, cache = BlenderProcess(None, folder / "work"), StageCache(folder / "cache", 1 << 30)
    scene = SceneMesh(read_obj(source), (SceneObject("mesh", 1),), source)
    config = load_config(environment={"FIGURINE_HOME": str(folder / "home")}, flags={"engine": "draft"}).config
    with WarmStages(memory_budget_bytes()) as warm:
        pipeline = Pipeline(build_registry(config, blender), cache, warm, product_version="0")
        outcome: Outcome = pipeline.rig_scene(scene, skeleton, settings, Control())
    result = folder / f"result-{len(list(folder.iterdir()))}"
    result.mkdir()
    assert isinstance(outcome.asset, RiggedScene)
    (result / "rig.json").write_bytes(encode_report(rig_document(outcome.asset, settings)))
    (result / "weights.npz").write_bytes(weights_file(outcome.asset))
    (result / "report.json").write_bytes(encode_report(build_report(outcome, settings, source, 0.0, {})))
    return result


def read_obj(path: Path) -> Mesh:
    """An OBJ of the add-on, in the house frame; its faces cut into triangles."""
    places, faces = [], []
    for line in path.read_text(encoding="ascii").splitlines():
        kind, *words = line.split()
        if kind == "v":
            places.append([float(word) for word in words])
        elif kind == "f":
            corners = [int(word.partition("/")[0]) - 1 for word in words]
            faces += [[corners[0], *pair] for pair in itertools.pairwise(corners[1:])]
    return Mesh(np.array(places, np.float32), np.array(faces, np.int32))
