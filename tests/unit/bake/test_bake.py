# SPDX-License-Identifier: GPL-3.0-or-later
"""The bake: a known figure comes back, light is evened out, and what cannot be textured is refused in a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.common.bake import projection
from models.common.bake.bake import BakeSettings, Texture, bake
from models.common.bake.balance import balance_gains
from models.common.bake.compiled import splat_compiled, spread_compiled
from models.common.bake.errors import MeshUnusable, UnwrapperMissing, ViewsUnusable
from models.common.bake.fill import _neighbours, complete
from models.common.bake.mesh import MOST_FACES, UvMesh, check_mesh
from models.common.bake.photo import frame_camera, project_photo
from models.common.bake.plain import splat_plain, spread_plain
from models.common.bake.projection import ProjectionRules, View
from models.common.bake.unwrap import overlap_share, unwrap, uv_problem
from models.common.raster.camera import Camera, orbit_camera, perspective
from models.common.reduction import reduce_faces
from models.step1x3d.texture.bake import VIEW_WEIGHTS, bake_views, official_settings, quality_settings, six_views
from models.step1x3d.texture.cameras import six_cameras
from models.step1x3d.texture.mesh_preparation import prepare_mesh
from tests.unit.bake.figure import build_figure, held_out_cameras, photograph, psnr, render

RULES = ProjectionRules(256, 512)


@pytest.fixture(scope="module")
def figure() -> UvMesh:
    vertices, faces = build_figure()
    return UvMesh(vertices, faces, unwrap(vertices, faces).uv)


@pytest.fixture(scope="module")
def pictures(figure: UvMesh) -> np.ndarray:
    """(6, 512, 512, 3) uint8."""
    return np.stack([photograph(figure.vertices, figure.faces, camera, 512)[..., :3] for camera in six_cameras()])


@pytest.fixture(scope="module")
def held_out(figure: UvMesh) -> list[tuple[Camera, np.ndarray]]:
    return [(camera, photograph(figure.vertices, figure.faces, camera, 512)) for camera in held_out_cameras()]


@pytest.mark.parametrize("method", ["gather", "splat"])
def test_renders_from_other_sides_come_back(
    figure: UvMesh, pictures: np.ndarray, held_out: list[tuple[Camera, np.ndarray]], method: str
) -> None:
    settings = BakeSettings(ProjectionRules(1024, 1024), method=method)  # type: ignore[arg-type]
    texture = bake_views(pictures, figure, settings)
    for camera, truth in held_out:
        found = render(figure, texture.rgb, camera, 512)
        assert psnr(truth, found, truth[..., 3] > 0) >= 28.0  # of the figure alone: the background is a gift


def test_the_same_views_give_the_same_bytes(figure: UvMesh, pictures: np.ndarray) -> None:
    first, second = (bake_views(pictures, figure, BakeSettings(RULES)) for _ in range(2))
    assert (first.rgb == second.rgb).all() and first.gains == second.gains


def test_no_chart_shows_what_lies_beside_it(figure: UvMesh) -> None:
    """White everywhere on the figure, on black pictures: no black may creep in over outlines or chart borders."""
    views = []
    for camera in six_cameras():
        white = photograph(figure.vertices, figure.faces, camera, 512)[..., 3:] > 127
        views.append(View(np.where(white, 255, 0).astype(np.uint8).repeat(3, axis=-1), camera))
    texture = bake(views, figure, BakeSettings(RULES))
    assert texture.rgb.min() >= 250


def test_a_view_in_other_light_is_evened_out(figure: UvMesh, pictures: np.ndarray) -> None:
    views = list(six_views(pictures))
    lit = (1.0, 0.85, 1.0, 1.15, 1.0, 1.0)
    dimmed = [
        replace(view, image=np.clip(view.image * light, 0, 255).astype(np.uint8))
        for view, light in zip(views, lit, strict=True)
    ]
    assert np.abs(balance_gains(views, figure) - 1.0).max() < 0.01
    gains = balance_gains(dimmed, figure)
    assert np.abs(gains * lit - 1.0).max() < 0.04
    assert gains[0] == 1.0
    balanced, unbalanced = (
        bake(dimmed, figure, BakeSettings(RULES, balances=balances)).rgb for balances in (True, False)
    )
    target = bake(views, figure, BakeSettings(RULES)).rgb
    errors = [np.abs(rgb.astype(int) - target).mean() for rgb in (balanced, unbalanced)]
    assert errors[0] < 0.5 * errors[1]


def test_light_is_evened_out_only_so_far(figure: UvMesh, pictures: np.ndarray) -> None:
    views = list(six_views(pictures))
    views[1] = replace(views[1], image=views[1].image // 3)
    assert 1.2 < balance_gains(views, figure)[1] <= 1.25


def test_a_perspective_view_paints_too(figure: UvMesh) -> None:
    camera = Camera(orbit_camera(0.3, 0.1, 2.0), perspective(0.6, 0.1, 10.0))
    picture = photograph(figure.vertices, figure.faces, camera, 512)
    for method in ("gather", "splat"):
        texture = bake([View(picture, camera)], figure, BakeSettings(RULES, method=method))  # type: ignore[arg-type]
        found = render(figure, texture.rgb, camera, 512)
        assert psnr(picture, found, picture[..., 3] > 250) > 25.0
        assert "continued from around it" in texture.notes[0]


def test_without_numba_the_bake_is_the_same(monkeypatch: pytest.MonkeyPatch, pictures: np.ndarray) -> None:
    vertices, faces = build_figure(1)
    small = UvMesh(vertices, faces, unwrap(vertices, faces).uv)
    settings = BakeSettings(ProjectionRules(256, 256), method="splat", balances=False)
    monkeypatch.setattr("models.common.bake.unwrap.PROBE_PX", 128)
    expected = bake_views(pictures, small, settings)
    for module in ("raster.rasterize", "bake.projection", "bake.fill", "bake.bake"):
        monkeypatch.setattr(f"models.common.{module}.pick_backend", lambda device="cpu": "batched")
    found = bake_views(pictures, small, settings)
    assert (found.seen == expected.seen).all()
    assert np.abs(found.rgb.astype(int) - expected.rgb)[found.seen].max() <= 1  # inpainting makes more of one level
    assert any("numba" in note for note in found.notes) and not any("numba" in note for note in expected.notes)


def test_the_splat_is_that_of_its_twin() -> None:
    generator = np.random.default_rng(8)
    places = generator.uniform(0, 31, (5000, 2)).astype(np.float32)
    places[0], places[1] = 31.0, 0.0
    values = generator.normal(size=(5000, 4)).astype(np.float32)
    for found, expected in zip(splat_compiled(places, values, 32), splat_plain(places, values, 32), strict=True):
        assert np.abs(found - expected).max() < 1e-4


def test_colours_spread_as_in_the_twin() -> None:
    vertices, faces = build_figure(1)
    starts, neighbours = _neighbours(faces, len(vertices))
    generator = np.random.default_rng(9)
    is_known = (generator.random(len(vertices)) < 0.1) & (vertices[:, 0] > -0.1)
    colors = generator.random((len(vertices), 3)).astype(np.float32) * is_known[:, None]
    todo = faces[~is_known[faces]]
    results = []
    for spread in (spread_plain, spread_compiled):
        mine, known = colors.copy(), is_known.copy()
        spread(mine, known, todo, starts, neighbours, vertices)
        results.append((mine, known))
    assert np.abs(results[0][0] - results[1][0]).max() < 1e-5
    assert (results[0][1] == results[1][1]).all()
    reached = results[0][1]
    assert not reached.all() and reached.mean() > 0.5  # one arm has no coloured vertex


def two_squares() -> UvMesh:
    """Two squares apart from each other, each with its chart."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    uv = square[faces][..., :2]
    return UvMesh(
        np.concatenate([square, square + np.float32([3, 0, 0])]),
        np.concatenate([faces, faces + 4]),
        np.concatenate([uv * 0.4 + 0.05, uv * [0.4, 0.8] + [0.5, 0.05]]).astype(np.float32),
    )


