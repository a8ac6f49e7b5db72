# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine voxelize: a mesh in, a figure of voxels out, its results in a folder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from inference_server import __version__
from inference_server.commands.output import open_output, protect_input
from inference_server.commands.summary import print_files, print_lines
from inference_server.config import load_config, make_home
from inference_server.core.digest import sha256_of
from inference_server.core.exchange import Exchange
from inference_server.core.images import read_image
from inference_server.core.metering import Meter
from inference_server.core.report import encode_report
from inference_server.core.settings import safe_name
from inference_server.core.voxel_report import build_voxel_report
from inference_server.errors import Cancelled, SettingInvalid, typed_system_errors
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.scene import require_mesh_file

RIGS = ("smooth", "blocky", "none")
STYLES = ("cube", "rounded", "brick", "sphere")
SYMMETRIES = ("none", "both", "left", "right")
COLOUR_MODES = ("edges", "dominant", "mean")
OPENINGS = ("small", "all", "none")
PALETTES = ("figurine-16", "figurine-32")
FORMATS = ("fbx", "glb", "vox", "ply", "obj", "stl")
DEFAULT_FORMATS = "fbx,glb,vox"
DEFAULT_SIZE = 64
SIZES = (1, 512)
PALETTE_SIZES = (2, 255)
WALLS = (0, 64)
GAPS = (0.0, 0.5)  # of a voxel
GLOWS = (0.0, 1000.0)  # Blender's Emission Strength
DEFAULT_WALL_MM, DEFAULT_DRAIN_MM = 2.0, 4.0
PRINTS_MM = (1.0, 10_000.0)
WALLS_MM = (0.0, 1000.0)
NAME_SUFFIX = "_voxels"  # of the results: they never take the place of the mesh by themselves
_PREVIEW_SIDE_PX = 512
_MM_PER_M = 1000.0
_Number = TypeVar("_Number", int, float)


def voxelize_mesh(options: argparse.Namespace) -> int:
    """figurine voxelize. Raises the errors of the tree; leaves nothing behind then."""
    try:
        return _voxelize(options)
    except KeyboardInterrupt as error:
        raise Cancelled("Stopped: nothing was written.", "Run the same command to begin again.") from error


def _voxelize(options: argparse.Namespace) -> int:
    config = load_config().config
    name = safe_name(f"{options.mesh.stem}{NAME_SUFFIX}" if options.name is None else options.name)
    formats = _formats(options.formats)
    request = _request(options, name, formats, config.max_megapixels)
    require_mesh_file(options.mesh)
    protect_input(options.mesh, options.out, name)
    with typed_system_errors("Figurine's data folder"):
        make_home(config)
    blender = BlenderProcess(config.blender, config.work_root)
    with open_output(options.out) as output:
        with typed_system_errors(str(options.mesh)):
            source_sha256 = sha256_of(options.mesh)
        provenance = {"version": __version__, "source_sha256": source_sha256, "voxelize": _asked(options)}
        request = Exchange({**request.document, "provenance": provenance}, request.arrays)
        meter = Meter()
        with typed_system_errors("Figurine's data folder"), meter, blender.call("voxelize", request, _nothing) as done:
            files: dict[str, Path | bytes] = {found: done.files[found] for found in _in_order(done.document["files"])}
            report = build_voxel_report(done.document, _asked(options), (options.mesh, source_sha256), meter, files)
            files["report.json"] = encode_report(report)
            output.publish(files)
    if not options.quiet:
        print_lines(_summary(report))
    print_files(output.path, files)
    return 0


def _nothing() -> None:
    """Ctrl-C ends the wait by itself."""


