# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's mesh that is textured from a picture, the picture, and what must not change of it. Knows no server."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

RED, BLUE = (220, 30, 20), (20, 40, 220)


def make_object() -> bpy.types.Object:
    """A ball of quads and two many-sided caps, turned, moved and mirrored in x; with a loose vertex, a face that uses a
    vertex twice, two materials, and UVs that all lie over each other. Its left half shall become red.
    """
    rings, sides = 7, 12
    heights = np.linspace(0.25, np.pi - 0.25, rings)
    around = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    places = [(np.sin(h) * np.cos(a), np.sin(h) * np.sin(a), np.cos(h)) for h in heights for a in around]
    faces = [
        [r * sides + s, (r + 1) * sides + s, (r + 1) * sides + (s + 1) % sides, r * sides + (s + 1) % sides]
        for r in range(rings - 1)
        for s in range(sides)
    ]
    faces += [list(range(sides)), [(rings - 1) * sides + s for s in reversed(range(sides))]]
    places.append((9.0, 9.0, 9.0))
    mesh = bpy.data.meshes.new("Ball")
    mesh.from_pydata(places, [], [*faces[:40], [0, 1, 1], *faces[40:]])
    mesh.uv_layers.new(name="Mine")
    for name in ("Skin", "Cloth"):
        mesh.materials.append(bpy.data.materials.new(name))
    mesh.polygons.foreach_set("material_index", np.arange(len(mesh.polygons), dtype=np.int32) % 2)
    item = bpy.data.objects.new("Ball", mesh)
    bpy.context.scene.collection.objects.link(item)
    item.scale, item.location, item.rotation_euler = (-2.0, 2.0, 2.0), (3.0, 1.0, 0.5), (0.0, 0.0, 0.7)
    bpy.context.view_layer.update()
    return item


def picture() -> np.ndarray:  # -> (256, 256, 4) uint8, top row first
    """A disc, its left half red, its right half blue: of the ball as it is seen from -Y."""
    rows, columns = np.mgrid[:256, :256] - 127.5
    rgba = np.zeros((256, 256, 4), np.uint8)
    rgba[..., :3] = np.where((columns < 0)[..., None], RED, BLUE)
    rgba[..., 3] = np.where(np.hypot(rows, columns) < 110, 255, 0)
    return rgba


def contents(item: bpy.types.Object) -> dict[str, Any]:
    """What an artist would miss."""
    mesh = item.data
    co = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", co)
    uv = np.empty(2 * len(mesh.loops), np.float32)
    mesh.uv_layers["Mine"].uv.foreach_get("vector", uv)
    return {
        "places": co.tolist(),
        "faces": [list(polygon.vertices) for polygon in mesh.polygons],
        "uv": uv.tolist(),
        "matrix": [list(row) for row in item.matrix_world],
        "objects": sorted(entry.name for entry in bpy.data.objects),
    }
