# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut-out subjects put before backgrounds that we make: what a photographed or exported picture looks like.

Everything is drawn from a generator that the picture's number seeds, so that a picture is the same on every run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from models.draft.framing import resize_rgba, subject_bounds

SIDE_PX = 1024
SUBJECT_SHARE = 0.82  # of the side: the longer side of the subject's box
NOISE_SIGMA = 1.5  # grey levels: a camera's
JPEG_QUALITY = 90
FLAT_COLORS = ((128, 128, 128), (205, 205, 205), (70, 110, 190), (60, 170, 80), (222, 205, 178), (38, 38, 44))
ROOMS = (  # wall and floor
    ((226, 220, 208), (150, 112, 78)),
    ((188, 200, 206), (120, 118, 116)),
    ((240, 240, 236), (205, 196, 182)),
    ((120, 138, 124), (84, 66, 54)),
    ((206, 178, 168), (172, 160, 150)),
)
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "brick", "grass", "gravel", "hubble_deep_field")

Background = Callable[[int, np.random.Generator, np.ndarray], np.ndarray]


def load_subjects(folder: Path, *, is_quick: bool) -> dict[str, np.ndarray]:
    """(H, W, 4) uint8 of every picture that brings its own alpha; every fifth when quick."""
    subjects = {}
    for path in sorted(folder.glob("*.png"))[:: 5 if is_quick else 1]:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture.ndim == 3 and picture.shape[2] == 4 and (picture[..., 3] < 12).mean() >= 0.01:
            subjects[path.stem] = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
    return subjects


def place(subject: np.ndarray) -> np.ndarray:  # (H, W, 4) uint8 -> (SIDE_PX, SIDE_PX, 4) uint8
    """The subject alone, centred at SUBJECT_SHARE of the square."""
    left, top, right, bottom = subject_bounds(subject)
    crop = subject[top:bottom, left:right]
    scale = SUBJECT_SHARE * SIDE_PX / max(crop.shape[:2])
    height, width = (round(side * scale) for side in crop.shape[:2])
    y, x = (SIDE_PX - height) // 2, (SIDE_PX - width) // 2
    square = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    square[y : y + height, x : x + width] = resize_rgba(crop, width, height)
    return square


def compose(placed: np.ndarray, kind: str, number: int) -> np.ndarray:  # (S, S, 4) uint8 -> (S, S, 4) uint8
    """The subject before a background of that kind: opaque, with noise, through JPEG."""
    generator = np.random.default_rng([number, *kind.encode()])
    back = BACKGROUNDS[kind](number, generator, placed[..., 3])
    share = placed[..., 3:].astype(np.float32) / 255.0
    rgb = placed[..., :3] * share + back * (1.0 - share)
    rgb = np.clip(rgb + generator.normal(0.0, NOISE_SIGMA, rgb.shape), 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    rgb = cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1]
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def _white(number: int, generator: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    return np.full((SIDE_PX, SIDE_PX, 3), 255.0, np.float32)


def _flat(number: int, generator: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    return np.full((SIDE_PX, SIDE_PX, 3), FLAT_COLORS[number % len(FLAT_COLORS)], np.float32)


def _studio(number: int, generator: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """A backdrop lit from above, darker to the corners, and a shadow under the subject."""
    y, x = _grid()
    color = np.array(((214, 214, 218), (232, 226, 216), (176, 188, 204))[number % 3], np.float32)
    light = 1.0 - generator.uniform(0.08, 0.22) * (y + 1) / 2 - generator.uniform(0.06, 0.16) * (x**2 + y**2) / 2
    return color * (light * _contact_shadow(alpha, generator.uniform(0.25, 0.45)))[..., None]


def _room(number: int, generator: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """A wall, a floor that begins behind the subject, plaster and grain, daylight from a side, and a shadow."""
    y, x = _grid()
    wall, floor = (np.array(color, np.float32) for color in ROOMS[number % len(ROOMS)])
    horizon = generator.uniform(0.25, 0.6) + generator.uniform(-0.06, 0.06) * x
    is_floor = np.clip((y - horizon) * SIDE_PX / 4.0 + 0.5, 0.0, 1.0)[..., None]
    plaster = _smooth_noise(generator, 24.0)[..., None] * 3.0
    grain = cv2.resize(_smooth_noise(generator, 3.0), (SIDE_PX, SIDE_PX // 8))
    grain = cv2.resize(grain, (SIDE_PX, SIDE_PX))[..., None] * 3.0
    light = (1.0 + generator.uniform(-0.14, 0.14) * x)[..., None]
    back = (wall + plaster) * (1.0 - is_floor) + (floor + grain) * is_floor
    return back * light * _contact_shadow(alpha, generator.uniform(0.25, 0.45))[..., None]


def _busy(number: int, generator: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    photo = getattr(data, PHOTOS[number % len(PHOTOS)])()
    photo = np.dstack([photo] * 3) if photo.ndim == 2 else photo
    side = min(photo.shape[:2])
    return cv2.resize(photo[:side, :side], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _bokeh(number: int, generator: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(_busy(number, generator, alpha), (0, 0), generator.uniform(14.0, 26.0))


def _grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-1 : 1 : SIDE_PX * 1j, -1 : 1 : SIDE_PX * 1j].astype(np.float32)
    return y, x


def _smooth_noise(generator: np.random.Generator, sigma_px: float) -> np.ndarray:
    noise = cv2.GaussianBlur(generator.normal(size=(SIDE_PX, SIDE_PX)).astype(np.float32), (0, 0), sigma_px)
    return noise / noise.std()


def _contact_shadow(alpha: np.ndarray, depth: float) -> np.ndarray:
    """A factor: a soft ellipse where the subject stands: (S, S) float32."""
    rows, columns = np.flatnonzero((alpha > 127).any(axis=1)), np.flatnonzero((alpha > 127).any(axis=0))
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    across = (x - columns.mean()) / (0.55 * len(columns))
    along = (y - rows[-1]) / (0.06 * SIDE_PX)
    return 1.0 - depth * np.exp(-(across**2) - along**2)


BACKGROUNDS: dict[str, Background] = {
    "white": _white,
    "flat": _flat,
    "studio": _studio,
    "room": _room,
    "bokeh": _bokeh,
    "busy": _busy,
}
