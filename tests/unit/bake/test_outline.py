# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a picture is of a mesh as it stands, by their outlines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from models.common.bake.outline import outline_notes, stray_share
from models.common.bake.photo import frame_subject, pad_to_square
from models.common.raster.camera import Camera, orbit_camera, perspective
from models.step1x3d.texture.cameras import six_cameras
from tests.unit.bake.figure import build_figure, photograph

ARMS = (0.28, 0.08)  # x and y of their middles, see `build_figure`


@pytest.fixture(scope="module")
def shape() -> tuple[np.ndarray, np.ndarray]:
    return build_figure()


def picture_of(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """From the front, off the middle of an oblong picture: (300, 420, 4) uint8."""
    return np.pad(photograph(vertices, faces, six_cameras()[0], 300), ((0, 0), (100, 20), (0, 0)))


def with_arms_turned(vertices: np.ndarray, degrees: float) -> np.ndarray:
    """Both arms up, about the shoulders."""
    turned = vertices.astype(np.float64)
    for side in (-1, 1):
        arm = (np.abs(vertices[:, 0] - side * ARMS[0]) <= 0.16) & (np.abs(vertices[:, 1] - ARMS[1]) <= 0.051)
        angle = side * np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shoulder = np.array([side * 0.14, ARMS[1]])
        turned[arm, :2] = (turned[arm, :2] - shoulder) @ turn.T + shoulder
    return turned.astype(np.float32)


def test_the_right_picture_passes_without_a_word(shape: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, faces = shape
    picture = picture_of(*shape)
    assert outline_notes(picture, vertices, faces) == ()
    assert outline_notes(picture, vertices * 40 + np.float32([3, 9, -2]), faces) == ()
    assert outline_notes(np.ascontiguousarray(picture[::4, ::4]), vertices, faces) == ()


def test_another_lens_is_not_another_shape(shape: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, faces = shape
    camera = Camera(orbit_camera(0.0, 0.0, 3.0), perspective(np.radians(24.0), 0.1, 10.0))
    assert outline_notes(photograph(vertices, faces, camera, 300), vertices, faces) == ()


@pytest.mark.parametrize("degrees", [-40, -25, 25, 40])
def test_another_pose_is_told(shape: tuple[np.ndarray, np.ndarray], degrees: float) -> None:
    vertices, faces = shape
    (told,) = outline_notes(picture_of(*shape), with_arms_turned(vertices, degrees), faces)
    assert "another pose" in told and "wrong places" in told


def test_another_subject_and_another_side_are_told(shape: tuple[np.ndarray, np.ndarray]) -> None:
    vertices, faces = shape
    tower = np.zeros((200, 200, 4), np.uint8)
    tower[20:180, 90:110] = 255
    assert outline_notes(tower, vertices, faces)
    from_the_left = np.ascontiguousarray(vertices[:, [2, 1, 0]] * np.float32([-1, 1, 1]))
    assert outline_notes(picture_of(*shape), from_the_left, faces)


def test_what_the_mesh_has_beyond_the_picture_counts() -> None:
    board = trimesh.creation.box((4.0, 1.0, 0.1))
    square = np.zeros((100, 100, 4), np.uint8)
    square[:, :] = 255
    subject = pad_to_square(square)[..., 3] > 0
    vertices, faces = np.asarray(board.vertices, np.float32), np.asarray(board.faces, np.int32)
    # Of a board twice as wide as what is compared, with the square in its middle.
    assert stray_share(subject, vertices, faces, frame_subject(subject, vertices)) == pytest.approx(0.47, abs=0.01)


@pytest.mark.shared
def test_models_that_people_made(shared_root: Path) -> None:
    """Each with its own picture from the front, and with that of the next one."""
    folders = [path.parent for path in sorted((shared_root / "dev_assets").glob("*/mesh.glb"))]
    pictures = [cv2.imread(str(folder / "front_rgba.png"), cv2.IMREAD_UNCHANGED) for folder in folders]
    own, others = [], []
    for number, folder in enumerate(folders):
        mesh = trimesh.load(folder / "mesh.glb", force="mesh")
        vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
        own.append(bool(outline_notes(pictures[number], vertices, faces)))
        others.append(bool(outline_notes(pictures[number - 1], vertices, faces)))
    assert all(others)
    # A spider, whose legs reach toward the lens.
    assert [folder.name for folder, is_told in zip(folders, own, strict=True) if is_told] == ["quat_spider"]
