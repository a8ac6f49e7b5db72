# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the installation that need no installing: words, marks on the disk, environments, locks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from blender_addon.errors import DiskFull, InstallFailed
from blender_addon.locks import hold_lock
from blender_addon.setup.environments import (
    current_environment,
    environment_python,
    is_sound,
    path_excess,
    read_installed,
)
from blender_addon.setup.install import Installation, Installer
from blender_addon.setup.install_failures import explain_failure
from blender_addon.setup.processes import clean_environment, end_tree, group_options, start_mark
from blender_addon.setup.torch_builds import BUILDS, Equipment

SYSTEM = "Windows ARM64 and Python 3.11.9"
# What pip and Python print, shortened.
BROKEN_CONNECTION = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(Name or service not known)'",
    "ERROR: Could not find a version that satisfies the requirement numpy<3 (from versions: none)",
    "ERROR: No matching distribution found for numpy<3",
)


@pytest.mark.parametrize(
    ("output", "kind", "words"),
    [
        (BROKEN_CONNECTION, InstallFailed, "no connection to the internet"),
        (("ERROR: No matching distribution found for opencv-python-headless==4.11.0.86",), InstallFailed, SYSTEM),
        (("ERROR: Could not install packages due to an OSError: [Errno 28] No space left",), DiskFull, "No space"),
        (("OSError: [WinError 112] There is not enough space on the disk",), DiskFull, "No space"),
        (("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'",), InstallFailed, "certificate"),
        (
            ("WARNING: Retrying after connection broken by 'NewConnectionError(x)': /whl/cu130/torch/",),
            InstallFailed,
            "download.pytorch.org",
        ),
        (("ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407",), InstallFailed, "proxy"),
        (("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",), InstallFailed, "damaged"),
        (
            ("ERROR: Package 'figurine' requires a different Python: 3.10.2 not in '<3.15,>=3.11'",),
            InstallFailed,
            "3.10.2",
        ),
        (("PermissionError: [WinError 32] The file is being used by another process",), InstallFailed, "antivirus"),
        (("ERROR: [Errno 13] Permission denied: 'x'",), InstallFailed, "may not write"),
        (("HINT: This system does not have Windows Long Path support enabled.",), InstallFailed, "longer"),
        (("something", "ERROR: a new fault", "more"), InstallFailed, "Installing failed: a new fault"),
        (("ImportError: a new fault", ""), InstallFailed, "Installing failed: ImportError: a new fault"),
        (("ImportError: DLL load failed while importing _C: module not found.",), InstallFailed, "Visual C++"),
        (("OSError: [WinError 126] module not found. Error loading c10.dll",), InstallFailed, "Visual C++"),
        (("ImportError: /lib/libm.so.6: version `GLIBC_2.28' not found",), InstallFailed, "lacks GLIBC_2.28"),
        (
            ("ImportError: libnvrtc.so.13: cannot open shared object file: No such file",),
            InstallFailed,
            "missing: libnvrtc.so.13",
        ),
        (("The program ended with code -4.",), InstallFailed, "lacks instructions"),
        (("ERROR: No matching distribution found for torch<2.14,>=2.10",), InstallFailed, "no ready-made PyTorch"),
        ((*BROKEN_CONNECTION, "ERROR: No matching distribution found for torch"), InstallFailed, "no connection"),
        ((), InstallFailed, "it said nothing"),
    ],
)
def test_every_cause_has_a_sentence_and_a_way_out(
    output: tuple[str, ...], kind: type[Exception], words: str, tmp_path: Path
) -> None:
    error = explain_failure("Installing", output, tmp_path, SYSTEM)
    assert type(error) is kind
    assert words in error.message
    assert error.hint
    assert error.retryable


@pytest.mark.parametrize(
    "content", ["", "null", "[]", '{"environment": "e-1"}', '{"environment": 5, "version": "1"}', "{", "\xff"]
)
def test_a_damaged_mark_is_no_installation(tmp_path: Path, content: str) -> None:
    (tmp_path / "current.json").write_text(content, encoding="latin-1")
    assert read_installed(tmp_path) is None
    assert current_environment(tmp_path) is None
    assert not is_sound(tmp_path)


