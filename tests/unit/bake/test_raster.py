# SPDX-License-Identifier: GPL-3.0-or-later
"""The rasteriser's backends against their readable twin, and all of them against what must be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.common.raster import rasterize as entry
from models.common.raster.batched import rasterize_batched
from models.common.raster.camera import (
    Camera,
    orbit_camera,
    orthographic,
    perspective,
    place_camera,
    to_window,
    uv_to_window,
)
from models.common.raster.compiled import interpolate_compiled, rasterize_compiled
from models.common.raster.fragments import NOTHING, Fragments
from models.common.raster.jit import compile_loop
from models.common.raster.plain import interpolate_plain, rasterize_plain
from models.common.raster.rasterize import RasterRules, faces_viewer, interpolate, rasterize

BACKENDS: dict[str, Callable[..., Fragments]] = {"compiled": rasterize_compiled, "batched": rasterize_batched}
# A centre within rounding of an edge may fall to either side's face; nothing else may differ.
MOST_FLIPS = 1e-4


def blobs(count: int = 60, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of all sizes that run through each other: vertices within ±0.5 and faces."""
    generator = np.random.default_rng(seed)
    centers = generator.uniform(-0.4, 0.4, (count, 1, 3))
    reach = generator.uniform(0.003, 0.4, (count, 1, 1))
    vertices = centers + generator.normal(size=(count, 3, 3)) * reach
    return vertices.reshape(-1, 3).astype(np.float32), np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


VIEWS = {
    "orthographic": Camera(orbit_camera(0.4, 0.3, 1.8), orthographic(0.55, 0.1, 100.0)),
    "perspective": Camera(orbit_camera(-0.7, -0.2, 2.5), perspective(0.6, 0.1, 10.0)),
}


@pytest.mark.parametrize("depth_steps", [0.0, 2000.0])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backend_draws_what_its_twin_draws(backend: str, view: str, depth_steps: float) -> None:
    vertices, faces = blobs()
    window = to_window(vertices, VIEWS[view], 130, 170)
    expected = rasterize_plain(window, faces, 130, 170, depth_steps)
    found = BACKENDS[backend](window, faces, 130, 170, depth_steps)
    same = found.face == expected.face
    assert expected.covered.mean() > 0.3
    assert (~same).mean() <= MOST_FLIPS
    assert np.abs(found.barycentric - expected.barycentric)[same].max() < 1e-6
    shared = same & expected.covered
    assert np.abs(found.depth[shared] - expected.depth[shared]).max() < 1e-6
    assert found.barycentric.dtype == found.depth.dtype == np.float32 and found.face.dtype == np.int32


def test_a_portion_that_ends_within_a_face_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    window = to_window(blobs()[0], VIEWS["orthographic"], 64, 64)
    faces = blobs()[1]
    whole = rasterize_batched(window, faces, 64, 64, 0.0)
    monkeypatch.setattr("models.common.raster.batched.PAIRS_A_PORTION", 333)
    assert (rasterize_batched(window, faces, 64, 64, 0.0).face == whole.face).all()


def test_interpolation_is_that_of_the_twin() -> None:
    vertices, faces = blobs()
    drawn = rasterize(to_window(vertices, VIEWS["perspective"], 90, 70), faces, 90, 70)
    values = np.random.default_rng(5).normal(size=(len(vertices), 5)).astype(np.float32)
    expected = interpolate_plain(drawn, faces, values)
    assert np.abs(interpolate_compiled(drawn, faces, values) - expected).max() < 1e-6
    assert not expected[~drawn.covered].any()


@pytest.mark.parametrize("view", VIEWS)
def test_places_found_through_pixels_project_back_onto_them(view: str) -> None:
    vertices, faces = blobs()
    drawn = rasterize(to_window(vertices, VIEWS[view], 80, 80), faces, 80, 80)
    rows, columns = np.nonzero(drawn.covered)
    back = to_window(interpolate(drawn, faces, vertices)[rows, columns], VIEWS[view], 80, 80)
    assert np.abs(back[:, :2] - np.stack([columns, rows], axis=1) - 0.5).max() < 1e-3
    assert np.abs(back[:, 2] - drawn.depth[rows, columns]).max() < 1e-5


def test_a_closed_sheet_has_no_cracks_and_each_sample_one_face() -> None:
    """A grid whose edges run through pixel centres: the hardest place for rounding."""
    steps = np.linspace(0.5, 63.5, 22)
    columns, rows = np.meshgrid(steps, steps)
    window = np.stack([columns.ravel(), rows.ravel(), np.zeros(484), np.ones(484)], axis=1)
    corner = (np.arange(21)[:, None] * 22 + np.arange(21)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 22], axis=1),
            np.stack([corner + 1, corner + 23, corner + 22], axis=1),
        ]
    ).astype(np.int32)
    for drawn in (rasterize_plain(window, faces, 64, 64, 0.0), rasterize(window, faces, 64, 64)):
        assert drawn.covered.all()
        assert np.abs(drawn.barycentric.sum(axis=-1) - 1.0).max() < 1e-6


