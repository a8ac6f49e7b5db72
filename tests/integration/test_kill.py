# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any moment, nothing half written stays under a final name, and the next run ends with the same digests."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.jobs import ROOT, TIMEOUT_S, command, figurine, report_of

pytestmark = pytest.mark.blender

RUN = ("run", ROOT / "examples/adventurer.png", "--kind", "none", "--texture", "1024")
FINAL_FILES = {"adventurer.fbx", "adventurer.glb", "preview.png", "rig.json", "report.json"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """Digests of a run that nobody killed, and how long it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    done = figurine(*RUN, "--out", folder / "out", home=folder / "home")
    assert done.exit_code == 0, done.stderr
    return report_of(folder / "out")["digests"], time.monotonic() - started


def start(out: Path, home: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"FIGURINE_HOME": str(home)}
    return subprocess.Popen(
        command(*RUN, "--out", out),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for_children(pids: list[int]) -> None:
    """Every process of the job must be gone soon after its parent."""
    deadline = time.monotonic() + 15
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def assert_nothing_half_written(out: Path, digests: dict[str, str]) -> None:
    """Either the last file was not placed, or all were; a part never bears a final name."""
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    assert {name for name in names if not name.endswith(".part")} <= FINAL_FILES
    if "report.json" in names:
        assert FINAL_FILES <= names
        assert report_of(out)["digests"] == digests


def assert_next_run_is_whole(out: Path, home: Path, digests: dict[str, str]) -> None:
    done = figurine(*RUN, "--out", out, home=home)
    assert done.exit_code == 0, done.stderr
    assert report_of(out)["digests"] == digests
    assert {path.name for path in out.iterdir()} == FINAL_FILES
    assert list((home / "work").iterdir()) == []


def kill_run_at(moment_s: float, folder: Path) -> None:
    with start(folder / "out", folder / "home") as process:
        time.sleep(moment_s)
        pids = (
            [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
            if process.poll() is None
            else []
        )
        process.kill()
        process.communicate()
    wait_for_children(pids)


def blender_workers(pid: int) -> list[psutil.Process]:
    """The children in which Blender runs; libraries ask the system about its processor by children of their own."""
    found = []
    for child in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("blender_worker" in word for word in child.cmdline()):
                found.append(child)
    return found


def kill_worker_after(moment_s: float, folder: Path) -> int | None:
    """SIGKILL the bpy worker this long after it appeared; the command's exit code, None if the worker was done
    before.
    """
    with start(folder / "out", folder / "home") as process:
        deadline = time.monotonic() + TIMEOUT_S
        workers: list[psutil.Process] = []
        while not workers and process.poll() is None:
            assert time.monotonic() < deadline
            workers = blender_workers(process.pid)
            time.sleep(0.01)
        time.sleep(moment_s)
        killed = False
        for worker in workers:
            if worker.is_running():
                worker.kill()
                killed = True
        _, stderr = process.communicate()
    if not killed:
        return None
    if process.returncode:
        assert stderr.decode().count("\n") == 1, stderr.decode()
    return process.returncode


def check_kill_of_run(seed: int, undisturbed: tuple[dict[str, str], float], folder: Path) -> None:
    digests, duration_s = undisturbed
    kill_run_at(random.Random(seed).uniform(0.1, duration_s), folder)
    assert_nothing_half_written(folder / "out", digests)
    assert_next_run_is_whole(folder / "out", folder / "home", digests)


def check_kill_of_worker(seed: int, undisturbed: tuple[dict[str, str], float], folder: Path) -> None:
    digests, _ = undisturbed
    exit_code = kill_worker_after(random.Random(seed).uniform(0.0, 3.0), folder)
    assert exit_code in (None, 0, 1)
    assert_nothing_half_written(folder / "out", digests)
    assert_next_run_is_whole(folder / "out", folder / "home", digests)


def test_killed_run_resumes(undisturbed: tuple[dict[str, str], float], tmp_path: Path) -> None:
    check_kill_of_run(1, undisturbed, tmp_path)


def test_killed_worker_fails_the_run_and_the_next_resumes(
    undisturbed: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    assert kill_worker_after(0.3, tmp_path) == 1
    assert not (tmp_path / "out").exists()
    assert_next_run_is_whole(tmp_path / "out", tmp_path / "home", undisturbed[0])
    reused = [stage["reused"] for stage in report_of(tmp_path / "out")["stages"]]
    assert reused == [True, True, True, True, False]


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with start(tmp_path / "out", tmp_path / "home") as process:
        deadline = time.monotonic() + TIMEOUT_S
        while not blender_workers(process.pid):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        pids = [child.pid for child in psutil.Process(process.pid).children()]
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.decode().startswith("figurine: Stopped.")
    wait_for_children(pids)
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "home" / "work").iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_kill_storm_of_runs(seed: int, undisturbed: tuple[dict[str, str], float], tmp_path: Path) -> None:
    check_kill_of_run(100 + seed, undisturbed, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_kill_storm_of_workers(seed: int, undisturbed: tuple[dict[str, str], float], tmp_path: Path) -> None:
    check_kill_of_worker(200 + seed, undisturbed, tmp_path)