def _request(options: argparse.Namespace, name: str, formats: list[str], max_megapixels: float) -> Exchange:
    """What the worker is told; all of it is checked here. Raises SettingInvalid and what `read_image` raises."""
    settings: dict[str, Any] = {
        "size": _within("size", options.size, SIZES),
        "openings": options.openings.upper(),
        "colour_mode": options.colour.upper(),
        "is_dithered": options.dither,
        "wall_cells": _within("wall", options.wall, WALLS),
        "symmetry": options.symmetry.upper(),
    }
    preset, arrays = None, {}
    if options.palette.isdecimal():
        settings["colours"] = _within("palette", int(options.palette), PALETTE_SIZES)
    elif options.palette in PALETTES:
        preset = options.palette.upper().replace("-", "_")
    elif Path(options.palette).suffix or Path(options.palette).exists():
        arrays["palette_picture"] = read_image(Path(options.palette), max_megapixels).rgba
    else:
        known = f"{', '.join(PALETTES)}, a number from {PALETTE_SIZES[0]} to {PALETTE_SIZES[1]}, or a picture file"
        raise SettingInvalid(f"There is no palette {options.palette!r}.", f"Choose {known}.")
    document = {
        "path": str(options.mesh.resolve()),
        "name": name,
        "stem": name,
        "preview_px": _PREVIEW_SIDE_PX,
        "formats": formats,
        "settings": settings,
        "look": _look(options),
        "printing": _printing(options),
        "preset": preset,
        "stl_scale": _MM_PER_M if options.mm else 1.0,
    }
    return Exchange(document, arrays)


def _look(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "rig": "NONE" if options.print_height is not None else options.rig.upper(),
        "style": {"shape": options.style.upper(), "gap": _within("gap", options.gap, GAPS)},
        "glow": {"strength": _within("glow", options.glow, GLOWS)},
    }


def _printing(options: argparse.Namespace) -> dict[str, float] | None:
    if options.print_height is None:
        return None
    if options.style != "cube" or options.gap:
        raise SettingInvalid("A print has the style cube without a gap.", "Leave the style and the gap out.")
    return {
        "height_mm": _within("print's height", options.print_height, PRINTS_MM),
        "wall_mm": _within("print's wall", options.print_wall, WALLS_MM),
        "drain_mm": _within("print's drain", options.print_drain, WALLS_MM),
    }


def _formats(text: str) -> list[str]:
    asked = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = [word for word in asked if word not in FORMATS]
    if unknown or not asked:
        raise SettingInvalid(
            f"The formats are {text!r}.", f"Name one or more of {', '.join(FORMATS)}, with commas between them."
        )
    return asked


def _within(what: str, value: _Number, bounds: tuple[_Number, _Number]) -> _Number:
    if not bounds[0] <= value <= bounds[1]:
        kind = "a whole number" if isinstance(value, int) else "a number"
        raise SettingInvalid(f"The {what} is {value}.", f"Choose {kind} from {bounds[0]:g} to {bounds[1]:g}.")
    return value


def _in_order(names: list[str]) -> list[str]:
    """As they are listed in the manual: figures first, the picture last."""
    order = (*(f".{suffix}" for suffix in FORMATS), ".mtl", ".png")
    return sorted(names, key=lambda name: (name == "preview.png", order.index(Path(name).suffix)))


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """The settings as the artist gave them."""
    kept = (
        "size", "rig", "colour", "palette", "dither", "wall", "openings", "symmetry", "style", "gap", "glow",
        "print_height", "print_wall", "print_drain", "formats", "mm",
    )  # fmt: skip
    return {key: getattr(options, key) for key in kept}


def _summary(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    voxels = report["voxels"]
    width, depth, height = voxels["grid"]
    rig = f"{report['settings']['rig']}, {voxels['bones']} bones" if voxels["bones"] else "none"
    return [
        ("blender", f"{report['seconds']:.1f} s"),
        ("voxels", f"{voxels['solid']:,}, {voxels['visible']:,} of them visible"),
        ("grid", f"{width} wide, {depth} deep, {height} high; an edge is {voxels['edge_m']:.4g} m"),
        ("colours", str(voxels["colours"])),
        ("rig", rig),
        *([("print", voxels["print"])] if voxels["print"] else []),
        *(("warning", warning["sentence"]) for warning in report["warnings"]),
    ]
