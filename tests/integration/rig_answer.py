# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what the add-on sends to be rigged as a worker does, with the real draft pipeline. The OBJ is read here and
not by a second Blender: what that makes of it is the served tests' part.

    python -m tests.integration.rig_answer

reads one order a line from its input: {mesh, skeleton or null, settings, folder}; and prints the result's folder. It
runs under the project's own Python, whichever Blender asks, and ends with its input.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

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


def main() -> None:
    """Until the input ends."""
    for line in sys.stdin:
        print(answer(**json.loads(line)), flush=True)


def answer(mesh: str, skeleton: str | None, settings: dict[str, Any], folder: str) -> Path:
    """The result of an order, as the add-on fetches it."""
    source, work = Path(mesh), Path(folder)
    bones = None if skeleton is None else read_skeleton(Path(skeleton))
    chosen = settings_from_document({**settings, "engine": "draft"})
    blender, cache = BlenderProcess(None, work / "work"), StageCache(work / "cache", 1 << 30)
    scene = SceneMesh(read_obj(source), (SceneObject("mesh", 1),), source)
    config = load_config(environment={"FIGURINE_HOME": str(work / "home")}, flags={"engine": "draft"}).config
    with WarmStages(memory_budget_bytes()) as warm:
        pipeline = Pipeline(build_registry(config, blender), cache, warm, product_version="0")
        outcome: Outcome = pipeline.rig_scene(scene, bones, chosen, Control())
    result = work / f"result-{len(list(work.iterdir()))}"
    result.mkdir()
    assert isinstance(outcome.asset, RiggedScene)
    (result / "rig.json").write_bytes(encode_report(rig_document(outcome.asset, chosen)))
    (result / "weights.npz").write_bytes(weights_file(outcome.asset))
    (result / "report.json").write_bytes(encode_report(build_report(outcome, chosen, source, 0.0, {})))
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


if __name__ == "__main__":
    main()