def test_what_no_view_saw_and_the_gutters_continue_their_own_chart() -> None:
    mesh = two_squares()
    texels = projection.place_texels(mesh, 256).fragments
    of_first = texels.covered & (texels.face < 2)
    color = np.where(of_first[..., None], np.float32([0.8, 0.1, 0.1]), np.float32([0.1, 0.8, 0.1]))
    known = texels.covered.copy()
    known[:, 150:] = False  # more than half of the second square
    known[200:215, 50:70] = False  # a hole in the first
    full = complete(np.where(known[..., None], color, 0.0).astype(np.float32), known, mesh, texels)
    middle = int(256 * (0.45 + 0.5) / 2)
    assert np.abs(full[140:, :middle].astype(int) - (204, 26, 26)).max() <= 2
    assert np.abs(full[:, middle + 2 :].astype(int) - (26, 204, 26)).max() <= 2


def test_a_part_that_nobody_saw_takes_the_colour_of_what_is_nearest() -> None:
    mesh = two_squares()
    texels = projection.place_texels(mesh, 256).fragments
    known = texels.covered & (texels.face < 2)
    color = np.where(known[..., None], np.linspace(0.2, 0.8, 256)[:, None, None], 0.0).repeat(3, -1).astype(np.float32)
    full = complete(color, known, mesh, texels)
    unseen = full[texels.covered & (texels.face >= 2)]
    seen = color[known] * 255
    assert seen.min() - 2 <= unseen.min() and unseen.max() <= seen.max() + 2


