# SPDX-License-Identifier: GPL-3.0-or-later
"""From silhouette to mesh: analytic shapes, closedness, both remeshers."""

import sys
from pathlib import Path

import cv2
import igl
import numpy as np
import pytest
import trimesh
from PIL import Image

from inference_server.core.frames import from_view
from inference_server.core.types import FrontView
from models.draft.errors import EmptySurfaceFound
from models.draft.framing import frame_subject
from models.draft.inflate import DEPTH_LIMIT, inflate
from models.draft.remesh import drop_islands
from models.draft.surface import BodyMesh, build_mesh
from tests.unit.draft.silhouettes import DOG, photograph

SHARED = Path(__file__).resolve().parents[4] / "shared" / "images"
SIDE = 512
Y, X = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5 + 0.5 / SIDE
RADIUS = np.hypot(X, Y)
SHAPES = {
    "disc": RADIUS < 0.4,
    "ring": (RADIUS < 0.4) & (RADIUS > 0.25),
    "bar": (np.abs(X) < 0.05) & (np.abs(Y) < 0.45),
    "star": RADIUS < 0.28 + 0.17 * np.cos(5 * np.arctan2(Y, X)),
    "two": (np.hypot(X + 0.22, Y) < 0.2) | (np.hypot(X - 0.25, Y) < 0.12),
    "full": np.ones((SIDE, SIDE), bool),
}


def picture(mask: np.ndarray, color: tuple[int, int, int] = (150, 150, 150)) -> np.ndarray:  # mask: (S, S) bool
    return np.dstack([np.broadcast_to(np.uint8(color), (*mask.shape, 3)), mask.astype(np.uint8) * 255])


@pytest.fixture(autouse=True)
def _relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quicker remesher, unless a test asks for one by the fixture `remesher`."""
    monkeypatch.setitem(sys.modules, "gpytoolbox.remesh_botsch", None)


@pytest.fixture(params=["botsch", "relax"])
def remesher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "botsch":
        monkeypatch.delitem(sys.modules, "gpytoolbox.remesh_botsch")
        pytest.importorskip("gpytoolbox", reason="gpytoolbox has no wheel for this platform")
    return request.param


def silhouette_iou(mesh: BodyMesh, mask: np.ndarray) -> float:
    """Each triangle is filled on a raster 8 times as fine, so that cv2's half-pixel-wider outlines do not count."""
    fine = 8 * SIDE // 2
    drawn = np.zeros((fine, fine), np.uint8)
    corners = (mesh.vertices[:, :2] * [1, -1] + 0.5) * fine - 0.5
    for triangle in np.rint(corners).astype(np.int32)[mesh.faces]:
        cv2.fillConvexPoly(drawn, triangle, 1)
    expected = cv2.resize(mask.astype(np.uint8), (fine, fine), interpolation=cv2.INTER_NEAREST)
    return (drawn & expected).sum() / (drawn | expected).sum()


def assert_sound(mesh: BodyMesh) -> None:
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert mesh.vertices.dtype == np.float32 and mesh.faces.dtype == np.int32
    assert solid.is_watertight and solid.is_winding_consistent and solid.volume > 0
    assert igl.is_vertex_manifold(mesh.faces.astype(np.int64)).all()
    assert min(len(part) for part in trimesh.graph.connected_components(solid.face_adjacency)) >= 0.005 * len(
        mesh.faces
    )
    smallest_angles = np.degrees(trimesh.triangles.angles(mesh.vertices[mesh.faces].astype(float)).min(axis=1))
    assert np.percentile(smallest_angles, 5) >= 30


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_becomes_a_sound_mesh_with_its_silhouette(shape: str) -> None:
    check_shape(shape, "relax")


@pytest.mark.parametrize("shape", ["ring", "star"])
def test_each_remesher_gives_a_sound_mesh(shape: str, remesher: str) -> None:
    check_shape(shape, remesher)


def check_shape(shape: str, remesher: str) -> None:
    mesh = build_mesh(picture(SHAPES[shape]))
    assert mesh.remesher == remesher
    assert 10_000 <= len(mesh.faces) <= 20_000
    assert_sound(mesh)
    assert silhouette_iou(mesh, SHAPES[shape]) > 0.96


def test_a_ring_has_one_handle_and_two_blobs_are_two_bodies() -> None:
    ring, two = build_mesh(picture(SHAPES["ring"])), build_mesh(picture(SHAPES["two"]))
    assert trimesh.Trimesh(ring.vertices, ring.faces, process=False).euler_number == 0
    assert trimesh.Trimesh(two.vertices, two.faces, process=False).euler_number == 4


@pytest.mark.parametrize(("shape", "radius", "length"), [("disc", 0.4, 0.8), ("bar", 0.05, 0.9)])
@pytest.mark.parametrize("depth", [0.5, 1.0, 2.0])
def test_depth_is_that_of_a_tube_with_a_soft_limit(shape: str, radius: float, length: float, depth: float) -> None:
    mesh = build_mesh(picture(SHAPES[shape]), depth=depth)
    expected = depth * radius / np.sqrt(1.0 + (radius / (DEPTH_LIMIT * length)) ** 2)
    assert mesh.vertices[:, 2].max() == pytest.approx(expected, rel=0.04)
    assert mesh.vertices[:, 2].min() == pytest.approx(-expected, rel=0.04)


def test_the_frame_is_the_picture_with_y_up() -> None:
    top_right = np.zeros((SIDE, SIDE), bool)
    top_right[64:192, 320:448] = True
    vertices = build_mesh(picture(top_right)).vertices
    assert vertices.min(axis=0)[:2] == pytest.approx([0.125, 0.125], abs=0.005)
    assert vertices.max(axis=0)[:2] == pytest.approx([0.375, 0.375], abs=0.005)


