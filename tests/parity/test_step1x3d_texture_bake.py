# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's cameras, maps and bake against vectors recorded from the reference, and against small ones of our own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.common.bake import blend as blending
from models.common.bake import projection
from models.common.bake.blend import blend
from models.common.bake.fill import complete_officially, fill_vertices, inpaint
from models.common.bake.mesh import UvMesh
from models.common.bake.projection import Painted, splat_view
from models.common.normals import vertex_normals
from models.common.raster.camera import orbit_camera, to_window
from models.common.raster.rasterize import rasterize
from models.step1x3d.texture import geometry_maps
from models.step1x3d.texture.bake import official_settings, six_views
from models.step1x3d.texture.cameras import six_cameras, six_map_cameras, to_std
from models.step1x3d.texture.geometry_maps import render_geometry_maps, weld
from models.step1x3d.texture.mesh_preparation import place_in_views
from models.step1x3d.texture.reference_image import prepare_reference

CAMERA_ATOL = 2e-7
POLE_ATOL = 1e-4  # of places in pictures from above and below, which the network sees from 0.01° beside the pole
MAP_ATOL = 1e-5
COSINE_ATOL = 1e-4
COLOR_ATOL = 2e-3
ENOUGH = 0.999  # of texels; the rest are flips of rounding at outlines


@pytest.fixture(scope="module")
def golden(shared_root: Path) -> Path:
    return shared_root / "golden" / "step1x3d_texture"


@pytest.fixture(scope="module")
def cameras(golden: Path) -> dict[str, Any]:
    return json.loads((golden / "cameras.json").read_text())


def bake_mesh(vectors: Any) -> UvMesh:
    return UvMesh(vectors["vertices_gltf"], vectors["faces"], vectors["uv"][vectors["faces"]])


def share_within(found: np.ndarray, expected: np.ndarray, tolerance: float) -> float:
    close = np.abs(found - expected) <= tolerance
    return float((close.all(axis=-1) if close.ndim == 3 else close).mean())


@pytest.mark.shared
def test_the_maps_cameras(cameras: dict[str, Any]) -> None:
    for index, camera in enumerate(six_map_cameras()):
        assert np.abs(camera.world_to_view - cameras["control"]["w2c"][index]).max() < CAMERA_ATOL
        assert np.abs(camera.projection - cameras["control"]["proj"][index]).max() < CAMERA_ATOL