def test_a_cancelled_bake_stops(figure: UvMesh, pictures: np.ndarray) -> None:
    calls = []

    def cancel_at_the_third() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bake_views(pictures, figure, BakeSettings(RULES), cancel_at_the_third)


def broken(figure: UvMesh, what: str) -> UvMesh:
    if what == "no faces":
        return UvMesh(figure.vertices, figure.faces[:0], figure.uv[:0])
    if what == "not finite":
        vertices = figure.vertices.copy()
        vertices[3, 1] = np.nan
        return UvMesh(vertices, figure.faces, figure.uv)
    if what == "one point":
        return UvMesh(figure.vertices * 0, figure.faces, figure.uv)
    if what == "does not have":
        return UvMesh(figure.vertices[:50], figure.faces, figure.uv)
    uv = figure.uv.copy()
    uv[: len(uv) // 2] = uv[len(uv) // 2 :]
    return UvMesh(figure.vertices, figure.faces, uv)


@pytest.mark.parametrize("what", ["no faces", "not finite", "one point", "does not have", "lie over each other"])
def test_a_mesh_that_cannot_be_textured_is_told_why(figure: UvMesh, pictures: np.ndarray, what: str) -> None:
    with pytest.raises(MeshUnusable, match=what):
        bake_views(pictures, broken(figure, what), quality_settings())


def test_too_many_faces_are_refused_before_anything_is_computed() -> None:
    faces = np.zeros((5_000_000, 3), np.int32)
    for refuse in (check_mesh, prepare_mesh, unwrap):
        with pytest.raises(MeshUnusable, match=rf"5,000,000 faces.*{MOST_FACES:,}"):
            refuse(np.zeros((3, 3), np.float32), faces)


@pytest.mark.parametrize(
    ("views", "texture_px", "words"),
    [
        ([], 512, "no picture"),
        ([np.zeros((8, 9, 3), np.uint8)], 512, "square picture"),
        ([np.zeros((8, 8, 3))], 512, "8 bits"),
        ([np.zeros((64, 64, 4), np.uint8)], 512, "None of the views"),
        ([np.zeros((64, 64, 3), np.uint8)], 8192, "choose between"),
    ],
)
def test_views_that_cannot_be_used_are_told_why(
    figure: UvMesh, views: list[np.ndarray], texture_px: int, words: str
) -> None:
    given = [View(image, six_cameras()[0]) for image in views]
    with pytest.raises(ViewsUnusable, match=words):
        bake(given, figure, BakeSettings(ProjectionRules(texture_px, 256)))


def test_texture_coordinates_are_judged(figure: UvMesh) -> None:
    assert uv_problem(figure.uv) == "" and overlap_share(figure.uv) == 0.0
    assert "beyond" in uv_problem(figure.uv * 2)
    assert "no area" in uv_problem(figure.uv * 0)
    assert "not finite" in uv_problem(figure.uv * np.nan)
    mirrored = figure.uv.copy()
    mirrored[:40] = mirrored[40:80, ::-1]
    assert "overlap" in uv_problem(mirrored) or "over each other" in uv_problem(mirrored)


def test_a_grid_of_squares_does_not_overlap_along_its_edges() -> None:
    square = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1.0]]])
    cells = [square / 8 + np.array([row, column]) / 8 for row in range(8) for column in range(8)]
    assert overlap_share(np.concatenate(cells).astype(np.float32)) == 0.0


