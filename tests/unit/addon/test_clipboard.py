# SPDX-License-Identifier: GPL-3.0-or-later
"""Text on the clipboard that names a picture, and programs that print a picture."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from blender_addon.clipboard import PictureReader, picture_path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
PRINT_PNG = (sys.executable, "-c", f"import sys; sys.stdout.buffer.write({PNG!r})")
PRINT_TEXT = (sys.executable, "-c", "print('no picture')")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/home/ana/fox.png", "/home/ana/fox.png"),
        ("  /home/ana/my fox.PNG\n", "/home/ana/my fox.PNG"),
        ('"/home/ana/fox.webp"', "/home/ana/fox.webp"),
        ("'/home/ana/fox.jpg'", "/home/ana/fox.jpg"),
        ("file:///home/ana/my%20fox.png", "/home/ana/my fox.png"),
        ("FILE:///home/ana/fox.png", "/home/ana/fox.png"),
        ("file://localhost/home/ana/fox.png", "/home/ana/fox.png"),
        ("file:///C:/Users/Ana/fox.png", "C:/Users/Ana/fox.png"),
        ("file://nas/pictures/fox.png", "//nas/pictures/fox.png"),
        ("file:///home/f%C3%BCchsin.png\r\nfile:///home/other.png\r\n", "/home/füchsin.png"),
        ("copy\nfile:///home/ana/fox.gif", "/home/ana/fox.gif"),
        ("fox.avif", "fox.avif"),
        ("C:\\Users\\Ana\\fox.jpeg", "C:\\Users\\Ana\\fox.jpeg"),
    ],
)
def test_a_text_that_names_a_picture(text: str, path: str) -> None:
    assert picture_path(text) == Path(path)


def test_a_path_from_home_is_expanded() -> None:
    assert picture_path("~/fox.png") == Path.home() / "fox.png"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "/home/ana/fox.blend",
        "https://example.org/fox.png",
        "/home/\0fox.png",
        "x" * 5000 + ".png",
        "file:",
    ],
)
def test_a_text_that_names_none(text: str) -> None:
    assert picture_path(text) is None


def test_the_first_program_with_a_picture_counts(tmp_path: Path) -> None:
    target = tmp_path / "new" / "Pasted.png"
    reader = PictureReader([("figurine-no-such-program",), PRINT_TEXT, PRINT_PNG], target)
    reader.join()
    assert reader.is_done
    assert reader.picture == target
    assert target.read_bytes() == PNG


def test_without_a_picture_nothing_is_written(tmp_path: Path) -> None:
    reader = PictureReader([PRINT_TEXT], tmp_path / "Pasted.png")
    reader.join()
    assert (reader.is_done, reader.picture, reader.problem) == (True, None, "")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_kept_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    reader = PictureReader([PRINT_PNG], tmp_path / "file" / "Pasted.png")
    reader.join()
    assert reader.picture is None
    assert reader.problem