@pytest.mark.parametrize("backend", ["plain", *BACKENDS])
def test_of_equally_near_faces_the_first_is_seen(backend: str) -> None:
    draw = BACKENDS.get(backend, rasterize_plain)
    window = np.array(
        [[0, 0, 0.5, 1], [8, 0, 0.5, 1], [0, 8, 0.5, 1], [0, 0, 0.501, 1], [8, 0, 0.501, 1], [0, 8, 0.501, 1.0]]
    )
    faces = np.array([[3, 4, 5], [0, 1, 2]], np.int32)
    assert set(np.unique(draw(window, faces, 8, 8, 0.0).face)) == {NOTHING, 1}
    assert set(np.unique(draw(window, faces, 8, 8, 10.0).face)) == {NOTHING, 0}


def test_backs_and_faces_behind_the_viewer_are_left_out_and_names_stay() -> None:
    vertices = np.array([[-1, -1, 0], [1, -1, 0], [0, 1, 0], [-1, -1, -5], [1, -1, -5], [0, 1, -5]], np.float32)
    faces = np.array([[3, 4, 5], [0, 2, 1], [0, 1, 2]], np.int32)
    camera = Camera(
        place_camera(np.array([0, 0, -3.0]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])), perspective(1.2, 0.1, 9)
    )
    assert set(np.unique(rasterize(to_window(vertices, camera, 32, 32), faces, 32, 32).face)) == {NOTHING, 0}
    front = Camera(orbit_camera(0.0, 0.0, 3.0), perspective(1.2, 0.1, 9))
    window = to_window(vertices, front, 32, 32)
    assert faces_viewer(window, faces).tolist() == [True, False, True]
    assert set(np.unique(rasterize(window, faces[:2], 32, 32).face)) == {NOTHING, 1}
    culled = rasterize(window, faces, 32, 32, RasterRules(culls_back=True))
    assert set(np.unique(culled.face)) == {NOTHING, 2}


def test_a_mesh_outside_the_picture_and_faces_without_area_draw_nothing() -> None:
    window = np.array([[-9, -9, 0, 1], [-5, -9, 0, 1], [-5, -2, 0, 1], [2, 2, 0, 1], [6, 6, 0, 1], [4, 4, 0, 1.0]])
    faces = np.array([[0, 1, 2], [3, 4, 5], [3, 3, 3]], np.int32)
    for draw in (rasterize_plain, *BACKENDS.values()):
        assert not draw(window, faces, 8, 8, 0.0).covered.any()
        assert not draw(window, faces[:0], 8, 8, 0.0).covered.any()


def test_texture_space_has_its_origin_bottom_left() -> None:
    drawn = rasterize(uv_to_window(np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]), 8), np.array([[0, 1, 2]]), 8, 8)
    assert drawn.covered[7, 0] and not drawn.covered[0, 0] and not drawn.covered[7, 7]


def test_without_numba_torch_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = blobs()
    window = to_window(vertices, VIEWS["orthographic"], 64, 64)
    expected = rasterize(window, faces, 64, 64)
    monkeypatch.setattr(entry.importlib.util, "find_spec", lambda name: None if name == "numba" else name)
    assert entry.pick_backend() == "batched"
    assert (rasterize(window, faces, 64, 64).face == expected.face).all()


def test_without_torch_too_numpy_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = blobs()
    window = to_window(vertices, VIEWS["orthographic"], 64, 64)
    expected = rasterize(window, faces, 64, 64)
    monkeypatch.setattr(entry.importlib.util, "find_spec", lambda name: None)
    assert entry.pick_backend() == "plain"
    assert (rasterize(window, faces, 64, 64).face == expected.face).all()


def test_a_loop_that_cannot_be_kept_is_compiled_all_the_same() -> None:
    scope: dict[str, Callable[[float], float]] = {}
    exec(compile("def double(x):\n    return 2 * x", "<no file>", "exec"), scope)
    assert compile_loop(scope["double"])(21.0) == 42.0


def test_compiled_loops_are_kept_where_the_user_says(tmp_path: Path) -> None:
    script = (
        "import numpy as np\nfrom models.common.raster.rasterize import rasterize\n"
        "rasterize(np.array([[0, 0, 0, 1], [4, 0, 0, 1], [0, 4, 0, 1.0]]), np.array([[0, 1, 2]], np.int32), 4, 4)"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=True, timeout=120)
    assert list(tmp_path.rglob("compiled._draw_band*.nbc"))
