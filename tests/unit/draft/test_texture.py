# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture: the front is the picture, nothing bleeds, sides do not streak, the back shows no face or lettering."""

import sys

import cv2
import numpy as np
import pytest

from models.draft.atlas import Atlas, paint_atlas
from models.draft.errors import EmptySurfaceFound
from models.draft.fill import push_pull
from models.draft.surface import BodyMesh, build_mesh
from models.draft.texture import paint_sides

SIDE = 512
Y, X = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5 + 0.5 / SIDE
BACKGROUND = (0, 255, 0)
ORANGE, BLUE, BLACK = np.array([230, 120, 40]), np.array([40, 80, 220]), np.array([10, 10, 10])


def paint(mask: np.ndarray, color: np.ndarray) -> np.ndarray:  # (S, S) bool, (..., 3)
    rgb = np.where(mask[..., None], color, BACKGROUND)
    return np.dstack([rgb, mask * 255]).astype(np.uint8)


DISC = np.hypot(X, Y) < 0.42
WIDE = (np.abs(X) < 0.45) & (np.abs(Y) < 0.15)


def build_relaxed(rgba: np.ndarray) -> BodyMesh:
    """A mesh by the quicker remesher: which one made it makes no difference to its texture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "gpytoolbox.remesh_botsch", None)
        return build_mesh(rgba, face_budget=4000)


@pytest.fixture(scope="module")
def disc_mesh() -> BodyMesh:
    return build_relaxed(paint(DISC, ORANGE))


def colors_at_faces(atlas: Atlas) -> np.ndarray:  # (F, 3) float, read at each face's middle
    size = atlas.base_color.shape[0]
    u, v = atlas.uv.mean(axis=1).T
    return atlas.base_color[((1.0 - v) * size).astype(int), (u * size).astype(int)].astype(float)


def geometry(mesh: BodyMesh) -> tuple[np.ndarray, np.ndarray]:
    """Centres (F, 3) and unit normals (F, 3) of the faces."""
    corners = mesh.vertices[mesh.faces].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return corners.mean(axis=1), normals / np.linalg.norm(normals, axis=1, keepdims=True)


@pytest.mark.parametrize("size", [256, 512, 1024])
def test_both_sides_take_the_picture_at_their_place(disc_mesh: BodyMesh, size: int) -> None:
    color = np.where((X < 0)[..., None], ORANGE, BLUE)
    atlas = paint_atlas(disc_mesh.vertices, disc_mesh.faces, paint(DISC, color), size)
    assert atlas.uv.shape == (len(disc_mesh.faces), 3, 2) and atlas.uv.dtype == np.float32
    assert atlas.base_color.shape == (size, size, 3) and atlas.base_color.dtype == np.uint8
    assert atlas.uv.min() >= 0.0 and atlas.uv.max() <= 1.0
    centers, normals = geometry(disc_mesh)
    seen = colors_at_faces(atlas)
    expected = np.where((centers[:, 0] < 0)[:, None], ORANGE, BLUE)
    front = (normals[:, 2] > 0.3) & (np.abs(centers[:, 0]) > 0.05)
    assert np.abs(seen - expected)[front].max() < 12
    near_rim = (normals[:, 2] < 0) & (np.abs(centers[:, 0]) > 0.3)
    assert np.abs(seen - expected)[near_rim].mean() < 25


def test_no_background_colour_reaches_the_atlas(disc_mesh: BodyMesh) -> None:
    texels = paint_atlas(disc_mesh.vertices, disc_mesh.faces, paint(DISC, ORANGE), 256).base_color
    assert np.abs(texels.astype(int) - ORANGE).max() <= 3


def test_mip_levels_down_to_a_32nd_show_no_other_colour_at_the_seam(disc_mesh: BodyMesh) -> None:
    atlas = paint_atlas(
        disc_mesh.vertices, disc_mesh.faces, paint(DISC, np.where((X < 0)[..., None], ORANGE, BLUE)), 1024
    )
    for level in range(1, 6):
        texels = cv2.resize(atlas.base_color, (1024 >> level,) * 2, interpolation=cv2.INTER_AREA)
        centers, normals = geometry(disc_mesh)
        seam = (np.abs(normals[:, 2]) < 0.2) & (np.abs(centers[:, 0]) > 0.2)
        seen = colors_at_faces(Atlas(atlas.uv, texels))[seam]
        assert np.abs(seen - np.where((centers[seam, 0] < 0)[:, None], ORANGE, BLUE)).mean(axis=1).max() < 40


def test_an_outline_is_not_smeared_over_the_sides(disc_mesh: BodyMesh) -> None:
    outlined = np.where((np.hypot(X, Y) > 0.412)[..., None], BLACK, ORANGE)
    atlas = paint_atlas(disc_mesh.vertices, disc_mesh.faces, paint(DISC, outlined), 512)
    sideways = np.abs(geometry(disc_mesh)[1][:, 2]) < 0.2
    assert sideways.sum() > 50
    assert np.abs(colors_at_faces(atlas)[sideways] - ORANGE).mean() < 20


def test_lettering_is_on_the_front_and_not_on_the_back() -> None:
    letters = (np.abs(Y) < 0.05) & (np.abs(X) < 0.3) & ((X * 40).astype(int) % 2 == 0)
    front, back = paint_sides(paint(DISC, np.where(letters[..., None], BLACK, ORANGE)))
    core = letters & (np.abs(Y) < 0.04)
    assert np.abs(front[core].astype(int) - BLACK).mean() < 60
    assert np.abs(back[DISC].astype(int) - ORANGE).max() < 20


def test_a_face_does_not_show_on_the_back() -> None:
    face = np.hypot(X, Y) < 0.25
    back = paint_sides(paint(DISC, np.where(face[..., None], BLUE, ORANGE)))[1]
    assert np.abs(back[face].astype(int) - ORANGE).mean() < 15


def test_front_and_back_agree_along_the_silhouette() -> None:
    stripes = np.where(((X * 12).astype(int) % 2 == 0)[..., None], BLUE, ORANGE)
    front, back = paint_sides(paint(DISC, stripes))
    rim = (np.hypot(X, Y) > 0.416) & DISC
    assert np.abs(front[rim].astype(int) - back[rim]).max() <= 1


@pytest.mark.parametrize(("mask", "above"), [(WIDE, True), (WIDE.T, False)], ids=["wide", "tall"])
def test_charts_lie_where_the_body_is_largest(mask: np.ndarray, above: bool) -> None:
    rgba = paint(mask, BLUE)
    mesh = build_relaxed(rgba)
    uv = paint_atlas(mesh.vertices, mesh.faces, rgba, 256).uv
    is_front = geometry(mesh)[1][:, 2] >= 0
    axis = 1 if above else 0
    front, back = uv[is_front][..., axis], uv[~is_front][..., axis]
    assert (front.min() > 0.5 > back.max()) if above else (front.max() < 0.5 < back.min())
    assert np.ptp(uv[..., 1 - axis]) > 0.9


def test_texels_are_square_and_the_back_is_drawn_as_seen_from_behind(disc_mesh: BodyMesh) -> None:
    uv = paint_atlas(disc_mesh.vertices, disc_mesh.faces, paint(DISC, BLUE), 256).uv.astype(float)
    corners = disc_mesh.vertices[disc_mesh.faces][..., :2].astype(float)
    is_front = geometry(disc_mesh)[1][:, 2] >= 0
    for side, mirror in ((is_front, 1.0), (~is_front, -1.0)):
        u_per_x = np.polyfit(corners[side][..., 0].ravel(), uv[side][..., 0].ravel(), 1)[0]
        v_per_y = np.polyfit(corners[side][..., 1].ravel(), uv[side][..., 1].ravel(), 1)[0]
        assert v_per_y > 0 and u_per_x == pytest.approx(mirror * v_per_y, rel=1e-3)


def test_beyond_a_chart_and_its_gutter_the_atlas_goes_on_as_it_ends(disc_mesh: BodyMesh) -> None:
    fading = ORANGE + (Y + 0.5)[..., None] * (BLUE - ORANGE)
    atlas = paint_atlas(disc_mesh.vertices, disc_mesh.faces, paint(DISC, fading), 512)
    rows = (1.0 - atlas.uv[..., 1]) * 512
    above, below = int(rows.min()) - 12, int(rows.max()) + 12  # the gutter has 9 texels
    assert above > 50 and below < 462
    for beyond, last in ((atlas.base_color[:above], above), (atlas.base_color[below:], below)):
        assert (beyond == atlas.base_color[last]).all()
    assert (atlas.base_color[above] != atlas.base_color[below]).any()


def test_the_same_picture_gives_the_same_bytes(disc_mesh: BodyMesh) -> None:
    rgba = paint(DISC, np.where((Y < 0.1)[..., None], BLUE, ORANGE))
    first, second = (paint_atlas(disc_mesh.vertices, disc_mesh.faces, rgba, 256) for _ in range(2))
    assert np.array_equal(first.base_color, second.base_color) and np.array_equal(first.uv, second.uv)


def test_a_picture_without_a_silhouette_is_refused() -> None:
    with pytest.raises(EmptySurfaceFound, match="silhouette"):
        paint_sides(np.zeros((64, 64, 4), np.uint8))


def test_filling_keeps_what_is_known_and_stays_within_its_range() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(10.0, 20.0, (37, 53, 2)).astype(np.float32)
    known = rng.random((37, 53)) < 0.1
    filled = push_pull(np.where(known[..., None], values, 1e6).astype(np.float32), known)
    assert np.array_equal(filled[known], values[known])
    assert 10.0 - 1e-3 <= filled.min() and filled.max() <= 20.0 + 1e-3


def test_filling_a_constant_is_exact_and_nothing_known_gives_zero() -> None:
    known = np.zeros((20, 20), bool)
    assert not push_pull(np.ones((20, 20, 1), np.float32), known).any()
    known[3, 4] = True
    assert push_pull(np.full((20, 20, 1), 7.0, np.float32), known) == pytest.approx(7.0)
