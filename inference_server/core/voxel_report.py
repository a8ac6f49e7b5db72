# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json of a figure of voxels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference_server import __version__
from inference_server.core.metering import Meter
from inference_server.core.report import file_entry, printable_name

FORMAT = "figurine-voxel-report"
VERSION = 1


def build_voxel_report(
    result: Mapping[str, Any],
    settings: Mapping[str, Any],
    source: tuple[Path, str],
    meter: Meter,
    files: Mapping[str, Path | bytes],
) -> dict[str, Any]:
    """result: the worker's document. settings: as they were asked for. source: the mesh file and its sha256."""
    path, sha256 = source
    return {
        "format": FORMAT,
        "version": VERSION,
        "figurine": __version__,
        "blender": result["blender"],
        "input": {"name": printable_name(path.name), "sha256": sha256},
        "settings": dict(settings),
        "voxels": result["voxels"],
        "warnings": [{"stage": "voxelize", "sentence": sentence} for sentence in result["warnings"]],
        "seconds": round(sum(result["seconds"].values()), 3),
        "peak_bytes": meter.peak_bytes,
        "steps": result["seconds"],
        "digests": result["digests"],
        "files": {name: file_entry(content) for name, content in files.items()},
    }
