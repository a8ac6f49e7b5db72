# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine doctor: what this machine can run, what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from inference_server import __version__
from inference_server.config import Config, load_config
from inference_server.core.chains import ENGINES
from inference_server.core.children import outsider_environment
from inference_server.core.types import StageName
from inference_server.errors import ResourceError
from inference_server.stages.blender import BlenderProcess, has_bpy_module
from inference_server.stages.registry import EngineRegistry, has_gpu
from inference_server.weights import WeightStore, read_manifest

# bpy and the draft engine's libraries, with a margin, from an empty environment.
_NEEDED_MEMORY_BYTES = 2 << 30
_NEEDED_DISK_BYTES = 1 << 30
_BLENDER_ASK_TIMEOUT_S = 60
_DRAFT_MODULES = ("numpy", "scipy", "skimage", "cv2", "trimesh", "igl")
_OLDEST_BLENDER = (4, 2)


@dataclass(frozen=True)
class Finding:
    """One line of the report. needed: without it no job runs here. mend: the command or step that repairs it."""

    name: str
    is_ok: bool
    needed: bool
    detail: str
    mend: str = ""


def run_doctor(options: argparse.Namespace) -> int:
    """Print the findings; 0 when the main job can run, 1 otherwise."""
    config = load_config().config
    findings = [
        _python(),
        _draft_engine(),
        _remesher(),
        _blender(config),
        *_neural_engines(config),
        _memory(),
        _disk(config),
    ]
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print(f"Figurine {__version__} on {platform.system()} {platform.machine()}")
        for finding in findings:
            mark = "ok     " if finding.is_ok else "MISSING" if finding.needed else "absent "
            print(f"  {mark} {finding.name}: {finding.detail}")
            if not finding.is_ok and finding.mend:
                print(f"          → {finding.mend}")
    return 0 if all(finding.is_ok for finding in findings if finding.needed) else 1


def _python() -> Finding:
    version = platform.python_version()
    is_ok = (3, 11) <= sys.version_info[:2] <= (3, 14)
    return Finding("Python", is_ok, True, f"{version} in {sys.prefix}", "Install Figurine under Python 3.11 to 3.14.")


def _draft_engine() -> Finding:
    missing = [name for name in _DRAFT_MODULES if importlib.util.find_spec(name) is None]
    detail = f"modules are missing: {', '.join(missing)}" if missing else "ready; needs no GPU and no weights"
    return Finding("Draft engine", not missing, True, detail, "pip install --force-reinstall figurine")


def _remesher() -> Finding:
    is_ok = importlib.util.find_spec("gpytoolbox") is not None
    detail = "ready" if is_ok else "gpytoolbox is missing: drafts have less even triangles"
    return Finding("Draft remesher", is_ok, False, detail, "pip install gpytoolbox (no wheel for Linux on ARM)")


def _blender(config: Config) -> Finding:
    mend = "pip install 'figurine[blender]', or set FIGURINE_BLENDER to the path of Blender 4.2 or later"
    if config.blender is not None:
        return _blender_program(config.blender, mend)
    if has_bpy_module():
        return Finding("Blender", True, True, f"bpy module {_version_of('bpy')}")
    return Finding("Blender", False, True, "neither the bpy module nor FIGURINE_BLENDER is there", mend)


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _blender_program(program: Path, mend: str) -> Finding:
    try:
        answer = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            text=True,
            timeout=_BLENDER_ASK_TIMEOUT_S,
            check=True,
            env=outsider_environment(),
        ).stdout
        version = answer.split()[1]
        is_ok = tuple(int(part) for part in version.split(".")[:2]) >= _OLDEST_BLENDER
    except (OSError, subprocess.SubprocessError, IndexError, ValueError) as error:
        return Finding("Blender", False, True, f"{program} does not answer: {error}", mend)
    return Finding("Blender", is_ok, True, f"{program}, version {version}", mend)


def _neural_engines(config: Config) -> list[Finding]:
    """One for each stage that has one in this version; the others run as drafts."""
    stages = [stage for stage, engines in ENGINES.items() if "neural" in engines]
    if importlib.util.find_spec("torch") is None:
        detail = f"for {', '.join(stages)}: torch is not installed"
        return [Finding("Neural engine", False, False, detail, "pip install 'figurine[neural]'")]
    store = WeightStore(config.weights_root, read_manifest())
    blender = BlenderProcess(config.blender, config.work_root)
    registry = EngineRegistry(blender, store, is_cpu_enough=config.networks_on_cpu)
    return [_neural_stage(registry, stage) for stage in stages]


def _neural_stage(registry: EngineRegistry, stage: StageName) -> Finding:
    name = f"Neural {stage}"
    try:
        requires = registry.choose(stage, "neural").stage.requires
    except ResourceError as error:
        return Finding(name, False, False, error.message, error.hint)
    waits = "; no GPU: only where neural is asked for" if registry.waits_for_gpu(requires) and not has_gpu() else ""
    return Finding(name, True, False, f"torch {_version_of('torch')}, weights {', '.join(requires.weight_ids)}{waits}")


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    return Finding(
        "Memory",
        free >= _NEEDED_MEMORY_BYTES,
        True,
        f"{free / 2**30:.1f} GiB free, {_NEEDED_MEMORY_BYTES / 2**30:.0f} GiB needed",
        "Close other programs.",
    )


def _disk(config: Config) -> Finding:
    existing = next(folder for folder in (config.home, *config.home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return Finding(
        "Disk",
        free >= _NEEDED_DISK_BYTES,
        True,
        f"{free / 2**30:.1f} GiB free in {config.home}",
        "Free some space, or set FIGURINE_HOME to another folder.",
    )
