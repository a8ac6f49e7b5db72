# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh's small picture: it shows the shape, from where it says, lit from one side, on nothing."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from models.common.thumbnail import MARGIN, ThumbnailView, draw_thumbnail

FRONT = ThumbnailView(128, 0.0, 0.0)


def ball(center: tuple[float, float, float] = (0, 0, 0), radius: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    made = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    return np.asarray(made.vertices) + center, np.asarray(made.faces)


def both(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1] + len(one[0])])


def center_of(mask: np.ndarray) -> tuple[float, float]:
    """Row and column, as shares of the side."""
    rows, columns = np.nonzero(mask)
    return float(rows.mean()) / len(mask), float(columns.mean()) / len(mask)


def test_a_ball_is_a_disc_in_the_middle_of_nothing() -> None:
    picture = draw_thumbnail(*ball(), FRONT)
    assert picture.shape == (128, 128, 4) and picture.dtype == np.uint8
    assert picture[..., 3].mean() / 255 == pytest.approx(np.pi / 4 * (1 - 2 * MARGIN) ** 2, rel=0.03)
    assert center_of(picture[..., 3] > 0) == pytest.approx((0.5, 0.5), abs=0.02)
    assert (picture[picture[..., 3] == 0] == 0).all()


def test_light_comes_from_the_upper_left() -> None:
    brightness = draw_thumbnail(*ball(), FRONT)[..., :3].mean(axis=2)
    assert brightness[40, 40] > 1.3 * brightness[88, 88] > 0


@pytest.mark.parametrize(
    ("view", "where"),
    [
        (ThumbnailView(128, 0, 0), (0.5, 0.5)),
        (ThumbnailView(128, 60, 0), (0.5, 0.15)),  # seen from its left, its front points to the picture's left
        (ThumbnailView(128, -60, 0), (0.5, 0.85)),
        (ThumbnailView(128, 0, 60), (0.85, 0.5)),  # looked down on, its front is below
    ],
)
def test_the_front_is_where_the_viewer_must_see_it(view: ThumbnailView, where: tuple[float, float]) -> None:
    """A nose of its own size on a large ball: the picture changes where it is."""
    head = ball(radius=1.0)
    with_nose = both(head, ball((0, 0, 1.0), 0.15))
    guarded = both(with_nose, ball((0, 0, -1.0), 0.15))  # keeps the frame in its middle
    bare = both(both(head, ball((0, 0, 1.0), 1e-4)), ball((0, 0, -1.0), 0.15))
    change = np.abs(draw_thumbnail(*guarded, view).astype(int) - draw_thumbnail(*bare, view)).sum(axis=2) > 60
    assert center_of(change) == pytest.approx(where, abs=0.15)


def test_what_is_nearer_hides_what_is_behind_whatever_their_order() -> None:
    near, far = ball((0.2, 0, 2), 0.5), ball((0, 0, -2), 1.0)
    one, other = draw_thumbnail(*both(near, far), FRONT), draw_thumbnail(*both(far, near), FRONT)
    assert np.array_equal(one, other)
    assert np.abs(one.astype(int) - draw_thumbnail(*far, FRONT)).max() > 40


def test_faces_that_are_turned_away_are_not_drawn() -> None:
    """A ball inside out shows the hollow of its far side, lit on the other side."""
    vertices, faces = ball()
    brightness = draw_thumbnail(vertices, faces[:, ::-1], FRONT)[..., :3].mean(axis=2)
    assert brightness[88, 88] > 1.3 * brightness[40, 40] > 0


def test_a_tall_figure_fits_and_its_edge_is_soft() -> None:
    made = trimesh.creation.capsule(height=4, radius=0.3)
    picture = draw_thumbnail(np.asarray(made.vertices)[:, [0, 2, 1]], np.asarray(made.faces)[:, ::-1], FRONT)
    alpha = picture[..., 3]
    rows = np.flatnonzero(alpha.any(axis=1))
    assert rows[0] == pytest.approx(128 * MARGIN, abs=2) and rows[-1] == pytest.approx(128 * (1 - MARGIN), abs=2)
    assert ((alpha > 0) & (alpha < 255)).any()


def test_a_mesh_without_extent_gives_an_empty_picture() -> None:
    assert not draw_thumbnail(np.zeros((3, 3)), np.array([[0, 1, 2]]), FRONT).any()


def test_the_same_mesh_gives_the_same_picture() -> None:
    assert np.array_equal(draw_thumbnail(*ball()), draw_thumbnail(*ball()))