@pytest.mark.shared
def test_the_bakes_cameras_in_its_mirrored_frame(cameras: dict[str, Any]) -> None:
    to_bake = np.array([[-1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    flip = np.diag([1.0, -1.0, 1.0, 1.0])
    for index, camera in enumerate(six_cameras()):
        official = np.array(cameras["bake"]["w2c"][index]) @ to_bake
        assert np.abs(flip @ camera.world_to_view - official).max() < CAMERA_ATOL
        assert np.abs(camera.projection @ flip - cameras["bake"]["proj"]).max() < CAMERA_ATOL
        assert np.abs(camera.position - cameras["sync"]["camera_center"][index]).max() < CAMERA_ATOL


@pytest.mark.shared
def test_points_land_in_the_pictures_where_they_should(cameras: dict[str, Any]) -> None:
    points = np.array(cameras["probe"]["points_gltf"])
    for index, expected in enumerate(np.array(cameras["probe"]["col_row_01_control"])):
        straight = to_window(points, six_cameras()[index], 1, 1)[:, :2]
        assert np.abs(straight - expected).max() < (CAMERA_ATOL if index < 4 else POLE_ATOL)
        tilted = to_window(to_std(points), six_map_cameras()[index], 1, 1)[:, :2]
        assert np.abs(tilted - expected).max() < CAMERA_ATOL


@pytest.mark.shared
def test_scale_frame_and_normals_of_the_prepared_mesh(golden: Path) -> None:
    vectors = np.load(golden / "mesh_prep.npz")
    fitted = place_in_views(vectors["raw_vertices"], vectors["raw_faces"], centers=False)
    expected = vectors["uv1_vertices_norm"][vectors["uv1_faces"]]
    assert np.abs(fitted[vectors["raw_faces"]] - expected).max() < 1e-6
    places = to_std(vectors["uv1_vertices_norm"])
    assert np.abs(places - vectors["std_vertices"]).max() < 1e-6
    welded, faces = weld(places, vectors["uv1_faces"])
    assert len(welded) == len(vectors["stitched_vertices"])
    normals = vertex_normals(welded, faces, by_area=True)[faces]
    official = vectors["stitched_vertex_normals"][vectors["stitched_faces"]]
    assert np.abs(normals - official).max() < 1e-6


@pytest.mark.shared
def test_position_and_normal_maps(golden: Path) -> None:
    mesh, vectors = np.load(golden / "mesh_prep.npz"), np.load(golden / "geometry_maps.npz")
    maps = render_geometry_maps(mesh["uv1_vertices_norm"].astype(np.float32), mesh["uv1_faces"], 96)
    same = maps.face == vectors["face_id"]
    assert same.mean() >= 0.995
    for name in ("position", "normal"):
        assert np.abs(getattr(maps, name) - vectors[name])[same].max() < MAP_ATOL
    assert (maps.control.shape, maps.control.dtype) == ((6, 6, 96, 96), np.float32)
    assert (maps.control.transpose(0, 2, 3, 1)[maps.face < 0] == 0.5).all()


@pytest.mark.shared
def test_the_bakes_rasteriser(golden: Path) -> None:
    mesh = bake_mesh(np.load(golden / "bake.npz"))
    vectors = np.load(golden / "bake_raster_view1_96.npz")
    rules = official_settings(128, 96).projection
    window = to_window(mesh.vertices, six_cameras()[1], 96, 96, rules.pixel_rule)
    drawn = rasterize(window, mesh.faces, 96, 96, rules.drawing)
    same = drawn.face + 1 == vectors["face_plus1"]
    assert same.mean() >= ENOUGH
    assert np.abs(drawn.barycentric - vectors["bary"])[same].max() < 1e-4


@pytest.mark.shared
def test_views_are_carried_over_and_blended(golden: Path) -> None:
    vectors = np.load(golden / "bake.npz")
    mesh, rules = bake_mesh(vectors), official_settings(128, 256).projection
    views = six_views(vectors["views"])
    layers = [splat_view(view, mesh, rules) for view in views]
    for index, layer in enumerate(layers):
        assert share_within(layer.cosine, vectors[f"cos_raw_{index}"], COSINE_ATOL) >= ENOUGH
        if f"texture_{index}" in vectors:
            assert share_within(layer.color, vectors[f"texture_{index}"], COLOR_ATOL) >= ENOUGH
    color, seen = blend(zip(layers, (view.weight for view in views), strict=True))
    assert share_within(color, vectors["merged"], COLOR_ATOL) >= ENOUGH
    assert share_within(color, vectors["merged"], 2 / 255) >= ENOUGH
    assert (seen == vectors["trust_mask"]).mean() >= ENOUGH


@pytest.mark.shared
def test_unseen_texels_are_filled_along_the_mesh_and_painted_in(golden: Path) -> None:
    vectors = np.load(golden / "bake.npz")
    mesh = bake_mesh(vectors)
    filled, known = fill_vertices(vectors["merged"], vectors["trust_mask"], mesh)
    assert np.abs(filled.astype(int) - (vectors["vertex_filled"] * 255).astype(np.uint8)).max() <= 1
    assert (known == (vectors["vertex_filled_mask"] > 0)).all()
    painted = inpaint((vectors["vertex_filled"] * 255).astype(np.uint8), known)
    assert np.abs(painted.astype(int) - vectors["final_uint8"]).max() <= 1
    whole = complete_officially(vectors["merged"], vectors["trust_mask"], mesh)
    assert np.abs(whole.astype(int) - vectors["final_uint8"]).max() <= 1


@pytest.mark.shared
@pytest.mark.parametrize("name", ["wide", "tall"])
def test_the_reference_picture(golden: Path, name: str) -> None:
    vectors = np.load(golden / "reference_preprocess.npz")
    found = prepare_reference(vectors[f"{name}_in"], 96)
    assert np.abs(found.astype(int) - vectors[f"{name}_out"]).max() <= 1


OWN_VECTORS = Path(__file__).parents[1] / "golden" / "step1x3d_texture_bake.npz"


def own_mesh() -> UvMesh:
    """Two turned boxes, one before the other, each face in a cell of the texture of its own."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    around = [
        0,
        1,
        3,
        0,
        3,
        2,
        4,
        6,
        7,
        4,
        7,
        5,
        0,
        4,
        5,
        0,
        5,
        1,
        2,
        3,
        7,
        2,
        7,
        6,
        0,
        2,
        6,
        0,
        6,
        4,
        1,
        5,
        7,
        1,
        7,
        3,
    ]
    box = np.array(around, np.int32).reshape(-1, 3)
    turn = orbit_camera(0.6, 0.4, 0.0)[:3, :3]  # so that several views see each face
    vertices = np.concatenate([corners * [0.35, 0.25, 0.2], corners * 0.1 + [0.1, 0.05, 0.34]]) @ turn
    vertices = vertices.astype(np.float32)
    faces = np.concatenate([box, box + 8])
    cell = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]])
    places = np.stack(np.divmod(np.arange(len(faces)), 5), axis=1)[:, None]
    return UvMesh(vertices, faces, ((cell + places) / 5).astype(np.float32))


def own_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Six views, (6, 96, 96, 3) uint8, and a picture with its alpha, (70, 41, 4) uint8."""
    rows, columns = np.mgrid[0:96, 0:96] / 96
    views = [np.stack([rows, columns, np.full_like(rows, index / 6)], axis=-1) for index in range(6)]
    rows, columns = np.mgrid[0:70, 0:41]
    picture = np.stack(
        [rows * 3, columns * 6, rows + columns, 255 * ((rows - 33) ** 2 / 4 + (columns - 22) ** 2 < 200)]
    )
    return (np.array(views) * 255).astype(np.uint8), picture.transpose(1, 2, 0).astype(np.uint8)


def own_results() -> dict[str, np.ndarray]:
    mesh, (images, picture) = own_mesh(), own_pictures()
    maps = render_geometry_maps(mesh.vertices, mesh.faces, 40)
    rules = official_settings(64, 96).projection
    views = six_views(images)
    color, seen = blend((projection.splat_view(view, mesh, rules), view.weight) for view in views)
    filled, known = fill_vertices(color, seen, mesh)
    return {
        "control": (maps.control * 65535).round().astype(np.uint16),
        "merged": (color * 65535).round().astype(np.uint16),
        "filled": filled,
        "known": known,
        "painted": complete_officially(color, seen, mesh),
        "reference": prepare_reference(picture, 64),
    }


def share_of_differing(found: dict[str, np.ndarray]) -> dict[str, float]:
    """By name, the share of values off by more than 1/500 of their range."""
    expected = np.load(OWN_VECTORS)
    assert set(expected.files) == set(found)
    off = {}
    for name, values in found.items():
        range_ = {"uint16": 65535, "uint8": 255}.get(values.dtype.name, 1)
        off[name] = float((np.abs(values.astype(float) - expected[name]) > range_ / 500).mean())
    return off


def test_our_own_vectors() -> None:
    off = share_of_differing(own_results())
    assert max(off.values()) <= 1 - ENOUGH, off


def splat_with_flat_cosines(view: Any, mesh: UvMesh, rules: Any) -> Painted:
    painted = splat_view(view, mesh, rules)
    return replace(painted, cosine=(painted.cosine > 0).astype(np.float32))


def splat_with_edges_trusted(view: Any, mesh: UvMesh, rules: Any) -> Painted:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "trusted_pixels", lambda distance, covered, shows: shows)
        return splat_view(view, mesh, rules)


def splat_between_other_pixels(view: Any, mesh: UvMesh, rules: Any) -> Painted:
    return splat_view(view, mesh, replace(rules, pixel_rule="edges"))


@pytest.mark.parametrize(
    ("owner", "name", "flipped"),
    [
        (projection, "splat_view", splat_with_flat_cosines),
        (projection, "splat_view", splat_with_edges_trusted),
        (projection, "splat_view", splat_between_other_pixels),
        (blending, "REDUNDANT", 0.0),
        (geometry_maps, "to_std", lambda points: points),
        (
            geometry_maps,
            "weld",
            lambda vertices, faces: (vertices[faces.ravel()], np.arange(faces.size).reshape(-1, 3)),
        ),
    ],
)
def test_one_flipped_detail_is_noticed(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, flipped: Callable[..., Any]
) -> None:
    monkeypatch.setattr(owner, name, flipped)
    assert max(share_of_differing(own_results()).values()) > 5 * (1 - ENOUGH)
