# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a job whose geometry has hardly more memory than it holds at its start, and writes its report.

python -m tests.integration.little_memory PICTURE REPORT
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import psutil

from inference_server import __version__
from inference_server.config import load_config, make_home
from inference_server.core.cache import StageCache
from inference_server.core.images import read_image
from inference_server.core.pipeline import Pipeline
from inference_server.core.report import build_report, encode_report
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, Progress
from inference_server.core.warm import WarmStages
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import WeightStore, read_manifest

# Of data, beside what is there when the steps are done: enough for the leaner modes, and not for the first.
ROOM_BYTES = 200 << 20
WALKED = 0.75


def main() -> None:
    picture, report = map(Path, sys.argv[1:])
    config = load_config().config
    make_home(config)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)

    def limit(progress: Progress) -> None:
        if progress.stage == "geometry" and progress.fraction == WALKED:
            resource.setrlimit(resource.RLIMIT_DATA, (psutil.Process().memory_info().data + ROOM_BYTES, hard))
        elif progress.stage != "geometry":
            resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))

    registry = EngineRegistry(BlenderProcess(None, config.work_root), WeightStore(config.weights_root, read_manifest()))
    settings = JobSettings(
        engines={"geometry": "neural"}, steps=3, resolution=128, faces=4000, kind="none", outputs="rig"
    )
    with WarmStages(1 << 40) as warm:
        pipeline = Pipeline(registry, StageCache(config.cache_root, 1 << 30), warm, product_version=__version__)
        outcome = pipeline.make_figure(read_image(picture, config.max_megapixels), settings, Control(limit))
    report.write_bytes(encode_report(build_report(outcome, settings, picture, 0.0, {})))


if __name__ == "__main__":
    main()
