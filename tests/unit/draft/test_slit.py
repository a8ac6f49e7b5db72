# SPDX-License-Identifier: GPL-3.0-or-later
"""Arms that hang against the trunk are cut free where the picture shows them, and nothing else is cut."""

import sys

import cv2
import igl
import numpy as np
import pytest
import trimesh

from models.draft.figure import find_figure
from models.draft.inflate import inflate
from models.draft.slit import cut, find_seams, measure_arms
from models.draft.surface import BodyMesh, build_mesh

SIDE = 512
SHIRT, SLEEVE, SKIN, TROUSERS = (200, 90, 60), (190, 80, 55), (230, 190, 160), (70, 80, 120)
LINE = (40, 30, 30)
ARM_X = 66  # of an arm's middle, from the axis; arms are 34 wide, the trunk 100


def draw(*, line: int = 4, arms: str = "hanging", tilt: int = 0) -> np.ndarray:  # (512, 512, 4) uint8
    """A doll with its arms against the trunk; `line`: width of the line around the arms, 0 for none."""
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    for side in (-1, 1):
        cv2.line(rgba, (256 + 28 * side, 340), (256 + 28 * side, 486), (*TROUSERS, 255), 40)
    cv2.rectangle(rgba, (206, 190), (306, 350), (*SHIRT, 255), -1)
    cv2.line(rgba, (206, 190), (306, 190), (*SHIRT, 255), 24)
    cv2.line(rgba, (256, 150), (256, 190), (*SKIN, 255), 40)
    cv2.circle(rgba, (256, 95), 70, (*SKIN, 255), -1)
    for side in (-1, 1):
        shoulder = (256 + (ARM_X - 4) * side, 196)
        hand = {"hanging": (256 + (ARM_X + tilt) * side, 336), "level": (256 + 200 * side, 196)}[arms]
        if line:
            cv2.line(rgba, shoulder, hand, (*LINE, 255), 34 + 2 * line)
        cv2.line(rgba, shoulder, hand, (*SLEEVE, 255), 34)
    cv2.rectangle(rgba, (214, 182), (298, 230), (*SHIRT, 255), -1)  # shoulders run into the trunk
    return rgba


def seams_of(rgba: np.ndarray) -> dict[str, np.ndarray]:
    body = inflate(rgba[..., 3], is_cut_flat=True)
    figure = find_figure(body)
    assert figure is not None
    return find_seams(rgba, body, figure)


def arms_of(alpha: np.ndarray) -> dict[str, float] | None:
    return measure_arms(inflate(alpha, is_cut_flat=True))


def count_parts(built: BodyMesh, y: float) -> int:
    """How many separate parts there are at a height, seen from the front."""
    x, z = np.meshgrid(np.linspace(-0.5, 0.5, 400), np.linspace(-0.3, 0.3, 121))
    points = np.stack([x.ravel(), np.full(x.size, y), z.ravel()], axis=1)
    winding = igl.fast_winding_number(built.vertices.astype(float), built.faces.astype(np.int64), points)
    is_solid = (winding.reshape(x.shape) > 0.5).any(axis=0)
    return int(np.diff(is_solid.astype(int)).clip(0).sum())


@pytest.mark.parametrize("tilt", [0, 6])
def test_the_seam_follows_the_line_between_arm_and_trunk(tilt: int) -> None:
    seams = seams_of(draw(tilt=tilt))
    assert set(seams) == {"L", "R"}
    for name, direction in (("L", 1), ("R", -1)):
        columns, rows = seams[name].T
        inner = ARM_X - 4 + (4 + tilt) * (rows - 196) / 140 - 17 - 2  # of the arm, and half the line
        middle = (rows > 240) & (rows < 330)
        assert np.abs((columns - 256) * direction - inner)[middle].max() < 5
        assert rows[0] > 210  # the shoulder stays whole
        assert rows[-1] > 330  # and the hand is free


def test_a_cut_lets_the_skeleton_find_the_arms() -> None:
    rgba = draw()
    assert arms_of(rgba[..., 3]) == {}
    cleared = cut(rgba[..., 3], list(seams_of(rgba).values()), 7.0)
    arms = arms_of(cleared)
    assert arms is not None and arms.keys() == {"L", "R"}
    assert min(arms.values()) > 0.2
    assert cleared.sum() > 0.95 * rgba[..., 3].sum()


@pytest.mark.parametrize("depth", [0.5, 1.0, 2.0])
def test_the_mesh_has_slits_beside_the_trunk_and_is_closed(monkeypatch: pytest.MonkeyPatch, depth: float) -> None:
    monkeypatch.setitem(sys.modules, "gpytoolbox.remesh_botsch", None)  # the quicker remesher
    built = build_mesh(draw(), depth=depth)
    mesh = trimesh.Trimesh(built.vertices, built.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert count_parts(built, -0.06) == 3  # arm, trunk, arm


@pytest.mark.parametrize(
    "rgba", [draw(line=0), draw(arms="level")], ids=["no line is seen", "the arms are free already"]
)
def test_nothing_is_cut_without_a_reason(rgba: np.ndarray) -> None:
    assert seams_of(rgba) == {}


def test_what_is_no_humanoid_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lamp of three shades with a line along its sides."""
    monkeypatch.setitem(sys.modules, "gpytoolbox.remesh_botsch", None)  # the quicker remesher
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    cv2.circle(rgba, (256, 60), 40, (200, 150, 80, 255), -1)
    for top, bottom, half in ((90, 130, 25), (130, 330, 100), (330, 490, 55)):
        cv2.rectangle(rgba, (256 - half, top), (256 + half, bottom), (200, 150, 80, 255), -1)
    for side in (-1, 1):
        cv2.line(rgba, (256 + 70 * side, 140), (256 + 70 * side, 329), (60, 40, 20, 255), 5)
    assert seams_of(rgba).keys() == {"L", "R"}
    built = build_mesh(rgba)
    assert count_parts(built, 0.0) == 1
