# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lying body was seen from: measured on bodies with a known place, drawn as their silhouettes."""

import numpy as np
import pytest

from models.draft.inflate import InflatedBody, inflate
from models.draft.viewpoint import STRAIGHT, find_viewpoint, slant_body
from tests.unit.draft.silhouettes import DOG, FISH, PERSON, photograph


def dog_at(azimuth_deg: float, elevation_deg: float = 20.0) -> InflatedBody:
    return inflate(photograph(DOG, azimuth_deg, elevation_deg))


@pytest.mark.parametrize("azimuth_deg", [30, 36, -30, -36])
def test_the_azimuth_is_read_off_the_feet(azimuth_deg: float) -> None:
    view = find_viewpoint(dog_at(azimuth_deg))
    assert np.degrees(view.azimuth_rad) == pytest.approx(azimuth_deg, abs=8)
    assert view.elevation_rad > 0


@pytest.mark.parametrize(("azimuth_deg", "elevation_deg"), [(90, 0), (-90, 0), (35, 0), (0, 0), (0, 20)])
def test_a_body_from_the_side_the_front_or_level_is_straight(azimuth_deg: float, elevation_deg: float) -> None:
    assert find_viewpoint(dog_at(azimuth_deg, elevation_deg)) is STRAIGHT


def test_an_upright_body_is_straight() -> None:
    assert find_viewpoint(inflate(photograph(PERSON, 35))) is STRAIGHT


@pytest.mark.parametrize("azimuth_deg", [35, -35])
def test_a_fish_is_told_by_its_tilt_and_its_thick_end(azimuth_deg: float) -> None:
    view = find_viewpoint(inflate(photograph(FISH, azimuth_deg, 15.0)))
    assert np.degrees(view.azimuth_rad) == pytest.approx(azimuth_deg, abs=10)
    assert find_viewpoint(inflate(photograph(FISH, 90.0, 15.0))) is STRAIGHT


def test_the_near_end_comes_toward_the_viewer() -> None:
    body = dog_at(35)
    slanted = slant_body(body, find_viewpoint(body))
    inside = body.distance > 0
    columns = np.flatnonzero(inside.any(axis=0))
    near, far = (slanted.middle[:, c][inside[:, c]].mean() for c in (columns[20], columns[-20]))
    assert near > 0.1 > -0.1 > far
    assert np.array_equal(slanted.distance, body.distance)


def test_feet_of_one_end_stand_at_different_distances() -> None:
    body = dog_at(35)
    view = find_viewpoint(body)
    slanted = slant_body(body, view)
    x, y = view.feet[:, 0], view.feet[:, 1]
    points = np.column_stack([x, y + 0.02, np.zeros(len(x))])
    middles = slanted._fields_at(points[:, 0], points[:, 1])[3]
    # The lower a foot ends in the picture, the nearer it stands.
    assert np.array_equal(np.argsort(-middles), np.argsort(y))
