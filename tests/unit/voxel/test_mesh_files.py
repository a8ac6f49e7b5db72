# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY, OBJ and STL of painted faces, read by a library that shares nothing with the writers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from blender_addon.voxel.errors import PaletteInvalid
from blender_addon.voxel.mesh_files import PaintedFaces, obj_files, ply_bytes, png_bytes, stl_bytes

# A house: square walls and floor, triangular gables, two rectangles of roof.
CORNERS = [(x, y, z) for x in (0, 2) for y in (0, 3) for z in (0, 1)] + [(1, 0, 2), (1, 3, 2)]
FACES = [[0, 2, 6, 4], [0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 8, 1], [2, 3, 9, 7, 6], [1, 8, 9, 3], [5, 7, 9, 8]]
VOLUME = 2 * 3 * 1 + 2 * 1 / 2 * 3


def house() -> PaintedFaces:
    """Every face in another colour."""
    colours = np.array([[face * 30, 255 - face * 30, 17] for face in range(len(FACES))], np.uint8)
    corners = np.array([corner for face in FACES for corner in face])
    return PaintedFaces(np.array(CORNERS, float), corners, np.array([len(face) for face in FACES]), colours)


def planes_and_colours(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray) -> dict[tuple, tuple]:
    """Normal and distance of each triangle's plane → its colour."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    key = np.round(np.c_[normal, np.einsum("ij,ij->i", normal, corners[:, 0])], 4) + 0.0
    return {tuple(plane): tuple(colour) for plane, colour in zip(key.tolist(), colours.tolist(), strict=True)}


def wanted() -> dict[tuple, tuple]:
    painted = house()
    firsts = np.array([face[:3] for face in FACES])
    return planes_and_colours(painted.vertices, firsts, painted.colours)


def test_a_ply_gives_every_face_its_colour_where_faces_share_corners() -> None:
    mesh = trimesh.load(io.BytesIO(ply_bytes(house())), file_type="ply", process=False)
    colours = mesh.visual.vertex_colors[mesh.faces][:, :, :3]
    assert (colours == colours[:, :1]).all()
    assert planes_and_colours(mesh.vertices, mesh.faces, colours[:, 0]) == wanted()
    assert mesh.volume == pytest.approx(VOLUME)


def test_a_ply_shares_the_corners_of_faces_of_one_colour() -> None:
    plain = house()
    plain = PaintedFaces(plain.vertices, plain.corners, plain.sizes, np.full_like(plain.colours, 9))
    mesh = trimesh.load(io.BytesIO(ply_bytes(plain)), file_type="ply", process=False)
    assert len(mesh.vertices) == len(CORNERS)
    assert mesh.is_watertight


def test_an_obj_stands_upright_and_finds_its_palette(tmp_path: Path) -> None:
    for name, content in obj_files(house(), "house").items():
        (tmp_path / name).write_bytes(content)
    assert {path.name for path in tmp_path.iterdir()} == {"house.obj", "house.mtl", "house_palette.png"}
    mesh = trimesh.load(tmp_path / "house.obj", process=False)
    np.testing.assert_allclose(mesh.bounds, [[0, 0, -3], [2, 2, 0]])
    texels = np.asarray(mesh.visual.material.image.convert("RGB"))
    uv = mesh.visual.uv[mesh.faces[:, 0]]
    colours = texels[((1 - uv[:, 1]) * 16).astype(int), (uv[:, 0] * 16).astype(int)]
    upright = mesh.vertices[:, [0, 2, 1]] * (1, -1, 1)
    assert planes_and_colours(upright, mesh.faces, colours) == wanted()
    assert mesh.volume == pytest.approx(VOLUME)


def test_more_colours_than_a_palette_holds_are_refused() -> None:
    square = np.tile(np.arange(4), 256)
    colours = np.stack([np.arange(256), np.zeros(256), np.zeros(256)], axis=1).astype(np.uint8)
    many = PaintedFaces(np.array(CORNERS, float), square, np.full(256, 4), colours)
    with pytest.raises(PaletteInvalid, match="256 colours"):
        obj_files(many, "many")
    assert ply_bytes(many)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_an_stl_is_closed_and_looks_outwards(scale: float) -> None:
    mesh = trimesh.load(io.BytesIO(stl_bytes(house(), scale)), file_type="stl")
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(VOLUME * scale**3, rel=1e-5)
    np.testing.assert_allclose(mesh.bounds, np.array([[0, 0, 0], [2, 3, 2]]) * scale)


def test_a_picture_is_read_again() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    with Image.open(io.BytesIO(png_bytes(image))) as picture:
        picture.load()
        np.testing.assert_array_equal(np.asarray(picture), image)
        assert picture.mode == "RGB"
