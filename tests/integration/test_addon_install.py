# SPDX-License-Identifier: GPL-3.0-or-later
"""Real installations: real environments, real pip, real processes. A wheel of a few bytes for every day, the project's
own with all it needs in the full run.
"""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import build_addon
from blender_addon.client import Client
from blender_addon.errors import DiskFull, InstallFailed
from blender_addon.server_process import ServerProcess, server_command
from blender_addon.setup.environments import (
    Installed,
    Torch,
    current_environment,
    environment_python,
    is_sound,
    read_installed,
)
from blender_addon.setup.install import Installation, Installer
from blender_addon.setup.torch_builds import BUILDS, DRAFT_ONLY, Equipment
from tests.integration.addon_wheels import (
    ROOT,
    make_clone,
    make_networks,
    make_torch,
    make_wheel,
    silent_index,
)

OFFLINE = ("--isolated", "--no-index")
MODULES = ("inference_server.cli",)
TIMEOUT_S = 180.0


def tiny(folder: Path, wheel: Path) -> Installation:
    return Installation(folder, wheel, Path(sys.executable), checked_modules=MODULES, needed_bytes=1)


def finished(installer: Installer, timeout_s: float = TIMEOUT_S) -> Installer:
    installer.start()
    assert installer.wait(timeout_s), installer.tail(20)
    return installer


def names(folder: Path) -> list[str]:
    """What lies in the folder; the environment in use is called so."""
    environment = current_environment(folder)
    return sorted("environment" if path == environment else path.name for path in folder.iterdir())


def version_in(folder: Path) -> str | None:
    """Of the installed server."""
    installed = read_installed(folder)
    return installed.version if installed else None


