# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns of many moments at once, against the same of one moment."""

from __future__ import annotations

import numpy as np
import pytest

from blender_addon.pose import rotation_arrays as arrays
from blender_addon.pose import rotations
from blender_addon.pose.rotations import unit

SPECIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.6, 0.0, 0.8))


def turns() -> np.ndarray:
    """(N, 3, 3): any, none, tiny ones and half turns."""
    rng = np.random.default_rng(3)
    axes = [unit(axis) for axis in rng.normal(size=(40, 3))] + [np.array(axis) for axis in SPECIAL] * 3
    angles = [*rng.uniform(-np.pi, np.pi, 40), *[0.0] * 4, *[1e-9] * 4, *[np.pi] * 4]
    return np.array([rotations.about(axis, angle) for axis, angle in zip(axes, angles, strict=True)])


def test_turns_about_axes_are_those_of_one_axis() -> None:
    rng = np.random.default_rng(4)
    axes, angles = arrays.units(rng.normal(size=(5, 7, 3))), rng.uniform(-4, 4, (5, 7))
    found = arrays.abouts(axes, angles)
    assert found.shape == (5, 7, 3, 3)
    wanted = [rotations.about(axis, angle) for axis, angle in zip(axes.reshape(-1, 3), angles.ravel(), strict=True)]
    assert np.allclose(found.reshape(-1, 3, 3), wanted, atol=1e-14)


def test_axes_and_angles_give_the_turn_back() -> None:
    given = turns()
    axes, angles = arrays.axes_angles(given)
    assert np.allclose(arrays.abouts(axes, angles), given, atol=1e-7)
    assert np.allclose(angles, [rotations.axis_angle(turn)[1] for turn in given], atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_between_is_that_of_one_pair(share: float) -> None:
    given = turns()
    starts = np.tile(rotations.lean(10, 20, 30), (len(given), 1, 1))
    found = arrays.betweens(starts, given @ starts, np.full(len(given), share))
    wanted = [rotations.between(one, turn @ one, share) for one, turn in zip(starts, given, strict=True)]
    assert np.allclose(found, wanted, atol=1e-9)


def test_swings_are_those_of_one_pair_also_of_opposite_and_equal_directions() -> None:
    rng = np.random.default_rng(5)
    starts = np.concatenate([arrays.units(rng.normal(size=(30, 3))), SPECIAL, SPECIAL])
    ends = np.concatenate([arrays.units(rng.normal(size=(30, 3))), SPECIAL, -np.array(SPECIAL)])
    found = arrays.swings(starts, ends)
    assert np.allclose(found, [rotations.swing(*pair) for pair in zip(starts, ends, strict=True)], atol=1e-12)
    assert np.allclose(arrays.turned(found, starts), ends)
    assert np.allclose(np.linalg.det(found), 1.0)


def test_quaternions_turn_as_their_matrices_do() -> None:
    given = turns()
    w, x, y, z = np.moveaxis(arrays.quaternions(given), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    found = np.moveaxis(np.array(rows), -1, 0)
    assert np.allclose(found, given, atol=1e-12) and (w >= 0).all()
    assert np.allclose(w * w + x * x + y * y + z * z, 1.0)


def test_keys_take_the_short_way() -> None:
    angles = np.linspace(0.0, 4 * np.pi, 60)
    spin = arrays.abouts(np.tile([0.0, 0.0, 1.0], (60, 2, 1)), np.stack([angles, -angles], axis=1))
    rows = arrays.continuous(arrays.quaternions(spin))
    assert rows.shape == (60, 2, 4)
    assert np.linalg.norm(np.diff(rows, axis=0), axis=-1).max() < 0.11 and rows[:, :, 0].min() < -0.9
