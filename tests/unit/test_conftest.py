# SPDX-License-Identifier: GPL-3.0-or-later
"""The test run's own promises: nothing is left behind, and what is skipped says why."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
[pytest]
addopts = -ra --strict-markers --import-mode=importlib -p no:cacheprovider -p no:schemathesis
filterwarnings = error
markers =
    shared: x
    blender: x
"""
CASES = """
import os, subprocess, sys
from pathlib import Path
import pytest

def test_home_is_temporary_and_known_to_children(tmp_path, figurine_home):
    seen = subprocess.run([sys.executable, "-c", "import os; print(os.environ['FIGURINE_HOME'])"],
                          capture_output=True, text=True, check=True).stdout.strip()
    assert seen == str(figurine_home)
    Path("written").write_text(f"{tmp_path} {figurine_home}")

@pytest.mark.shared
def test_with_measuring_data():
    raise AssertionError

def test_leaves_a_process():
    if "LEAVE" in os.environ:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
        child.returncode = 0  # no warning from its destructor: only the look at the end can find it
        Path("pid").write_text(str(child.pid))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of its own with the real conftest.py, in a folder without measuring data beside it."""
    tests = tmp_path / "somewhere" / "checkout" / "tests"
    tests.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "test_cases.py").write_text(CASES)
    (tests.parent / "pytest.ini").write_text(CONFIG)
    return tests.parent


def run_in(project: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> subprocess.CompletedProcess[str]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("FIGURINE_HOME")
    command = [sys.executable, "-m", "pytest", "tests", *options]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)


def test_a_clean_run_leaves_nothing_and_says_what_it_skipped(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_in(project, monkeypatch)
    assert done.returncode == 0, done.stdout
    assert "needs the measuring data beside the checkout (../shared)" in done.stdout
    for used in (project / "written").read_text().split():
        assert Path(used).is_relative_to(tempfile.gettempdir())
        assert not Path(used).exists()


@pytest.mark.parametrize("options", [(), ("--numprocesses", "1")])
def test_a_process_left_behind_fails_the_run_and_is_ended(
    project: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LEAVE", "1")
    done = run_in(project, monkeypatch, *options)
    pid = int((project / "pid").read_text())
    assert done.returncode == 1
    assert f"FAILED: the tests left a process behind: {pid} " in done.stdout
    assert not psutil.pid_exists(pid)


def test_the_drawn_figure_stands_in_its_picture(make_figure_picture: object) -> None:
    picture = make_figure_picture(128)  # type: ignore[operator]
    assert isinstance(picture, Image.Image)
    box = picture.getchannel("A").getbbox()
    assert box is not None
    assert 0 < box[0] < box[2] < 128
    assert 0 < box[1] < box[3] < 128
