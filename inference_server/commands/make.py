# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine run, rig and texture: the pipeline in this process, its results in a folder."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference_server import __version__
from inference_server.commands.output import OutputFolder, open_output, protect_input
from inference_server.commands.progress import ConsoleProgress
from inference_server.commands.summary import print_files, print_summary
from inference_server.config import Config, load_config, make_home
from inference_server.core.cache import StageCache
from inference_server.core.chains import CHAINS
from inference_server.core.codec import png_bytes
from inference_server.core.correction import RigCorrection, correction_from_document, read_correction
from inference_server.core.images import read_image
from inference_server.core.masks import read_mask
from inference_server.core.pipeline import Outcome, Pipeline
from inference_server.core.report import build_report, encode_report, rig_document
from inference_server.core.rig_document import load_document, read_skeleton, skeleton_from_document
from inference_server.core.settings import JobSettings, read_normalization, safe_name
from inference_server.core.stage import Control
from inference_server.core.types import STAGE_NAMES, SourceImage, TexturedScene
from inference_server.core.warm import WarmStages, memory_budget_bytes
from inference_server.engines import build_registry
from inference_server.errors import AlreadyRigged, typed_system_errors
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.scene import MOST_TEXTURED_FACES, read_scene

# Settings that `figurine run` alone has, by their names.
_PICTURE_OPTIONS = (
    "depth",
    "steps",
    "guidance",
    "resolution",
    "faces",
    "symmetry",
    "edges",
    "speed",
    "texture_px",
    "texture_steps",
)


def run_picture(options: argparse.Namespace) -> int:
    """figurine run. Raises the errors of the tree; leaves nothing behind then."""
    config = load_config(flags=_flags(options)).config
    chosen = read_normalization(options.normalize)
    settings = _settings(options, config, options.image, height_m=options.height_m, editor=options.editor, **chosen)
    corrections = _corrections(options)
    if options.skeleton is not None:
        corrections = (_whole_skeleton(options.skeleton), *corrections)
    source = _read_picture(options, config)
    with (
        open_output(options.out) as output,
        ConsoleProgress(STAGE_NAMES, is_quiet=options.quiet) as bar,
        _pipeline(config) as pipeline,
    ):
        started = time.perf_counter()
        outcome = pipeline.make_figure(source, settings, Control(bar.show), corrections)
        files = _publish(output, outcome, settings, options.image, time.perf_counter() - started)
    if not options.quiet:
        print_summary(outcome, settings, is_skeleton_given=options.skeleton is not None)
    print_files(output.path, files)
    return 0


def rig_mesh(options: argparse.Namespace) -> int:
    """figurine rig. Raises the errors of the tree; leaves nothing behind then."""
    config = load_config(flags=_flags(options)).config
    settings = _settings(options, config, options.mesh, existing_rig=options.existing)
    skeleton = read_skeleton(options.skeleton) if options.skeleton else None
    corrections = _corrections(options)
    blender = BlenderProcess(config.blender, config.work_root)
    with (
        open_output(options.out) as output,
        ConsoleProgress(("rig", "export"), is_quiet=options.quiet) as bar,
        _pipeline(config) as pipeline,
    ):
        started = time.perf_counter()
        with typed_system_errors("Figurine's data folder"):
            scene = read_scene(options.mesh, blender, _cache(config), Control().raise_if_cancelled)
        try:
            outcome = pipeline.rig_scene(scene, skeleton, settings, Control(bar.show), corrections)
        except AlreadyRigged as error:
            raise AlreadyRigged(error.message, "Say --existing keep or --existing replace.") from error
        files = _publish(output, outcome, settings, options.mesh, time.perf_counter() - started)
    if not options.quiet:
        print_summary(outcome, settings, is_skeleton_given=skeleton is not None)
    print_files(output.path, files)
    return 0


