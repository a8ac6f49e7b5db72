# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the parts of texturing that no network does: rasterising, unwrapping, baking.

    python -m tests.bench.texture [--texture-px 2048] [--only PART] [--rounds 4] [--json FILE]

Prints Markdown tables of wall and processor seconds, and of the process's largest size during each part. Rasterising is
compared with Embree's ray casting in the same run where embreex is installed: wall seconds of a shared machine say
little, their ratio more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from inference_server.core.metering import Meter
from models.common.bake.mesh import UvMesh
from models.common.bake.unwrap import unwrap
from models.common.raster.batched import rasterize_batched
from models.common.raster.camera import to_window
from models.common.raster.rasterize import pick_backend, rasterize
from models.step1x3d.texture.bake import bake_views, official_settings, quality_settings
from models.step1x3d.texture.cameras import DISTANCE, HALF_SIDE, six_cameras
from models.step1x3d.texture.geometry_maps import render_geometry_maps
from models.step1x3d.texture.mesh_preparation import place_in_views

VIEW_PX = 768


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texture-px", type=int, default=2048)
    parser.add_argument("--only", choices=("raster", "bake"))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    mesh = make_mesh()
    print(f"{len(mesh.faces):,} faces, {len(mesh.vertices):,} vertices, backend {pick_backend()}\n")
    parts = {"raster": lambda: raster_rows(mesh, options), "bake": lambda: bake_rows(mesh, options)}
    rows = [row for name in ([options.only] if options.only else parts) for row in parts[name]()]
    print("| part | seconds | processor seconds | largest MiB |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['part']} | {row['wall']:.2f} | {row['processor']:.2f} | {row['peak_mib']} |")
    times = {row["part"]: row for row in rows}
    if "Embree" in times:
        for kind in ("wall", "processor"):
            print(f"\nrasteriser / Embree, {kind}: {times['six views'][kind] / times['Embree'][kind]:.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def make_mesh() -> UvMesh:
    """A bumpy ball of 20,480 faces, laid out."""
    ball = trimesh.creation.icosphere(subdivisions=5)
    directions = np.array(ball.vertices)
    bumps = 1.0 + 0.25 * np.sin(6 * directions[:, :1]) * np.cos(5 * directions[:, 1:2] + 1.0)
    faces = np.array(ball.faces, np.int32)
    vertices = place_in_views(directions * bumps, faces, centers=False)
    return UvMesh(vertices, faces, unwrap(vertices, faces).uv)


def raster_rows(mesh: UvMesh, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Six views at 768²."""
    rounds = options.rounds
    windows = [to_window(mesh.vertices, camera, VIEW_PX, VIEW_PX) for camera in six_cameras()]
    size = (VIEW_PX, VIEW_PX)
    rows = [
        measure("six views", lambda: [rasterize(window, mesh.faces, *size) for window in windows], rounds),
        measure("six views, torch", lambda: [rasterize_batched(w, mesh.faces, *size, 0.0) for w in windows], rounds),
        measure("position and normal maps", lambda: render_geometry_maps(mesh.vertices, mesh.faces, VIEW_PX), rounds),
    ]
    caster = embree_caster(mesh)
    return [*rows, measure("Embree", caster, rounds)] if caster else rows


def embree_caster(mesh: UvMesh) -> Callable[[], Any] | None:
    """One parallel ray a pixel for the same six views; None where embreex is not installed."""
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError:
        print("embreex is not installed: no ratio to Embree.\n")
        return None
    scene = EmbreeScene()
    TriangleMesh(scene, mesh.vertices[mesh.faces].astype(np.float32))
    places = ((np.arange(VIEW_PX) + 0.5) / VIEW_PX * 2 - 1) * HALF_SIDE
    columns, rows = (plane.reshape(-1, 1) for plane in np.meshgrid(places, -places))
    rays = []
    for camera in six_cameras():
        right, up, backward = camera.world_to_view[:3, :3]
        origins = (columns * right + rows * up + DISTANCE * backward).astype(np.float32)
        rays.append((origins, np.broadcast_to(-backward, origins.shape).astype(np.float32)))
    return lambda: [scene.run(origins, directions, output=True) for origins, directions in rays]


def bake_rows(mesh: UvMesh, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Layout and both bakes of six pictures of noise that is smooth over 32 pixels."""
    px, rounds = options.texture_px, options.rounds
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (6, VIEW_PX // 32, VIEW_PX // 32, 3), np.uint8).repeat(32, 1).repeat(32, 2)
    return [
        measure("unwrap", lambda: unwrap(mesh.vertices, mesh.faces), 1),
        measure(f"bake into {px}²", lambda: bake_views(images, mesh, quality_settings(px)), rounds),
        measure(f"official bake into {px}²", lambda: bake_views(images, mesh, official_settings(px)), rounds),
    ]


def measure(part: str, work: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """The best of some rounds, each clock for itself, and what the process held at most during the first, which may
    compile and is counted only where it is the only one.
    """
    with Meter() as meter:
        first = clocked(work)
    taken = [clocked(work) for _ in range(rounds - 1)] or [first]
    wall, processor = (min(times) for times in zip(*taken, strict=True))
    return {"part": part, "wall": wall, "processor": processor, "peak_mib": meter.peak_bytes >> 20}


def clocked(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of the work."""
    clocks = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clocks[0], time.process_time() - clocks[1]


if __name__ == "__main__":
    sys.exit(main())
