# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage cache: hits, misses, damage, room, and company."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_server.core.cache import StageCache
from inference_server.core.digest import digest
from inference_server.core.exchange import PARTIAL_PREFIX, Exchange, read_exchange, write_exchange
from inference_server.core.types import ExportedFiles, Mesh
from inference_server.errors import InternalError

PLENTY_BYTES = 1 << 30
WRITER = """
import sys
from pathlib import Path
import numpy as np
from inference_server.core.cache import StageCache
cache = StageCache(Path(sys.argv[1]), 1 << 30)
print("ready", flush=True)
sys.stdin.readline()
for round in range(80):
    number = round // 4
    key = f"{number:02d}" * 32
    stored = cache.put(key, {"value": np.full(1000, number)})
    assert (stored["value"] == number).all()
    kept = cache.get(key)
    assert kept is not None and (kept["value"] == number).all()
"""


def key_of(number: int) -> str:
    return digest(number)


def entry(root: Path, number: int) -> Path:
    return root / key_of(number)[:2] / key_of(number)


def use_at(root: Path, number: int, used_s: float) -> None:
    os.utime(entry(root, number), (used_s, used_s))


def test_a_stored_value_comes_back_in_another_process_life(tmp_path: Path, sphere: Mesh) -> None:
    stored = StageCache(tmp_path, PLENTY_BYTES).put(key_of(1), {"result": sphere, "seconds": 0.1, "notes": ("a",)})
    kept = StageCache(tmp_path, PLENTY_BYTES).get(key_of(1))
    assert digest(kept) == digest(stored)
    assert digest(kept["result"]) == digest(sphere)
    assert kept["seconds"] == 0.1


def test_an_unknown_key_is_a_miss(tmp_path: Path) -> None:
    assert StageCache(tmp_path / "not made yet", PLENTY_BYTES).get(key_of(1)) is None


def test_files_lie_inside_the_cache_afterwards(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for name in ("a.fbx", "a.glb", "p.png"):
        (work / name).write_bytes(name.encode())
    cache = StageCache(tmp_path / "cache", PLENTY_BYTES)
    stored = cache.put(key_of(1), ExportedFiles(work / "a.fbx", work / "a.glb", work / "p.png", "5.0"))
    for name in ("a.fbx", "a.glb", "p.png"):
        (work / name).unlink()
    assert stored.fbx.read_bytes() == b"a.fbx"
    assert entry(tmp_path / "cache", 1) in stored.glb.parents


@pytest.mark.parametrize("name", ["document.json", "arrays.npz"])
def test_an_entry_that_lacks_a_part_is_dropped(tmp_path: Path, name: str) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    cache.put(key_of(1), np.arange(5))
    (entry(tmp_path, 1) / name).unlink()
    assert cache.get(key_of(1)) is None
    assert not entry(tmp_path, 1).exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOMEM])
@pytest.mark.parametrize("name", ["document.json", "arrays.npz", "value.result.png"])
def test_what_cannot_be_read_now_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    cache.put(key_of(1), {"result": np.zeros((4, 4, 3), np.uint8), "other": np.arange(3)})
    name = name.removeprefix("value.")
    assert (entry(tmp_path, 1) / name).exists()
    opened = io.open

    def refuse(path: Any, *arguments: Any, **more: Any) -> Any:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr("io.open", refuse)
        with pytest.raises(OSError) as caught:
            cache.get(key_of(1))
    assert caught.value.errno == number
    assert cache.get(key_of(1)) is not None


def test_a_picture_that_cannot_be_opened_any_more_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    cache.put(key_of(1), np.zeros((4, 4, 3), np.uint8))

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("inference_server.core.codec.Image.open", refuse)
        with pytest.raises(OSError, match="Too many open files"):
            cache.get(key_of(1))
    assert cache.get(key_of(1)) is not None


def lose_after_writing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[Path]:
    """Another process takes the entry away right after it was written, so many times."""
    lost: list[Path] = []

    def write(folder: Path, content: Exchange, *, keep_existing: bool) -> None:
        write_exchange(folder, content, keep_existing=keep_existing)
        if len(lost) < times:
            shutil.rmtree(folder)
            lost.append(folder)

    monkeypatch.setattr("inference_server.core.cache.write_exchange", write)
    return lost


def test_a_result_that_another_process_takes_away_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lose_after_writing(monkeypatch, 2)
    assert (StageCache(tmp_path, PLENTY_BYTES).put(key_of(1), np.arange(5)) == np.arange(5)).all()
    assert len(lost) == 2


def test_a_disk_that_never_gives_back_what_was_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = lose_after_writing(monkeypatch, 1000)
    with pytest.raises(InternalError, match="does not read back"):
        StageCache(tmp_path, PLENTY_BYTES).put(key_of(1), np.arange(5))
    assert len(lost) < 10


