# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine run and figurine rig: the pipeline in this process, its results in a folder."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from inference_server import __version__
from inference_server.commands.output import OutputFolder, open_output
from inference_server.commands.progress import ConsoleProgress
from inference_server.config import Config, load_config
from inference_server.core.cache import StageCache
from inference_server.core.images import read_image
from inference_server.core.pipeline import Outcome, Pipeline
from inference_server.core.report import build_report, encode_report, rig_document
from inference_server.core.rig_document import read_skeleton
from inference_server.core.settings import JobSettings, safe_name
from inference_server.core.stage import Control
from inference_server.errors import typed_system_errors
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from inference_server.stages.scene import read_scene


def run_picture(options: argparse.Namespace) -> int:
    """figurine run. Raises the errors of the tree; leaves nothing behind then."""
    config = load_config(flags=_flags(options)).config
    settings = _settings(options, config, options.image, height_m=options.height_m)
    source = read_image(options.image, config.max_megapixels)
    with (
        open_output(options.out) as output,
        ConsoleProgress(("normalize", "geometry", "texture", "rig", "export")) as bar,
    ):
        started = time.perf_counter()
        outcome = _pipeline(config).make_figure(source, settings, Control(bar.show))
        _publish(output, outcome, settings, options.image, time.perf_counter() - started)
    bar.summarise(output.path, settings.name)
    return 0


def rig_mesh(options: argparse.Namespace) -> int:
    """figurine rig. Raises the errors of the tree; leaves nothing behind then."""
    config = load_config(flags=_flags(options)).config
    settings = _settings(options, config, options.mesh)
    skeleton = read_skeleton(options.skeleton) if options.skeleton else None
    blender = BlenderProcess(config.blender, config.work_root)
    with open_output(options.out) as output, ConsoleProgress(("rig", "export")) as bar:
        started = time.perf_counter()
        with typed_system_errors("Figurine's data folder"):
            scene = read_scene(options.mesh, blender, Control().raise_if_cancelled)
        outcome = _pipeline(config).rig_scene(scene, skeleton, settings, Control(bar.show))
        _publish(output, outcome, settings, options.mesh, time.perf_counter() - started)
    bar.summarise(output.path, settings.name)
    return 0


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    return {} if options.engine is None else {"engine": options.engine}


def _settings(options: argparse.Namespace, config: Config, source: Path, **chosen: Any) -> JobSettings:
    name = safe_name(source.stem if options.name is None else options.name)
    extra = {key: getattr(options, key) for key in ("depth", "texture_px") if key in options}
    return JobSettings(name=name, engine=config.engine, seed=options.seed, kind=options.kind, **extra, **chosen)


def _pipeline(config: Config) -> Pipeline:
    blender = BlenderProcess(config.blender, config.work_root)
    cache = StageCache(config.cache_root, config.cache_mib << 20)
    return Pipeline(EngineRegistry(blender), cache, product_version=__version__)


def _publish(output: OutputFolder, outcome: Outcome, settings: JobSettings, source: Path, seconds: float) -> None:
    rig_json = encode_report(rig_document(outcome, settings))
    files: dict[str, Path | bytes] = {
        f"{settings.name}.fbx": outcome.files.fbx,
        f"{settings.name}.glb": outcome.files.glb,
        "rig.json": rig_json,
        "preview.png": outcome.files.preview,
    }
    report = build_report(outcome, settings, source, seconds, files)
    output.publish({**files, "report.json": encode_report(report)})