def test_a_mark_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    mark = {"environment": "../../elsewhere", "version": "1.0.0"}
    (tmp_path / "current.json").write_text(json.dumps(mark), encoding="utf-8")
    assert current_environment(tmp_path) == tmp_path / "elsewhere"


def make_environment(folder: Path) -> Path:
    """What a finished installation looks like, as far as is_sound looks."""
    environment = folder / "e-0"
    python = environment_python(environment)
    site = environment / ("Lib" if os.name == "nt" else "lib/python3.11") / "site-packages/inference_server"
    home = folder / "blender/python/bin"
    for path in (python.parent, site, home):
        path.mkdir(parents=True)
    (home / "python").touch()
    python.symlink_to(home / "python")
    (site / "__main__.py").touch()
    (environment / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.11.7\n", encoding="utf-8")
    (folder / "current.json").write_text('{"environment": "e-0", "version": "1.2.3"}', encoding="utf-8")
    return environment


def version_in(folder: Path) -> str | None:
    """Of the installed server."""
    installed = read_installed(folder)
    return installed.version if installed else None


def test_a_whole_environment_is_sound(tmp_path: Path) -> None:
    make_environment(tmp_path)
    assert is_sound(tmp_path)
    assert version_in(tmp_path) == "1.2.3"


@pytest.mark.parametrize(
    "lost", ["e-0/pyvenv.cfg", "e-0/lib/python3.11/site-packages/inference_server/__main__.py", "blender"]
)
def test_an_environment_that_lost_something_is_not(tmp_path: Path, lost: str) -> None:
    make_environment(tmp_path)
    (tmp_path / lost).rename(tmp_path / "gone")
    assert not is_sound(tmp_path)
    assert version_in(tmp_path) == "1.2.3"


def installation(folder: Path, **more: object) -> Installation:
    wheel = folder.parent / "figurine-1.0.0-py3-none-any.whl"
    wheel.touch()
    fields = {"folder": folder, "wheel": wheel, "python": Path(sys.executable)}
    return Installation(**(fields | more))  # type: ignore[arg-type]


def failed(installer: Installer) -> str:
    """Run it; what it says."""
    installer.start()
    assert installer.wait(30)
    assert installer.state == "failed"
    assert installer.error is not None
    assert installer.error.hint
    return installer.error.message


def test_nothing_is_begun_that_cannot_succeed(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    assert "not whole" in failed(Installer(installation(folder, wheel=tmp_path / "figurine-2.0.0.whl")))
    full = Installer(installation(folder, needed_bytes=10**18))
    assert "1000000000.0 GB are needed" in failed(full)
    assert full.error is not None
    assert "click Install Server again" in full.error.hint
    assert "cannot be started" in failed(Installer(installation(folder, python=tmp_path / "no-python")))
    assert sorted(path.name for path in folder.iterdir()) == ["install.lock"]


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("x", encoding="utf-8")
    assert failed(Installer(installation(tmp_path / "server")))


def test_a_second_blender_waits_for_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with hold_lock(folder / "install.lock", 0.0) as is_held:
        assert is_held
        assert "Another Blender" in failed(Installer(installation(folder)))


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for a slow Python is a script with a shebang")
def test_it_can_begin_again_as_soon_as_a_cancelled_one_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n", encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    folder = tmp_path / "server"
    remove = shutil.rmtree

    def remove_slowly(path: Path, **options: bool) -> None:
        time.sleep(0.3)
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", remove_slowly)
    installer = Installer(installation(folder, python=tmp_path / "python", needed_bytes=1))
    installer.start()
    while "GB free" not in "".join(installer.tail(5)):
        time.sleep(0.01)
    (folder / "e-1").mkdir()
    installer.cancel()
    while installer.state == "running":
        time.sleep(0.001)
    assert installer.state == "cancelled"
    assert "cannot be started" in failed(Installer(installation(folder, python=tmp_path / "none", needed_bytes=1)))
    assert installer.wait(10)


def test_too_little_space_is_told_with_both_sizes() -> None:
    error = DiskFull.foreseen("/there", 1_200_000_000, 1_199_999_999, "click Install Server again")
    assert error.message.endswith("in /there: 1.2 GB are needed, 1.1 GB are free.")


def test_a_python_without_its_parts_is_named(tmp_path: Path) -> None:
    """Debian's Python comes without ensurepip: one like it is made by an import that is switched off."""
    (tmp_path / "python").write_text(
        f"#!{sys.executable} -I\n"
        "import sys, importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name: None if name == 'ensurepip' else found(name)\n"
        "sys.argv = sys.argv[sys.argv.index('-c'):]\n"
        "exec(sys.argv[1])\n",
        encoding="utf-8",
    )
    (tmp_path / "python").chmod(0o755)
    message = failed(Installer(installation(tmp_path / "server", python=tmp_path / "python")))
    assert "lacks the modules ensurepip" in message


def test_an_environment_for_a_child_holds_nothing_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("PIP_TARGET", "/nowhere")
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    variables = clean_environment({"TMPDIR": "/t"})
    assert "/nowhere" not in variables.values()
    assert variables["HTTPS_PROXY"] == "http://proxy:1"
    assert variables["PYTHONNOUSERSITE"] == "1"
    assert variables["TMPDIR"] == "/t"
    script = "import site, sys; print(sys.prefix, site.ENABLE_USER_SITE)"
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [sys.prefix, "False"]


def test_a_lock_is_held_once_and_freed_by_death(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    script = (
        "import sys, time; from pathlib import Path; from blender_addon.locks import hold_lock\n"
        "with hold_lock(Path(sys.argv[1]), 0.0) as held: print(held, flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with hold_lock(path, 0.2) as is_held:
            assert not is_held
        threading.Timer(0.2, holder.kill).start()
        with hold_lock(path, 10.0) as is_held:
            assert is_held


def test_a_process_is_known_by_its_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, **group_options()) as child:
        mark = start_mark(child.pid)
        assert mark is not None
        assert start_mark(child.pid) == mark
        end_tree(child)
    assert start_mark(child.pid) is None


NEURAL = Equipment(True, "auto")


def test_room_for_the_networks_is_asked_for_in_advance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = BUILDS["linux", "cpu"].size.needed_bytes
    monkeypatch.setattr("blender_addon.setup.install.choose_build", lambda *_: BUILDS["linux", "cpu"])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=needed - 1))
    folder = tmp_path / "server"
    assert f"{needed / 1e9:.1f} GB are needed" in failed(Installer(installation(folder, equipment=NEURAL)))
    assert sorted(path.name for path in folder.iterdir()) == ["install.lock"]


def test_a_folder_too_deep_for_pytorch_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blender_addon.setup.install.paths_are_limited", lambda: True)
    folder = tmp_path / ("x" * 120)
    excess = path_excess(folder)
    assert f"{excess} characters too long" in failed(Installer(installation(folder, equipment=NEURAL, needed_bytes=1)))


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Blender's Python is a script with a shebang")
def test_a_driver_that_crashes_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text(
        f"#!{sys.executable}\n"
        "import os, signal, sys\n"
        "if sys.argv[-1].endswith('gpu.py'):\n"
        "    os.kill(os.getpid(), signal.SIGSEGV)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n",
        encoding="utf-8",
    )
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2))
    installer = Installer(
        installation(tmp_path / "server", python=tmp_path / "python", equipment=NEURAL, needed_bytes=1)
    )
    assert "needed" in failed(installer)
    lines = installer.tail(9)
    assert any("ended with code -11" in line for line in lines), lines
    assert "NVIDIA GPU: -; PyTorch: cpu" in lines