def test_a_damaged_entry_that_another_process_left_is_replaced(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    cache.put(key_of(1), np.arange(5))
    (entry(tmp_path, 1) / "arrays.npz").write_bytes(b"")
    assert (cache.put(key_of(1), np.arange(5)) == np.arange(5)).all()


def test_an_entry_that_goes_while_it_is_read_counts_as_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    cache.put(key_of(1), np.arange(5))

    def read(folder: Path) -> Exchange:
        found = read_exchange(folder)
        shutil.rmtree(folder)
        return found

    monkeypatch.setattr("inference_server.core.cache.read_exchange", read)
    assert cache.get(key_of(1)) is None


@pytest.mark.parametrize("name", ["document.json", "arrays.npz"])
def test_a_damaged_entry_is_dropped_and_counts_as_absent(tmp_path: Path, name: str) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    cache.put(key_of(1), np.arange(5))
    with (entry(tmp_path, 1) / name).open("r+b") as stream:
        stream.seek(20)
        stream.write(b"\0\0\0")
    assert cache.get(key_of(1)) is None
    assert not entry(tmp_path, 1).exists()
    assert (cache.put(key_of(1), np.arange(5)) == np.arange(5)).all()


def test_the_least_recently_used_make_room(tmp_path: Path) -> None:
    generous = StageCache(tmp_path, PLENTY_BYTES)
    for number in range(4):
        generous.put(key_of(number), np.zeros(10_000))
        use_at(tmp_path, number, 1000.0 + number)
    assert generous.get(key_of(0)) is not None  # now the most recently used
    size = sum(path.stat().st_size for path in entry(tmp_path, 0).iterdir())
    StageCache(tmp_path, int(3.5 * size)).put(key_of(4), np.zeros(10_000))
    assert [number for number in range(5) if entry(tmp_path, number).exists()] == [0, 3, 4]


def test_the_newest_result_stays_even_above_the_limit(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, 10)
    cache.put(key_of(1), np.zeros(1000))
    use_at(tmp_path, 1, 1000.0)
    cache.put(key_of(2), np.zeros(1000))
    assert cache.get(key_of(1)) is None
    assert cache.get(key_of(2)) is not None


def test_a_result_in_use_stays_even_above_the_limit(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, 10)
    cache.put(key_of(1), np.zeros(1000))
    cache.put(key_of(2), np.zeros(1000))
    assert cache.get(key_of(1)) is not None


def test_abandoned_partial_folders_are_removed_and_young_ones_left(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES)
    old, young = (tmp_path / "ab" / f"{PARTIAL_PREFIX}{name}" for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "arrays.npz").write_bytes(b"half")
    two_hours_ago_s = time.time() - 7200
    os.utime(old, (two_hours_ago_s, two_hours_ago_s))
    cache.put(key_of(1), 1)
    assert not old.exists()
    assert young.exists()


def test_a_value_that_cannot_be_stored_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        StageCache(tmp_path, PLENTY_BYTES).put(key_of(1), object())
    assert not any(tmp_path.rglob("*/*"))


def test_two_processes_write_the_same_keys(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    answers = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        answers.append((writer.communicate(timeout=60)[1], writer.returncode))
    assert answers == [("", 0), ("", 0)]
    assert not [path for path in root.rglob("*") if path.name.startswith(PARTIAL_PREFIX)]
    assert len(list(root.glob("*/*"))) == 20


def test_what_was_used_last_is_in_memory_and_not_read_again(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES, memory_bytes=25_000)
    stored = [cache.put(key_of(number), {"value": np.full(1000, number)}) for number in range(4)]  # 8 kB each
    kept = [cache.get(key_of(number)) for number in (3, 2, 1)]
    assert [one is other for one, other in zip(kept, stored[:0:-1], strict=True)] == [True] * 3
    first = cache.get(key_of(0))
    assert first is not stored[0] and (first["value"] == 0).all()


def test_memory_does_not_outlive_the_entry_and_counts_as_its_use(tmp_path: Path) -> None:
    cache = StageCache(tmp_path, PLENTY_BYTES, memory_bytes=PLENTY_BYTES)
    for number in (1, 2):
        cache.put(key_of(number), {"value": np.zeros(10)})
    shutil.rmtree(entry(tmp_path, 1))
    assert cache.get(key_of(1)) is None
    use_at(tmp_path, 2, 0.0)
    assert cache.get(key_of(2)) is not None
    assert entry(tmp_path, 2).stat().st_mtime > 0


def test_values_that_name_files_are_read_each_time(tmp_path: Path) -> None:
    cache = StageCache(tmp_path / "cache", PLENTY_BYTES, memory_bytes=PLENTY_BYTES)
    files = {name: tmp_path / name for name in ("a.fbx", "a.glb", "a.png")}
    for path in files.values():
        path.write_bytes(b"content")
    made = ExportedFiles(files["a.fbx"], files["a.glb"], files["a.png"], "5.0")
    cache.put(key_of(1), {"result": made, "seconds": 1.0})
    (entry(tmp_path / "cache", 1) / "a.fbx").write_bytes(b"damaged")
    assert cache.get(key_of(1)) is None
