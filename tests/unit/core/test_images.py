# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading pictures: every accepted kind exactly, everything else one clear error."""

from __future__ import annotations

import hashlib
import io
import os
import random
import resource
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from inference_server.core.images import WORKING_SIDE_PX, decode_image, read_image
from inference_server.core.types import SourceImage
from inference_server.errors import FigurineError, ImageTooLarge, ImageUnreadable, UnsupportedMedia

LIMIT_MEGAPIXELS = 64.0
ORIENTATION_TAG = 0x0112


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def decode(content: bytes) -> SourceImage:
    return decode_image(content, "picture", LIMIT_MEGAPIXELS)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, color_type: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG file by hand; rows: every row after its filter byte."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows)) if rows else b""
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + data + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def figure(make_figure_picture: Callable[..., Image.Image]) -> Image.Image:
    """An RGBA figure on a clear ground, with a half-clear patch, twice as high as wide."""
    picture = make_figure_picture(96).resize((48, 96))
    picture.paste((250, 200, 0, 128), (0, 0, 12, 12))
    return picture


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_kinds_come_back_exactly(figure: Image.Image, kind: str) -> None:
    image = decode(encode(figure, kind, lossless=True, exact=True))
    np.testing.assert_array_equal(image.rgba, np.asarray(figure))
    assert image.notes == ()


@pytest.mark.parametrize(("kind", "has_alpha"), [("JPEG", False), ("WEBP", True), ("AVIF", True)])
def test_lossy_kinds_come_back_nearly(figure: Image.Image, kind: str, has_alpha: bool) -> None:
    flat = Image.new("RGBA", figure.size, (90, 140, 200, 255))
    source = figure if has_alpha else Image.alpha_composite(flat, figure).convert("RGB")
    image = decode(encode(source, kind, quality=95))
    wanted = np.asarray(source.convert("RGBA"), dtype=int)
    seen = wanted[..., 3:] == 255
    assert image.rgba.shape == (96, 48, 4)
    assert np.abs((image.rgba.astype(int) - wanted) * seen).mean() < 5
    assert np.abs(image.rgba[..., 3].astype(int) - wanted[..., 3]).mean() < 5


def test_the_digest_is_that_of_the_file(figure: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "ü figure.png"
    path.write_bytes(encode(figure, "PNG"))
    image = read_image(path, LIMIT_MEGAPIXELS)
    assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_suffix_does_not_count(figure: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "figure.txt"
    path.write_bytes(encode(figure, "PNG"))
    np.testing.assert_array_equal(read_image(path, LIMIT_MEGAPIXELS).rgba, np.asarray(figure))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_first_frame_of_an_animation_counts(kind: str) -> None:
    red, blue = (Image.new("RGB", (16, 16), color) for color in ((255, 0, 0), (0, 0, 255)))
    image = decode(encode(red, kind, save_all=True, append_images=[blue], duration=100))
    assert np.abs(image.rgba[8, 8].astype(int) - [255, 0, 0, 255]).max() < 12
    assert len(image.notes) == 1
    assert "first frame" in image.notes[0]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_palette_with_transparency(kind: str) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1])
    image = decode(encode(palette, kind, transparency=0))
    assert image.rgba[0, 0, 3] == 0
    np.testing.assert_array_equal(image.rgba[0, 1], [200, 100, 50, 255])


@pytest.mark.parametrize(
    ("mode", "value", "rgba"),
    [("L", 77, (77, 77, 77, 255)), ("1", 1, (255, 255, 255, 255)), ("LA", (9, 40), (9, 9, 9, 40))],
)
def test_greys(mode: str, value: int, rgba: tuple[int, ...]) -> None:
    image = decode(encode(Image.new(mode, (3, 3), value), "PNG"))
    np.testing.assert_array_equal(image.rgba[1, 1], rgba)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    levels = [0, 257, 32896, 65535]
    image = decode(png(4, 1, 16, 0, b"\0" + struct.pack(">4H", *levels)))
    np.testing.assert_array_equal(image.rgba[0, :, 0], [0, 1, 128, 255])
    np.testing.assert_array_equal(image.rgba[0, :, 3], 255)


def test_sixteen_bit_colour() -> None:
    image = decode(png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 65535, 32896, 0)))
    np.testing.assert_array_equal(image.rgba[0, 0], [255, 128, 0, 255])
    image = decode(png(1, 1, 16, 6, b"\0" + struct.pack(">4H", 65535, 32896, 0, 32896)))
    np.testing.assert_array_equal(image.rgba[0, 0], [255, 128, 0, 128])


def test_cmyk_jpeg() -> None:
    image = decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(image.rgba[8, 8].astype(int) - [255, 0, 0, 255]).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_camera_orientation_is_applied(kind: str, orientation: int) -> None:
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:8, :8] = (255, 0, 0)  # top left
    upright[8:, 24:] = (0, 0, 255)  # bottom right
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    image = decode(encode(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, quality=95))
    assert image.rgba.shape == (16, 32, 4)
    assert np.abs(image.rgba[4, 4, :3].astype(int) - [255, 0, 0]).max() < 40
    assert np.abs(image.rgba[12, 28, :3].astype(int) - [0, 0, 255]).max() < 40


