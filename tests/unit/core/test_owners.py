# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose work file it is, and whether its process still runs: on this host, and on another that shares the disk."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from inference_server.core.owners import is_owner_gone, owner_mark
from inference_server.stages.blender import BlenderProcess

MARK = "from inference_server.core.owners import owner_mark; print(owner_mark())"


@pytest.fixture
def ended() -> str:
    """The mark of a process that has ended."""
    return subprocess.run([sys.executable, "-c", MARK], capture_output=True, text=True, check=True).stdout.strip()


def test_a_mark_fits_into_any_file_name_and_is_the_same_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Ünser Rechner/2.local")
    assert re.fullmatch(rf"[0-9a-f]{{8}}-{os.getpid()}", owner_mark())
    assert owner_mark() == owner_mark()


def test_a_process_that_runs_is_there_and_one_that_ended_is_gone(ended: str) -> None:
    assert not is_owner_gone(owner_mark())
    assert is_owner_gone(ended)


@pytest.mark.skipif(os.name == "nt", reason="there are no zombies")
def test_a_process_that_waits_for_its_parent_to_look_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", MARK], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    mark = child.stdout.read().strip()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_owner_gone(mark)
    child.communicate()


def test_of_another_host_nothing_is_known(ended: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert not is_owner_gone(ended)


@pytest.mark.parametrize("mark", ["", "x", "12", "zzzzzzzz-1", "00000000-", "00000000-1-2"])
def test_what_is_no_mark_has_no_owner_that_could_be_gone(mark: str) -> None:
    assert not is_owner_gone(mark)


def test_work_folders_of_this_hosts_dead_processes_are_removed(ended: str, tmp_path: Path) -> None:
    number = ended.partition("-")[2]
    kept = [f"00000000-{number}-abc", f"{owner_mark()}-abc", "notes"]
    for name in (*kept, f"{ended}-abc"):
        (tmp_path / name).mkdir()
    made = BlenderProcess(None, tmp_path).new_work_folder()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, made.name])
    assert list(made.iterdir()) == []
