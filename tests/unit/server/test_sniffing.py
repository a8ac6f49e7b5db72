# SPDX-License-Identifier: GPL-3.0-or-later
"""The first bytes of pictures, and values held against types."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from PIL import Image

from inference_server.api.uploads import sniff_picture
from inference_server.core.chains import PICTURE_FORMATS
from inference_server.core.hints import describe, fits


@pytest.mark.parametrize("name", PICTURE_FORMATS)
def test_what_pillow_writes_is_known_by_its_first_bytes(name: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 30, 30)).save(stream, name)
    assert sniff_picture(stream.getvalue()[:64]) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf", "AVIF"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heicavif", None),
        (b"\x00\x00\x00\x14ftypheic\x00\x00\x00\x00heic", None),
        (b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00avi1", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"GIF88a", None),
        (b"\x89PNG\n", None),
        (b"SIMPLE  =", None),
        (b"%PDF-1.7", None),
        (b"<svg/>", None),
        (b"", None),
    ],
)
def test_known_heads(head: bytes, name: str | None) -> None:
    assert sniff_picture(head) == name


@pytest.mark.parametrize(
    ("value", "hint", "is_fit"),
    [
        (1, int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        (True, float, False),
        ("1", float, False),
        (None, float | None, True),
        ("x", Literal["x", "y"], True),
        ("z", Literal["x", "y"], False),
        (["x"], Literal["x", "y"], False),
        ({"a": 1}, Mapping[str, int], True),
        ({"a": "1"}, Mapping[str, int], False),
        ({"b": 1}, Mapping[Literal["a"], int], False),
        ([], Mapping[str, int], False),
        ({"a": [1]}, Mapping[str, Any], True),
    ],
)
def test_only_what_fits_fits(value: object, hint: Any, is_fit: bool) -> None:
    assert fits(value, hint) == is_fit


def test_types_are_described_in_words() -> None:
    assert describe(float | None) == "a number or null"
    words = describe(Mapping[Literal["a", "b"], int])
    assert words == "an object whose keys are one of a, b and whose values are a whole number"