WHOLE = ["current.json", "environment", "install.lock"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that works, in a folder whose name is no English word."""
    base = tmp_path_factory.mktemp("addon")
    wheel = make_wheel(base / "wheels")
    installation = tiny(base / "Bänke & Möbel (日本)" / "server", wheel)
    installer = finished(Installer(installation, OFFLINE))
    assert installer.state == "done", installer.tail(20)
    assert (installer.error, installer.progress) == (None, 1.0)
    assert any("Successfully installed figurine-9.9.9" in line for line in installer.tail(5))
    return installation


def run_installed(folder: Path) -> str:
    """What the installed server says when it is run."""
    command = server_command(folder)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S).stdout.strip()


def test_what_was_installed_runs_and_nothing_else_is_left(installed: Installation) -> None:
    assert version_in(installed.folder) == "9.9.9"
    assert is_sound(installed.folder)
    assert run_installed(installed.folder) == "hello"
    assert names(installed.folder) == WHOLE


def test_it_sees_no_other_package_than_its_own(installed: Installation) -> None:
    environment = current_environment(installed.folder)
    assert environment is not None
    script = "import sys; print([path for path in sys.path if 'site-packages' in path])"
    command = [str(environment_python(environment)), "-I", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("site-packages") == 1
    assert str(environment) in done.stdout


def test_a_failed_update_leaves_what_works(installed: Installation, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "10.0.0", files={"inference_server/cli.py": "raise OSError('libGL.so.1 is missing')"})
    installer = finished(Installer(replace(installed, wheel=wheel), OFFLINE))
    assert installer.state == "failed"
    assert isinstance(installer.error, InstallFailed)
    assert "libGL.so.1 is missing" in installer.error.message
    assert version_in(installed.folder) == "9.9.9"
    assert run_installed(installed.folder) == "hello"
    assert names(installed.folder) == WHOLE


@pytest.mark.full  # the words are those of tests/unit/addon/test_install.py
def test_without_a_network_it_says_so(installed: Installation, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "10.0.0", requires="no-such-package-of-figurine")
    nowhere = ("--isolated", "--index-url", "http://127.0.0.1:9/simple", "--retries", "1")
    installer = finished(Installer(replace(installed, wheel=wheel), nowhere))
    assert installer.error is not None
    assert "no connection to the internet" in installer.error.message
    assert "NewConnectionError" in installer.error.details
    assert names(installed.folder) == WHOLE


def test_cancelled_it_ends_at_once_and_leaves_what_works(installed: Installation, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "10.0.0", requires="no-such-package-of-figurine")
    with silent_index() as (url, asked):
        installer = Installer(replace(installed, wheel=wheel), ("--isolated", "--index-url", url))
        installer.start()
        assert asked.wait(TIMEOUT_S), installer.tail(20)
        assert installer.state == "running"
        assert installer.step == "Downloading"
        children = psutil.Process().children(recursive=True)
        assert children
        installer.cancel()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
        assert installer.wait(5)
        assert installer.state == "cancelled"
        assert run_installed(installed.folder) == "hello"
        assert names(installed.folder) == WHOLE


_BLENDER = """
import sys, time
from pathlib import Path
from blender_addon.setup.install import Installation, Installer
folder, wheel, url = sys.argv[1:]
wanted = Installation(Path(folder), Path(wheel), Path(sys.executable), needed_bytes=1)
Installer(wanted, ("--isolated", "--index-url", url)).start()
time.sleep(600)
"""


def test_a_blender_killed_in_the_middle_leaves_no_process_and_no_harm(installed: Installation, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "10.0.0", requires="no-such-package-of-figurine")
    with silent_index() as (url, asked):
        command = [sys.executable, "-c", _BLENDER, str(installed.folder), str(wheel), url]
        with subprocess.Popen(command, cwd=ROOT) as blender:
            assert asked.wait(TIMEOUT_S)
            children = psutil.Process(blender.pid).children(recursive=True)
            assert children
            blender.kill()
        _, alive = psutil.wait_procs(children, timeout=10)
        assert not alive
    assert run_installed(installed.folder) == "hello"
    assert len(names(installed.folder)) == len(WHOLE) + 2, "the half-made environment and its downloads"
    assert finished(Installer(installed, OFFLINE)).state == "done"
    assert names(installed.folder) == WHOLE


def test_a_damaged_one_is_repaired_by_installing_again(installed: Installation) -> None:
    environment = current_environment(installed.folder)
    assert environment is not None
    python = environment_python(environment)
    python.rename(python.with_name("hidden"))
    assert not is_sound(installed.folder)
    python.with_name("hidden").rename(python)
    assert is_sound(installed.folder)
    next(environment.glob("lib/python3*/site-packages/inference_server/__main__.py")).unlink()
    assert not is_sound(installed.folder)
    assert server_command(installed.folder) == []
    assert finished(Installer(installed, OFFLINE)).state == "done"
    assert is_sound(installed.folder)
    assert run_installed(installed.folder) == "hello"
    assert names(installed.folder) == WHOLE


NEURAL = Equipment(True, "cpu")
MUST_STAY = "the old server stays in use"


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with the neural engine, whose PyTorch is a few bytes."""
    base = tmp_path_factory.mktemp("neural")
    wheels = base / "wheels"
    make_torch(wheels)
    installation = replace(tiny(base / "server", make_networks(base)), equipment=NEURAL)
    installer = finished(Installer(installation, (*OFFLINE, "--find-links", str(wheels))))
    assert installer.state == "done", installer.tail(30)
    runs = [line for line in installer.tail(50) if line.startswith("Successfully installed")]
    assert [("torch" in line, "figurine" in line) for line in runs[1:]] == [(True, False), (False, True)]
    return installation


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch for the CPU comes from pip's usual index")
def test_the_neural_engine_is_installed_and_remembered(equipped: Installation) -> None:
    environment = current_environment(equipped.folder)
    assert environment is not None
    torch = Torch("2.13.0+cpu", "", "cpu")
    assert read_installed(equipped.folder) == Installed(environment.name, "9.9.9", NEURAL, torch)
    assert is_sound(equipped.folder)
    assert run_installed(equipped.folder) == "hello"
    assert names(equipped.folder) == WHOLE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch for the CPU comes from pip's usual index")
def test_a_pytorch_that_would_not_use_the_gpu_is_not_taken(
    equipped: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blender_addon.setup.install.choose_build", lambda *_: BUILDS["linux", "cuda12"])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**12))
    make_torch(tmp_path / "wheels")
    wanted = replace(equipped, wheel=make_networks(tmp_path, "10.0.0"), equipment=Equipment(True, "nvidia"))
    before = read_installed(equipped.folder)
    installer = finished(Installer(wanted, (*OFFLINE, "--find-links", str(tmp_path / "wheels"))))
    assert installer.error is not None
    assert "built without CUDA" in installer.error.message
    assert read_installed(equipped.folder) == before, MUST_STAY
    assert run_installed(equipped.folder) == "hello"
    assert names(equipped.folder) == WHOLE


@pytest.mark.full  # as any cancelled one
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch for the CPU comes from pip's usual index")
def test_cancelled_while_pytorch_arrives_it_leaves_the_draft(installed: Installation, tmp_path: Path) -> None:
    with silent_index() as (url, asked):
        wanted = replace(installed, wheel=make_networks(tmp_path, "10.0.0"), equipment=NEURAL)
        installer = Installer(wanted, ("--isolated", "--index-url", url))
        installer.start()
        assert asked.wait(TIMEOUT_S), installer.tail(20)
        assert installer.step == "Downloading PyTorch"
        installer.cancel()
        assert installer.wait(5)
    assert installer.state == "cancelled"
    current = read_installed(installed.folder)
    assert current is not None
    assert (current.version, current.equipment) == ("9.9.9", DRAFT_ONLY)
    assert run_installed(installed.folder) == "hello"
    assert names(installed.folder) == WHOLE


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own in memory; skips where this user may not make one."""
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"needs the right to mount a small disk: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_runs_full_is_said_and_left_empty(installed: Installation, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        installer = finished(Installer(replace(installed, folder=disk / "server"), OFFLINE))
        assert isinstance(installer.error, DiskFull), installer.tail(20)
        assert names(disk / "server") == ["install.lock"]


def test_a_folder_that_cannot_be_written_is_said(installed: Installation, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m,ro") as disk:
        with pytest.raises(OSError) as refused:
            (disk / "x").touch()
        assert refused.value.errno == errno.EROFS
        installer = finished(Installer(replace(installed, folder=disk / "server"), OFFLINE))
    assert installer.error is not None
    assert "may not write" in installer.error.message


@pytest.mark.full
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("equipment", [DRAFT_ONLY, NEURAL], ids=["draft", "neural"])
def test_the_projects_own_wheel_installs_starts_and_stops(tmp_path: Path, equipment: Equipment) -> None:
    files = build_addon.tracked_files(make_clone(tmp_path / "clone"))
    name, wheel = build_addon.make_wheel(files, build_addon.make_extension(files).version)
    (tmp_path / name).write_bytes(wheel)
    installation = Installation(tmp_path / "my server", tmp_path / name, Path(sys.executable), equipment)
    installer = finished(Installer(installation), timeout_s=2000)
    if installer.error is not None and "no connection" in installer.error.message:
        pytest.skip("needs a package index")
    assert installer.state == "done", installer.tail(30)
    server = ServerProcess(
        server_command(installation.folder), tmp_path / "home", tmp_path / "log", {"FIGURINE_PORT": "0"}
    )
    server.start()
    assert server.wait(TIMEOUT_S)
    assert server.state == "running", server.error
    handshake = json.loads((tmp_path / "home/server.json").read_text(encoding="utf-8"))
    assert handshake["version"] == version_in(installation.folder)
    with closing(Client(handshake["url"], handshake["token"])) as client:
        lacking = {stage.state for stage in client.health(handshake["version"]).compute.neural}
        assert ("no_library" in lacking) != equipment.has_neural
        assert bool(client.weights().obstacle) != equipment.has_neural
    server.stop()
    assert server.wait(TIMEOUT_S)
    assert server.state == "stopped"