def test_without_the_unwrapper_one_is_told(monkeypatch: pytest.MonkeyPatch, figure: UvMesh) -> None:
    monkeypatch.setattr("models.common.bake.unwrap.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnwrapperMissing, match="xatlas"):
        unwrap(figure.vertices, figure.faces)


def test_unwrapping_keeps_faces_and_their_order(figure: UvMesh) -> None:
    layout = unwrap(figure.vertices, figure.faces)
    assert (figure.vertices[layout.source][layout.faces] == figure.vertices[figure.faces]).all()
    assert (layout.uv == unwrap(figure.vertices, figure.faces).uv).all()


def test_a_large_mesh_is_reduced_and_one_on_the_ground_centred() -> None:
    vertices, faces = build_figure(5)
    assert len(faces) > 100_000
    reduced, fewer = reduce_faces(vertices, faces, 5000)
    assert 4000 < len(fewer) <= 5000
    assert np.abs(np.ptp(reduced, axis=0) - np.ptp(vertices, axis=0)).max() < 0.01
    prepared = prepare_mesh(reduced * 3 + np.array([5.0, 2.0, 0.0], np.float32), fewer)
    assert np.abs(prepared.vertices).max() == pytest.approx(0.5)
    assert np.abs(prepared.vertices.min(axis=0) + prepared.vertices.max(axis=0)).max() < 1e-5
    assert (prepared.whole.vertices[prepared.whole.faces] == prepared.vertices[prepared.faces]).all()


def test_official_numbers() -> None:
    settings = official_settings()
    assert (settings.projection.texture_px, settings.projection.render_px) == (2048, 2048)
    assert settings.method == "splat" and VIEW_WEIGHTS == (1.0, 0.1, 0.5, 0.1, 0.05, 0.05)


@pytest.fixture(scope="module")
def photo(figure: UvMesh) -> np.ndarray:
    """The figure from its left and above, moved in the picture: (300, 420, 4) uint8."""
    camera = Camera(orbit_camera(0.5, 0.2, 1.8), six_cameras()[0].projection)
    return np.ascontiguousarray(
        np.pad(photograph(figure.vertices, figure.faces, camera, 300), ((0, 0), (100, 20), (0, 0)))
    )


def test_a_photo_lands_where_it_was_taken(figure: UvMesh, photo: np.ndarray) -> None:
    camera = frame_camera(photo, figure.vertices, 0.5, 0.2)
    textured = project_photo(photo, figure, camera, 1024)
    again = render(figure, textured.rgb, camera, 420)[60:360]
    solid = (photo[..., 3] > 250) & (again[..., 3] > 250)
    assert psnr(photo, again, solid) > 25.0
    assert (textured.uv == figure.uv).all()
    assert 0.05 < textured.seen.mean() < 0.4


@pytest.mark.parametrize("uv", ["none", "overlapping"])
def test_a_mesh_without_usable_coordinates_gets_new_ones(figure: UvMesh, photo: np.ndarray, uv: str) -> None:
    poor = UvMesh(figure.vertices, figure.faces, figure.uv[:0]) if uv == "none" else broken(figure, uv)
    camera = frame_camera(photo, figure.vertices, 0.5, 0.2)
    textured = project_photo(photo, poor, camera, 512)
    assert uv_problem(textured.uv) == "" and "laid out" in textured.notes[0]


def test_a_clear_photo_is_refused(figure: UvMesh) -> None:
    with pytest.raises(ViewsUnusable, match="no solid pixel"):
        frame_camera(np.zeros((9, 9, 4), np.uint8), figure.vertices)


def test_a_texture_says_what_it_is(figure: UvMesh, pictures: np.ndarray) -> None:
    texture = bake_views(pictures, figure, BakeSettings(RULES))
    assert isinstance(texture, Texture)
    assert texture.rgb.shape == (256, 256, 3) and texture.rgb.dtype == np.uint8
    assert projection.SOLID < 255 and texture.seen.dtype == bool
