# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture coordinates for meshes of faces with any number of corners."""

from __future__ import annotations

import numpy as np
import pytest

from models.common.bake import layout
from models.common.bake.layout import lay_out, unwrap_polygons
from models.common.bake.mesh import UvMesh
from models.common.bake.unwrap import overlap_share, unwrap, uv_problem

pytest.importorskip("xatlas", reason="xatlas has no wheel for this Python")


@pytest.fixture(scope="module")
def quads() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bumpy ball of quads: vertices, their triangles, and the quad of each triangle."""
    rings, sides = 14, 28
    around, down = np.meshgrid(np.linspace(0, 2 * np.pi, sides, endpoint=False), np.linspace(0.15, np.pi - 0.15, rings))
    radius = 1 + 0.25 * np.sin(5 * around) * np.sin(3 * down)
    places = np.stack(
        [radius * np.sin(down) * np.cos(around), radius * np.cos(down), radius * np.sin(down) * np.sin(around)], -1
    )
    ring, side = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    a, b = ring * sides + side, ring * sides + (side + 1) % sides
    corners = np.stack([a, b, b + sides, a + sides], -1).reshape(-1, 4)
    faces = corners[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    polygons = np.repeat(np.arange(len(corners)), 2)
    return places.reshape(-1, 3).astype(np.float32), faces.astype(np.int32), polygons.astype(np.int32)


def torn_corners(uv: np.ndarray, faces: np.ndarray, polygons: np.ndarray) -> int:
    """How many corners of faces have more than one place in the texture."""
    places: dict[tuple[int, int], set[tuple[float, float]]] = {}
    for triangle, polygon in enumerate(polygons):
        for corner in range(3):
            key = int(polygon), int(faces[triangle, corner])
            places.setdefault(key, set()).add(tuple(uv[triangle, corner].tolist()))
    return sum(len(found) > 1 for found in places.values())


def test_each_corner_of_a_quad_has_one_place(quads: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    vertices, faces, polygons = quads
    assert torn_corners(unwrap(vertices, faces).uv, faces, polygons) > 8
    uv = unwrap_polygons(vertices, faces, polygons)
    assert torn_corners(uv, faces, polygons) == 0
    assert uv_problem(uv) == "" and overlap_share(uv) < 0.001


def test_quads_that_would_lie_over_others_become_charts_of_their_own(
    quads: tuple[np.ndarray, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vertices, faces, polygons = quads
    monkeypatch.setattr(layout, "overlapping_faces", lambda uv: np.ones(len(uv), bool))
    uv = unwrap_polygons(vertices, faces, polygons)
    assert torn_corners(uv, faces, polygons) == 0
    assert uv_problem(uv) == "" and overlap_share(uv) < 0.001


def test_usable_coordinates_stay_and_others_are_replaced_with_a_word(
    quads: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    vertices, faces, polygons = quads
    own = unwrap_polygons(vertices, faces, polygons)
    kept, notes = lay_out(UvMesh(vertices, faces, own), polygons)
    assert kept.uv is own and notes == ()
    replaced, notes = lay_out(UvMesh(vertices, faces, np.repeat(own[:1], len(faces), axis=0)), polygons)
    assert uv_problem(replaced.uv) == "" and "lie over each other" in notes[0]
    assert torn_corners(replaced.uv, faces, polygons) == 0
