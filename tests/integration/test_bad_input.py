# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: exit code 2, one clear sentence, nothing left behind."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.jobs import ROOT, assert_refused, figurine, share_stages

EXAMPLE = ROOT / "examples/adventurer.png"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, the configured one for this test."""
    folder = tmp_path / "home"
    monkeypatch.setenv("FIGURINE_HOME", str(folder))
    return folder


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and has next to no picture data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(b"\0"))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    """File content and a word of the sentence, by case."""
    sound = EXAMPLE.read_bytes()
    lying = bytearray(encoded(np.full((64, 64, 4), 200, np.uint8)))
    lying[16:24] = struct.pack(">II", 4000, 4000)
    lying[29:33] = struct.pack(">I", zlib.crc32(bytes(lying[12:29])))
    return {
        "not a picture": (b"Dear artist, this is a letter." * 40, "not a picture"),
        "header that lies": (bytes(lying), "damaged"),
        "zero bytes": (b"", "zero bytes"),
        "one pixel": (encoded(np.full((1, 1, 4), 255, np.uint8)), ""),
        "above 64 megapixels by its header": (png_header(30000, 30000), "megapixels"),
        "all clear": (encoded(np.zeros((256, 256, 4), np.uint8)), "transparent"),
        "flat grey": (encoded(np.full((256, 256, 3), 128, np.uint8)), ""),
        "truncated": (sound[: len(sound) // 2], "damaged"),
        "truncated jpeg": (encoded(np.tile(np.arange(256, dtype=np.uint8), (256, 1)), "JPEG")[:400], "damaged"),
        "tiff": (encoded(np.full((64, 64, 3), 90, np.uint8), "TIFF"), "PNG, JPEG, WebP, AVIF or GIF"),
        "bmp": (encoded(np.full((64, 64, 3), 90, np.uint8), "BMP"), "PNG, JPEG, WebP, AVIF or GIF"),
    }


@pytest.mark.parametrize("case", bad_pictures())
def test_bad_picture(case: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, word = bad_pictures()[case]
    picture = tmp_path / "picture.png"
    picture.write_bytes(content)
    assert_refused(["run", str(picture)], tmp_path / "out" / "deep", word, capsys)
    assert not (tmp_path / "out").exists()
    assert not any(path.is_file() for path in home.rglob("*"))


def test_missing_picture_and_folder(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(["run", str(tmp_path / "none.png")], tmp_path / "out", "does not exist", capsys)
    (tmp_path / "folder.png").mkdir()
    assert_refused(["run", str(tmp_path / "folder.png")], tmp_path / "out", "is a folder", capsys)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (encoded(np.full((64, 64), 255, np.uint8)), "64 × 64 pixels, and the picture is"),
        (b"a mask", "not a picture"),
        (b"", "zero bytes"),
    ],
)
def test_bad_mask(content: bytes, word: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = tmp_path / "mask.png"
    mask.write_bytes(content)
    assert_refused(["run", str(EXAMPLE), "--mask", str(mask)], tmp_path / "out", word, capsys)
    assert not any(path.is_file() for path in home.rglob("*"))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--colour", "red"], "unrecognized"),
        (["--kind", "dragon"], "invalid choice"),
        (["--engine", "magic"], "invalid choice"),
        (["--height", "nan"], "height"),
        (["--height", "-1"], "height"),
        (["--height", "tall"], "invalid float"),
        (["--seed", "-1"], "seed"),
        (["--depth", "99"], "depth"),
        (["--texture", "1000"], "texture"),
    ],
)
def test_unusable_setting(
    more: list[str], word: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(["run", str(EXAMPLE), *more], tmp_path / "out", word, capsys)


def test_unknown_settings_in_file_and_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "config.toml").write_text("colour = 'red'\n", encoding="utf-8")
    assert_refused(["run", str(EXAMPLE)], tmp_path / "out", "colour", capsys)
    (home / "config.toml").unlink()
    monkeypatch.setenv("FIGURINE_COLOUR", "red")
    assert_refused(["run", str(EXAMPLE)], tmp_path / "out", "FIGURINE_COLOUR", capsys)


def test_output_folder_that_cannot_be_written(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert_refused(["run", str(EXAMPLE)], tmp_path / "file" / "out", "cannot be written", capsys)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk needs root and mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.blender
def test_full_disk_for_the_results(small_disk: Path, tmp_path: Path) -> None:
    done = figurine("run", EXAMPLE, "--out", small_disk / "out", home=share_stages(tmp_path / "home"))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space is left" in done.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.blender
def test_full_disk_for_the_data_folder(small_disk: Path, tmp_path: Path) -> None:
    done = figurine("run", EXAMPLE, "--out", tmp_path / "out", home=small_disk / "home")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space is left" in done.stderr
    assert not (tmp_path / "out").exists()
    assert not [path for path in small_disk.rglob("*") if path.name.startswith(".partial")]


BAD_MESHES = {
    "no faces": ("v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
    "not a number": ("v 0 0 0\nv nan 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 2 3 4\nf 1 3 4\n", "not finite"),
    "one triangle": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "at least four"),
    "no area": ("v 0 0 0\nv 1 0 0\nv 2 0 0\nv 3 0 0\nf 1 2 3\nf 1 2 4\nf 2 3 4\nf 1 3 4\n", "at least four"),
    "zero bytes": ("", "zero bytes"),
}


@pytest.mark.blender
@pytest.mark.parametrize("case", BAD_MESHES)
def test_bad_mesh(case: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, word = BAD_MESHES[case]
    mesh = tmp_path / "mesh.obj"
    mesh.write_text(content, encoding="utf-8")
    assert_refused(["rig", str(mesh)], tmp_path / "out", word, capsys)


@pytest.mark.blender
@pytest.mark.parametrize("suffix", [".glb", ".fbx", ".ply", ".stl"])
def test_mesh_of_another_kind_than_its_name(
    suffix: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = tmp_path / f"mesh{suffix}"
    mesh.write_bytes(EXAMPLE.read_bytes())
    assert_refused(["rig", str(mesh)], tmp_path / "out", "mesh", capsys)


def test_mesh_that_is_missing_or_of_no_known_kind(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(["rig", str(tmp_path / "none.obj")], tmp_path / "out", "does not exist", capsys)
    assert_refused(["rig", str(EXAMPLE)], tmp_path / "out", "OBJ, GLB", capsys)


def bone(name: str, parent: str | None, head: list[float], tail: list[float]) -> dict[str, object]:
    return {"name": name, "parent": parent, "head": head, "tail": tail}


BAD_SKELETONS = {
    "a circle": [bone("a", "b", [0, 0, 0], [0, 0, 1]), bone("b", "a", [0, 0, 1], [0, 0, 2])],
    "two roots": [bone("a", None, [0, 0, 0], [0, 0, 1]), bone("b", None, [0, 0, 1], [0, 0, 2])],
    "no bones": [],
    "a parent that is missing": [bone("a", None, [0, 0, 0], [0, 0, 1]), bone("b", "hips", [0, 0, 1], [0, 0, 2])],
    "no length": [bone("a", None, [0, 0, 0], [0, 0, 1]), bone("b", "a", [0, 0, 1], [0, 0, 1])],
}


@pytest.mark.parametrize("case", BAD_SKELETONS)
def test_skeleton_that_is_no_tree(case: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"format": "figurine-rig", "version": 1, "kind": "generic", "bones": BAD_SKELETONS[case]}
    skeleton = tmp_path / "rig.json"
    skeleton.write_text(json.dumps(document), encoding="utf-8")
    mesh = tmp_path / "mesh.obj"
    mesh.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 2 3 4\nf 1 3 4\n", encoding="utf-8")
    assert_refused(["rig", str(mesh), "--skeleton", str(skeleton)], tmp_path / "out", str(skeleton), capsys)


def test_a_parent_that_is_missing_is_named(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"format": "figurine-rig", "version": 1, "bones": BAD_SKELETONS["a parent that is missing"]}
    skeleton = tmp_path / "rig.json"
    skeleton.write_text(json.dumps(document), encoding="utf-8")
    sentence = f"{skeleton} is no tree: the bone b has the parent hips, and no bone has that name."
    assert_refused(["rig", str(EXAMPLE), "--skeleton", str(skeleton)], tmp_path / "out", sentence, capsys)
