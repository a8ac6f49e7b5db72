# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask beside the picture: it becomes the alpha, or is refused in one sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference_server.core.digest import digest
from inference_server.core.masks import decode_mask, read_mask
from inference_server.core.types import SourceImage
from inference_server.errors import FigurineError, ImageTooLarge, ImageUnreadable, MaskInvalid, UnsupportedMedia

LIMIT_MEGAPIXELS = 1.0
HEIGHT, WIDTH = 30, 40
ALPHA = np.zeros((HEIGHT, WIDTH), np.uint8)
ALPHA[5:25, 10:30] = 255
ALPHA[4, 10:30] = 96  # a soft edge


@pytest.fixture
def source() -> SourceImage:
    rgba = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    rgba[..., 0] = np.arange(WIDTH)
    return SourceImage(rgba, "of the picture", ("a note",))


def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def painted(color: tuple[int, int, int]) -> Image.Image:
    """Opaque, of that colour where the subject is."""
    return Image.fromarray((ALPHA[..., None] / 255.0 * color).round().astype(np.uint8))


GOOD: dict[str, Image.Image] = {
    "grey": Image.fromarray(ALPHA),
    "grey of 16 bits": Image.fromarray(ALPHA.astype(np.uint16) * 257),
    "white": painted((255, 255, 255)),
    "painted in red": painted((255, 0, 0)),
    "an opaque alpha": Image.fromarray(np.dstack([ALPHA, ALPHA, ALPHA, np.full_like(ALPHA, 255)])),
    "alpha of a cut-out, dark inside": Image.fromarray(np.dstack([np.zeros((HEIGHT, WIDTH, 3), np.uint8), ALPHA])),
}


@pytest.mark.parametrize("name", GOOD)
def test_it_becomes_the_alpha(name: str, source: SourceImage) -> None:
    masked = decode_mask(source, encode(GOOD[name]), LIMIT_MEGAPIXELS)
    assert np.array_equal(masked.rgba[..., 3], ALPHA)
    assert np.array_equal(masked.rgba[..., :3], source.rgba[..., :3])
    assert (masked.sha256, masked.notes, masked.has_mask) == (source.sha256, source.notes, True)


def test_one_of_one_bit(source: SourceImage) -> None:
    masked = decode_mask(source, encode(Image.fromarray(ALPHA).convert("1", dither=0)), LIMIT_MEGAPIXELS)
    assert np.array_equal(masked.rgba[..., 3], np.where(ALPHA >= 128, 255, 0))


def test_it_replaces_the_alpha_of_the_picture_and_counts_in_its_digest(source: SourceImage) -> None:
    transparent = SourceImage(np.dstack([source.rgba[..., :3], ALPHA]), source.sha256, source.notes)
    masked = decode_mask(transparent, encode(Image.fromarray(255 - ALPHA)), LIMIT_MEGAPIXELS)
    assert np.array_equal(masked.rgba[..., 3], 255 - ALPHA)
    same = decode_mask(transparent, encode(Image.fromarray(ALPHA)), LIMIT_MEGAPIXELS)
    assert len({digest(image) for image in (transparent, masked, same)}) == 3


REFUSED: dict[str, tuple[Callable[[], bytes], type[FigurineError], str]] = {
    "of another size": (
        lambda: encode(Image.fromarray(ALPHA).resize((20, 15))),
        MaskInvalid,
        "20 × 15 pixels, and the picture is 40 × 30",
    ),
    "turned": (lambda: encode(Image.fromarray(ALPHA.T.copy())), MaskInvalid, "30 × 40 pixels"),
    "all black": (lambda: encode(Image.new("L", (WIDTH, HEIGHT), 0)), MaskInvalid, "marks no subject"),
    "all clear": (lambda: encode(Image.new("RGBA", (WIDTH, HEIGHT), 0)), MaskInvalid, "marks no subject"),
    "faint": (lambda: encode(Image.new("L", (WIDTH, HEIGHT), 127)), MaskInvalid, "marks no subject"),
    "all white": (lambda: encode(Image.new("L", (WIDTH, HEIGHT), 255)), MaskInvalid, "the whole picture"),
    "cut off": (lambda: encode(painted((255, 255, 255)))[:60], ImageUnreadable, "The mask is damaged"),
    "no picture": (lambda: b"a mask", UnsupportedMedia, "The mask is not a picture"),
    "too large": (lambda: encode(Image.new("L", (2000, 2000))), ImageTooLarge, "The mask is 2000 × 2000"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_sentence(name: str, source: SourceImage) -> None:
    content, error, words = REFUSED[name]
    with pytest.raises(error) as caught:
        decode_mask(source, content(), LIMIT_MEGAPIXELS)
    assert words in caught.value.message
    assert caught.value.hint


def test_a_file_is_called_by_its_path(source: SourceImage, tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    with pytest.raises(ImageUnreadable, match=r"mask\.png does not exist"):
        read_mask(source, path, LIMIT_MEGAPIXELS)
    path.write_bytes(encode(Image.new("L", (8, 8), 255)))
    with pytest.raises(MaskInvalid, match=r"mask\.png is 8 × 8 pixels"):
        read_mask(source, path, LIMIT_MEGAPIXELS)
    path.write_bytes(encode(Image.fromarray(ALPHA)))
    assert read_mask(source, path, LIMIT_MEGAPIXELS).has_mask
