# SPDX-License-Identifier: GPL-3.0-or-later
"""The results' folder: complete files under their names, or nothing at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_server.commands.output import open_output
from inference_server.core.owners import owner_mark
from inference_server.errors import DiskFull, OutputUnwritable

TINY_DISK_BYTES = 64 * 1024


def tree_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_come_under_their_names_and_nothing_else_stays(tmp_path: Path) -> None:
    source = tmp_path / "source.fbx"
    source.write_bytes(b"fbx")
    with open_output(tmp_path / "a" / "b") as output:
        assert tree_of(tmp_path / "a") == ["b"]
        output.publish({"ü.fbx": source, "rig.json": b"{}"})
    assert tree_of(tmp_path / "a") == ["b", "b/rig.json", "b/ü.fbx"]
    assert (tmp_path / "a/b/ü.fbx").read_bytes() == b"fbx"
    assert source.exists()


def test_other_files_stay_and_older_results_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "rig.json").write_bytes(b"old")
    (tmp_path / "notes.txt").write_bytes(b"the artist's")
    with open_output(tmp_path) as output:
        output.publish({"rig.json": b"new"})
    assert (tmp_path / "rig.json").read_bytes() == b"new"
    assert (tmp_path / "notes.txt").read_bytes() == b"the artist's"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_folders_that_were_made_go_when_the_work_fails(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(error), open_output(tmp_path / "a" / "b" / "c"):
        raise error
    assert tree_of(tmp_path) == ["a"]


def test_a_folder_that_got_something_else_meanwhile_stays(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), open_output(tmp_path / "a") as output:
        (output.path / "notes.txt").write_bytes(b"the artist's")
        raise ValueError("x")
    assert tree_of(tmp_path) == ["a", "a/notes.txt"]


def test_a_source_that_is_missing_leaves_the_older_results(tmp_path: Path) -> None:
    (tmp_path / "rig.json").write_bytes(b"old")
    with open_output(tmp_path) as output, pytest.raises(FileNotFoundError):
        output.publish({"rig.json": b"new", "x.fbx": tmp_path / "missing"})
    assert tree_of(tmp_path) == ["rig.json"]
    assert (tmp_path / "rig.json").read_bytes() == b"old"


def test_parts_of_this_hosts_dead_processes_are_swept_and_others_left(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = owner_mark().partition("-")[0]
    marks = (f"{host}-{os.getppid()}", f"00000000-{dead.pid}", "x")
    kept = [f".figurine-{mark}-x.fbx.part" for mark in marks]
    for name in (*kept, f".figurine-{host}-{dead.pid}-x.fbx.part"):
        (tmp_path / name).write_bytes(b"half")
    with open_output(tmp_path):
        pass
    assert tree_of(tmp_path) == sorted(kept)


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "preview.png").mkdir()
    with open_output(tmp_path) as output, pytest.raises(OutputUnwritable):
        output.publish({"preview.png": b"x"})
    assert tree_of(tmp_path) == ["preview.png"]


@pytest.mark.parametrize("below", ["", "sub", "sub/sub"])
def test_a_file_where_the_folder_should_be(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(OutputUnwritable) as caught, open_output(tmp_path / "file" / below):
        pass
    assert "file" in caught.value.message
    assert tree_of(tmp_path) == ["file"]


def test_a_name_that_no_file_system_takes(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritable), open_output(tmp_path / "a" / ("x" * 300)):
        pass
    assert tree_of(tmp_path) == []


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError as error:
        pytest.skip(f"a tiny disk cannot be mounted here: {error}")
    if done.returncode != 0:
        pytest.skip(f"a tiny disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=20)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root can make one."""
    yield from mounted(tmp_path / "disk", f"size={TINY_DISK_BYTES}")


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that cannot be written; only root can make one."""
    yield from mounted(tmp_path / "disk", "size=64k,ro")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputUnwritable), open_output(tmp_path / "a"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_cannot_be_written(read_only_disk: Path) -> None:
    for path in (read_only_disk, read_only_disk / "a" / "b"):
        with pytest.raises(OutputUnwritable), open_output(path):
            pass
    assert tree_of(read_only_disk) == []


def test_a_disk_that_gets_full_leaves_nothing(tiny_disk: Path) -> None:
    with pytest.raises(DiskFull) as caught, open_output(tiny_disk / "a" / "b") as output:
        output.publish({"small.json": b"{}", "large.fbx": bytes(2 * TINY_DISK_BYTES)})
    assert "No space is left" in caught.value.message
    assert tree_of(tiny_disk) == []


def test_a_disk_that_is_full_from_the_start(tiny_disk: Path) -> None:
    block = tiny_disk / "block"
    with pytest.raises(OSError, match="No space left"):
        block.write_bytes(bytes(2 * TINY_DISK_BYTES))
    for path in (tiny_disk, tiny_disk / "a" / "b"):
        with pytest.raises(DiskFull), open_output(path):
            pass
    assert tree_of(tiny_disk) == ["block"]