def test_a_colour_profile_is_applied() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = bytearray(srgb)  # sRGB with red and blue exchanged: the two tags' names are
    red, blue = swapped.index(b"rXYZ"), swapped.index(b"bXYZ")
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    picture = Image.new("RGBA", (4, 4), (250, 10, 10, 90))
    np.testing.assert_array_equal(decode(encode(picture, "PNG", icc_profile=srgb)).rgba[0, 0], [250, 10, 10, 90])
    turned = decode(encode(picture, "PNG", icc_profile=bytes(swapped))).rgba[0, 0]
    assert turned[2] > 200
    assert turned[0] < 60
    assert turned[3] == 90
    ignored = decode(encode(picture, "PNG", icc_profile=linear.tobytes())).rgba[0, 0]
    np.testing.assert_array_equal(ignored, [250, 10, 10, 90])


def test_a_broken_colour_profile_is_ignored() -> None:
    picture = Image.new("RGB", (4, 4), (1, 2, 3))
    image = decode(encode(picture, "PNG", icc_profile=b"no profile at all"))
    np.testing.assert_array_equal(image.rgba[0, 0], [1, 2, 3, 255])


def test_one_pixel_is_read() -> None:
    np.testing.assert_array_equal(decode(encode(Image.new("RGBA", (1, 1), (1, 2, 3, 4)), "PNG")).rgba, [[[1, 2, 3, 4]]])


def test_large_pictures_are_reduced_with_a_note() -> None:
    wide = Image.new("RGB", (WORKING_SIDE_PX + 1000, 20), (10, 200, 30))
    image = decode(encode(wide, "PNG"))
    assert image.rgba.shape == (16, WORKING_SIDE_PX, 4)
    np.testing.assert_array_equal(image.rgba[5, 5], [10, 200, 30, 255])
    assert "reduced from 5096 × 20" in image.notes[0]


@pytest.mark.parametrize(
    ("width", "height"), [(30_000, 30_000), (8_001, 8_000), (2**31 - 1, 2**31 - 1), (65_000_001, 1)]
)
def test_a_header_above_the_limit_is_refused_without_decoding(width: int, height: int) -> None:
    announced = png(width, height, 8, 6, b"")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageTooLarge):
        decode(announced)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


def test_the_limit_is_the_callers() -> None:
    content = encode(Image.new("L", (100, 101)), "PNG")
    with pytest.raises(ImageTooLarge, match="100 × 101"):
        decode_image(content, "x", 0.01)
    assert decode_image(content, "x", 0.0101).rgba.shape == (101, 100, 4)


def test_a_file_too_large_to_be_a_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as stream:
        stream.truncate(513 << 20)  # a hole: takes no space
    with pytest.raises(ImageTooLarge, match="512 MiB"):
        read_image(path, LIMIT_MEGAPIXELS)


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "PPM", "TGA", "ICO", "PCX"])
def test_other_kinds_of_pictures_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMedia, match="not a picture"):
        decode(encode(Image.new("RGB", (32, 32), (1, 2, 3)), kind))


@pytest.mark.parametrize(
    "content",
    [b"8BPS\0\1" + bytes(60), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"just text\n", b"%PDF-1.7\n", b"\0" * 99],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        decode(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), kind)
    with pytest.raises((ImageUnreadable, UnsupportedMedia)):
        decode(content[: int(len(content) * share)])


def test_a_header_that_lies_about_the_size_is_refused() -> None:
    honest = png(4, 4, 8, 2, (b"\0" + bytes(12)) * 4)
    assert decode(honest).rgba.shape == (4, 4, 4)
    with pytest.raises(ImageUnreadable):
        decode(png(400, 400, 8, 2, (b"\0" + bytes(12)) * 4))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, word in (
        (tmp_path / "missing.png", "does not exist"),
        (tmp_path, "is a folder"),
        (empty, "zero bytes"),
        (fifo, "no regular file"),
        (empty / "inside.png", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
        (Path("null\0byte.png"), "cannot be read"),
    ):
        with pytest.raises(ImageUnreadable, match=word) as caught:
            read_image(path, LIMIT_MEGAPIXELS)
        assert caught.value.hint


@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF"]))
def test_random_bytes_raise_only_errors_of_the_tree(tail: bytes, signature: bytes) -> None:
    try:
        decode(signature + tail)
    except FigurineError as error:
        assert error.exit_code == 2


def test_damaged_files_raise_only_errors_of_the_tree() -> None:
    """Every kind, with bytes changed, removed, added and cut off."""
    rng = random.Random(11)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 4), dtype=np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    animated = {"save_all": True, "append_images": [noise.rotate(90)]}
    seeds = [
        encode(noise, "PNG", exif=exif),
        encode(noise, "PNG", **animated),
        encode(noise.convert("RGB"), "JPEG", exif=exif),
        encode(noise, "WEBP", **animated),
        encode(noise, "AVIF"),
        encode(noise.convert("P"), "GIF", save_all=True, append_images=[noise.resize((9, 30)).convert("P")]),
    ]
    outcomes = {"read": 0, "refused": 0}
    for turn in range(1500):
        content = bytearray(seeds[turn % len(seeds)])
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            place = rng.randrange(len(content))
            kind = rng.random()
            if kind < 0.75:
                content[place] = rng.randrange(256)
            elif kind < 0.85:
                del content[place : place + rng.randrange(1, 8)]
            else:
                content[place:place] = rng.randbytes(rng.randrange(1, 5))
        if rng.random() < 0.1:
            del content[rng.randrange(1, len(content)) :]
        try:
            decode(bytes(content))
            outcomes["read"] += 1
        except FigurineError as error:
            assert error.exit_code == 2
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100