def texture_mesh(options: argparse.Namespace) -> int:
    """figurine texture. Raises the errors of the tree; leaves nothing behind then."""
    config = load_config(flags=_flags(options)).config
    chosen = read_normalization(options.normalize)
    settings = JobSettings(
        name=safe_name(f"{options.mesh.stem}_textured" if options.name is None else options.name),
        engine=config.engine,
        seed=options.seed,
        texture_px=options.texture_px,
        texture_steps=options.texture_steps,
        editor=options.editor,
        **chosen,
    )
    protect_input(options.mesh, options.out, settings.name)
    source = _read_picture(options, config)
    blender = BlenderProcess(config.blender, config.work_root)
    control = Control()
    with (
        open_output(options.out) as output,
        ConsoleProgress(CHAINS["mesh+image"], is_quiet=options.quiet) as bar,
        _pipeline(config) as pipeline,
    ):
        control.on_progress = bar.show
        started = time.perf_counter()
        with typed_system_errors("Figurine's data folder"):
            scene = read_scene(
                options.mesh, blender, _cache(config), control.raise_if_cancelled, most_faces=MOST_TEXTURED_FACES
            )
        outcome = pipeline.texture_scene(scene, source, settings, control)
        files = _publish(output, outcome, settings, options.mesh, time.perf_counter() - started)
    if not options.quiet:
        print_summary(outcome, settings, is_skeleton_given=False)
    print_files(output.path, files)
    return 0


def _read_picture(options: argparse.Namespace, config: Config) -> SourceImage:
    source = read_image(options.image, config.max_megapixels)
    return source if options.mask is None else read_mask(source, options.mask, config.max_megapixels)


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    return {} if options.engine is None else {"engine": options.engine}


def _corrections(options: argparse.Namespace) -> tuple[RigCorrection, ...]:
    return () if options.correction is None else (read_correction(options.correction),)


def _whole_skeleton(path: Path) -> RigCorrection:
    """A rig.json of an earlier run of the picture, edited. Raises SkeletonInvalid, CorrectionInvalid."""
    document = load_document(path)
    skeleton_from_document(document, str(path))
    return correction_from_document({"skeleton": document, "bounding_box": document.get("bounding_box")}, str(path))


def _settings(options: argparse.Namespace, config: Config, source: Path, **chosen: Any) -> JobSettings:
    name = safe_name(source.stem if options.name is None else options.name)
    extra = {key: getattr(options, key) for key in _PICTURE_OPTIONS if key in options}
    common = {key: getattr(options, key) for key in ("seed", "kind", "beams", "skin")}
    return JobSettings(name=name, engine=config.engine, **common, **extra, **chosen)


@contextmanager
def _pipeline(config: Config) -> Iterator[Pipeline]:
    with typed_system_errors("Figurine's data folder"):
        make_home(config)
    blender = BlenderProcess(config.blender, config.work_root)
    with WarmStages(memory_budget_bytes()) as warm:
        yield Pipeline(build_registry(config, blender), _cache(config), warm, product_version=__version__)


def _cache(config: Config) -> StageCache:
    return StageCache(config.cache_root, config.cache_mib << 20)


def _publish(
    output: OutputFolder, outcome: Outcome, settings: JobSettings, source: Path, seconds: float
) -> tuple[str, ...]:
    """Write the results; returns their names, the figure first."""
    made = outcome.files
    assert made is not None  # the command asks for all outputs
    files: dict[str, Path | bytes] = {
        f"{settings.name}.fbx": made.fbx,
        f"{settings.name}.glb": made.glb,
        "preview.png": made.preview,
    }
    if isinstance(outcome.asset, TexturedScene):
        files[f"{settings.name}.png"] = png_bytes(outcome.asset.textured.base_color)
    else:
        files["rig.json"] = encode_report(rig_document(outcome.asset, settings, made))
    report = build_report(outcome, settings, source, seconds, files)
    files["report.json"] = encode_report(report)
    output.publish(files)
    return tuple(files)