def test_projection_lands_on_the_surface() -> None:
    body = inflate(SHAPES["bar"].astype(np.uint8) * 255)
    rng = np.random.default_rng(3)
    mesh = build_mesh(picture(SHAPES["bar"]))
    near = mesh.vertices + rng.normal(0.0, 0.002, mesh.vertices.shape)
    before, after = np.abs(body.evaluate(near)), np.abs(body.evaluate(body.project(near)))
    assert np.median(after) < 0.05 * np.median(before)


def test_a_cropped_subject_ends_in_a_plane_and_a_round_one_does_not() -> None:
    cropped = (RADIUS < 0.4) & (Y < 0.2)
    flat, round_ = build_mesh(picture(cropped)), build_mesh(picture(SHAPES["disc"]))
    assert_sound(flat)
    for mesh, least, most in ((flat, 0.25, 0.6), (round_, 0.0, 0.2)):
        bottom = mesh.vertices[:, 1] < mesh.vertices[:, 1].min() + 0.01
        depth = np.ptp(mesh.vertices[bottom, 2])
        assert least < depth < most
    assert flat.vertices[:, 1].min() == pytest.approx(-0.2, abs=0.004)
    assert silhouette_iou(flat, cropped) > 0.96


def test_a_three_quarter_picture_recedes_and_an_upright_one_does_not() -> None:
    dog = picture(photograph(DOG, 35) > 0)
    mesh = build_mesh(dog)
    assert_sound(mesh)
    assert np.degrees(mesh.viewpoint.azimuth_rad) == pytest.approx(35, abs=8)
    turned = from_view(mesh.vertices, FrontView(0.0, 0.0, 1.0, mesh.viewpoint.azimuth_rad, 0.0))
    assert np.ptp(turned[:, 2]) > 1.5 * np.ptp(turned[:, 0])
    assert silhouette_iou(mesh, dog[..., 3] > 0) > 0.95
    assert build_mesh(picture(SHAPES["disc"])).viewpoint.azimuth_rad == 0.0


def test_specks_do_not_become_islands() -> None:
    speckled = SHAPES["disc"] | (np.hypot(X - 0.45, Y - 0.45) < 0.012)
    mesh = build_mesh(picture(speckled))
    assert trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).body_count == 1


def test_bright_details_stand_out_on_the_front_only() -> None:
    spotted = picture(SHAPES["disc"], (60, 60, 60))
    spot = np.hypot(X, Y) < 0.02
    spotted[spot, :3] = 250
    plain, relief = build_mesh(picture(SHAPES["disc"], (60, 60, 60))), build_mesh(spotted)
    raised = relief.vertices[:, 2] - plain.vertices[:, 2]
    middle = np.hypot(*plain.vertices[:, :2].T) < 0.015
    front = plain.vertices[:, 2] > 0
    assert (raised[middle & front] > 0.001).all()
    assert np.abs(raised[~front]).max() == 0.0
    assert raised.max() < 0.01


def test_the_face_budget_is_kept_within_a_quarter() -> None:
    for budget in (4000, 30_000):
        assert abs(len(build_mesh(picture(SHAPES["star"]), face_budget=budget).faces) / budget - 1) < 0.25


def test_the_same_picture_gives_the_same_bytes(remesher: str) -> None:
    first, second = (build_mesh(picture(SHAPES["bar"])) for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices) and np.array_equal(first.faces, second.faces)


@pytest.mark.parametrize(
    "mask",
    [np.zeros((SIDE, SIDE), bool), np.eye(1024, dtype=bool), np.arange(SIDE)[:, None] + np.zeros(SIDE) == 100],
    ids=["clear", "diagonal hair", "one row"],
)
def test_no_surface_is_said_with_the_way_out(mask: np.ndarray) -> None:
    with pytest.raises(EmptySurfaceFound, match=r"Use a larger|Crop the picture"):
        build_mesh(picture(mask))


def test_islands_are_dropped_by_share_and_the_largest_stays() -> None:
    sphere, speck = trimesh.creation.icosphere(3), trimesh.creation.icosphere(0)
    vertices = np.vstack([speck.vertices + 5.0, sphere.vertices])
    faces = np.vstack([speck.faces, sphere.faces + len(speck.vertices)])
    kept_vertices, kept_faces = drop_islands(vertices, faces, 0.05)
    assert np.array_equal(kept_vertices, sphere.vertices) and np.array_equal(kept_faces, sphere.faces)
    assert len(drop_islands(vertices, faces, 0.001)[1]) == len(faces)
    assert len(drop_islands(speck.vertices, speck.faces, 2.0)[1]) == len(speck.faces)


def _shared_pictures(names: list[str]) -> list[Path]:
    if not SHARED.is_dir():
        pytest.skip("the measuring pictures are not beside the checkout (../shared/images)")
    return [path for path in sorted(SHARED.glob("*.png")) if not names or path.stem in names]


@pytest.mark.shared
@pytest.mark.parametrize("names", [["056"], pytest.param([], marks=pytest.mark.full)], ids=["hardest", "all"])
def test_real_pictures_become_sound_meshes(names: list[str], remesher: str) -> None:
    for path in _shared_pictures(names):
        with Image.open(path) as opened:
            framed = frame_subject(np.asarray(opened.convert("RGBA")))
        mesh = build_mesh(framed.rgba)
        assert 10_000 <= len(mesh.faces) <= 20_000, path.name
        assert_sound(mesh)
