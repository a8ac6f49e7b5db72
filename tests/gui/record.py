# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the README's pictures of the panel from a real window: python -m tests.gui.record

Writes docs/pictures/panel.png and panel.gif, of the pictures in examples/ only.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

from .blender import EXAMPLES, ROOT, sit_down
from .chroot import Unavailable
from .screen import read_screen

_PICTURES = ROOT / "docs" / "pictures"
_PICTURE = "fox_kid.png"
_WINDOW_PX = (1440, 900)
_GIF_WIDTH_PX = 960
_GIF_COLOURS = 128
_FRAMES_PER_S = 5
_SPEED = 2
# A frame is shown at most so long, whatever Blender waited for.
_LONGEST_FRAME_MS = 400
_LAST_FRAME_MS = 2500


class Camera:
    """Films the lower part of a screen while the file `sign` exists. frames: (seconds, pixels), only what changed."""

    def __init__(self, screen: Path, sign: Path) -> None:
        self.frames: list[tuple[float, np.ndarray]] = []
        self._screen = screen
        self._sign = sign
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._film, daemon=True)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _film(self) -> None:
        while not self._is_over.wait(1 / _FRAMES_PER_S):
            if self._sign.exists():
                pixels = read_screen(self._screen)[-_WINDOW_PX[1] :]
                if not self.frames or (pixels != self.frames[-1][1]).any():
                    self.frames.append((time.monotonic(), pixels))


def write_gif(path: Path, frames: list[tuple[float, np.ndarray]]) -> None:
    """The film, small: one palette for all frames, no dithering, so that what stands still costs nothing."""
    height = round(_GIF_WIDTH_PX * _WINDOW_PX[1] / _WINDOW_PX[0])
    pictures = [
        Image.fromarray(pixels).resize((_GIF_WIDTH_PX, height), Image.Resampling.LANCZOS) for _, pixels in frames
    ]
    palette = Image.fromarray(_colours(pictures)).quantize(_GIF_COLOURS, method=Image.Quantize.MEDIANCUT)
    small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [moment for moment, _ in frames]
    shown = [min(round(1000 * (b - a) / _SPEED), _LONGEST_FRAME_MS) for a, b in itertools.pairwise(times)]
    small[0].save(
        path, save_all=True, append_images=small[1:], duration=[*shown, _LAST_FRAME_MS], loop=0, optimize=False
    )


def _colours(pictures: list[Image.Image]) -> np.ndarray:  # (1, colours, 3) uint8
    """The film's colours, each as often as the root of its count: a small bright figure counts beside much grey."""
    seen = np.concatenate([np.asarray(picture).reshape(-1, 3) for picture in pictures[:: max(1, len(pictures) // 8)]])
    colours, counts = np.unique(seen, axis=0, return_counts=True)
    return np.repeat(colours, np.ceil(np.sqrt(counts)).astype(int), axis=0)[None]


def main() -> int:
    """Take them; the exit code."""
    with tempfile.TemporaryDirectory(prefix="figurine-") as temporary:
        folder = Path(temporary)
        out = folder / "out"
        out.mkdir()
        sign = folder / "filming"
        shutil.copy(EXAMPLES / _PICTURE, folder)
        try:
            with sit_down(folder, out, _WINDOW_PX) as desk, Camera(desk.screen, sign) as camera:
                desk.play("film", "film", timeout_s=900, picture=str(folder / _PICTURE), sign=str(sign))
        except Unavailable as reason:
            print(f"record: {reason}", file=sys.stderr)
            return 1
        write_gif(_PICTURES / "panel.gif", camera.frames)
        Image.open(next(out.glob("*panel.png"))).quantize(255).save(_PICTURES / "panel.png", optimize=True)
    for name in ("panel.gif", "panel.png"):
        print(f"{name}: {(_PICTURES / name).stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
