# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange folder: whole or absent, and any damage is noticed."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from inference_server.core.exchange import (
    ARRAYS,
    DOCUMENT,
    Exchange,
    ExchangeInvalid,
    read_exchange,
    write_exchange,
)


@pytest.fixture
def content(tmp_path: Path) -> Exchange:
    """A document with everything JSON can hold, two arrays, a file from bytes and one from a path."""
    source = tmp_path / "source.bin"
    source.write_bytes(bytes(range(256)))
    return Exchange(
        document={"text": "ü \ud800 日本", "numbers": [1, 0.1, -1e300, True, None], "nested": {"a": []}},
        arrays={"mesh.vertices": np.linspace(0, 1, 12).reshape(4, 3), "empty": np.zeros((0, 3), np.float32)},
        files={"picture.png": b"\x89PNG", "copied.bin": source},
    )


@pytest.fixture
def folder(tmp_path: Path, content: Exchange) -> Path:
    """That content, written."""
    path = tmp_path / "deep" / "er" / "exchange"
    write_exchange(path, content)
    return path


def test_comes_back_as_it_was(folder: Path, content: Exchange) -> None:
    read = read_exchange(folder)
    assert read.document == content.document
    assert list(read.arrays) == list(content.arrays)
    for name, array in content.arrays.items():
        np.testing.assert_array_equal(read.arrays[name], array)
        assert read.arrays[name].dtype == array.dtype
    assert {name: Path(path).read_bytes() for name, path in read.files.items()} == {
        "picture.png": b"\x89PNG",
        "copied.bin": bytes(range(256)),
    }


def test_nothing_stands_beside_it(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["exchange"]
    assert sorted(path.name for path in folder.iterdir()) == [ARRAYS, "copied.bin", DOCUMENT, "picture.png"]


@pytest.mark.parametrize("name", [ARRAYS, "picture.png", "copied.bin", DOCUMENT])
@pytest.mark.parametrize("damage", ["changed", "shortened", "emptied", "removed"])
def test_damage_to_any_file_is_noticed(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    if damage == "removed":
        path.unlink()
    elif damage == "changed":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(data[:-2] if damage == "shortened" else b"")
    with pytest.raises(ExchangeInvalid):
        read_exchange(folder)


def test_a_changed_document_is_noticed_even_where_it_is_still_json(folder: Path) -> None:
    head = json.loads((folder / DOCUMENT).read_text())
    head["document"]["numbers"][0] = 2
    (folder / DOCUMENT).write_text(json.dumps(head))
    with pytest.raises(ExchangeInvalid, match="differs from its digest"):
        read_exchange(folder)


@pytest.mark.parametrize(
    "head",
    [
        [],
        None,
        {},
        {"format": "other", "version": 1},
        {"format": "figurine-exchange", "version": 2, "sha256": {}, "document": {}},
        {"format": "figurine-exchange", "version": 1, "sha256": [], "document": {}},
        {"format": "figurine-exchange", "version": 1, "sha256": {}},
        {"format": "figurine-exchange", "version": 1, "sha256": {"../x": ""}, "document": {}},
    ],
)
def test_another_head_is_refused(folder: Path, head: object) -> None:
    (folder / DOCUMENT).write_text(json.dumps(head))
    with pytest.raises(ExchangeInvalid):
        read_exchange(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeInvalid):
        read_exchange(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["a/b", "../a", "/a", "..", ".", "", DOCUMENT, ARRAYS])
def test_file_names_stay_inside_and_leave_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExchangeInvalid):
        write_exchange(tmp_path / "out", Exchange(files={name: b"x"}))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_exchange(out, Exchange(document={"is": "first"}))
    with pytest.raises(FileNotFoundError):
        write_exchange(out, Exchange(document={"is": "second"}, files={"a": b"x", "b": tmp_path / "missing"}))
    with pytest.raises(TypeError):
        write_exchange(out, Exchange(document={"is": object()}))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert read_exchange(out).document == {"is": "first"}


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_exchange(out, Exchange(document={"is": "first"}, files={"only_in_first": b""}))
    write_exchange(out, Exchange(document={"is": "second"}))
    assert read_exchange(out).document == {"is": "second"}
    assert not (out / "only_in_first").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_kept_on_request(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_exchange(out, Exchange(document={"is": "first"}), keep_existing=True)
    write_exchange(out, Exchange(document={"is": "second"}), keep_existing=True)
    assert read_exchange(out).document == {"is": "first"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_pickles_are_not_read(folder: Path) -> None:
    with (folder / ARRAYS).open("wb") as stream:
        np.savez(stream, evil=np.array([{"a": 1}], dtype=object))
    head = json.loads((folder / DOCUMENT).read_text())
    head["sha256"][ARRAYS] = hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest()
    (folder / DOCUMENT).write_text(json.dumps(head))
    with pytest.raises(ExchangeInvalid, match="allow_pickle"):
        read_exchange(folder)


def test_a_folder_that_was_there_and_is_gone_again_is_no_failure_of_the_second_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> Path:
        raise OSError(errno.ENOTEMPTY, "Directory not empty", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    write_exchange(tmp_path / "out", Exchange(), keep_existing=True)
    with pytest.raises(OSError, match="not empty"):
        write_exchange(tmp_path / "out", Exchange())
    assert list(tmp_path.iterdir()) == []
