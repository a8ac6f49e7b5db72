# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PyTorch is fetched for which machine, from where, and what that costs."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from blender_addon.errors import InstallFailed
from blender_addon.setup import gpu as gpu_script
from blender_addon.setup.environments import (
    Installed,
    Torch,
    default_folder,
    path_excess,
    paths_are_limited,
    read_installed,
    write_installed,
)
from blender_addon.setup.gpu import ask_driver
from blender_addon.setup.steps import ENVIRONMENT, TEST, plan_fetches
from blender_addon.setup.torch_builds import (
    BUILDS,
    DRAFT_ONLY,
    DRAFT_SIZE,
    TORCH,
    Equipment,
    Gpu,
    Processor,
    choose_build,
)

ROOT = Path(__file__).resolve().parents[3]
WHEEL = Path("/add on/figurine-1.0.0-py3-none-any.whl")
PYTORCH = "https://download.pytorch.org/whl"
PASCAL = Gpu("GTX 1080", (13, 0), (6, 1))
TURING = Gpu("RTX 2080", (13, 0), (7, 5))
ADA_OLD_DRIVER = Gpu("RTX 4090", (12, 2), (8, 9))
ADA = Gpu("RTX 4090", (13, 1), (8, 9))
BLACKWELL = Gpu("RTX 5090", (13, 0), (12, 0))


@pytest.mark.parametrize(
    ("platform", "processor", "gpu", "kind", "index"),
    [
        ("linux", "auto", None, "cpu", f"{PYTORCH}/cpu"),
        ("linux", "auto", ADA, "cuda13", ""),
        ("linux", "auto", PASCAL, "cuda12", f"{PYTORCH}/cu126"),
        ("linux", "auto", TURING, "cuda13", ""),
        ("linux", "nvidia", None, "cuda13", ""),
        ("linux", "cpu", ADA, "cpu", f"{PYTORCH}/cpu"),
        ("win32", "auto", None, "cpu", ""),
        ("win32", "auto", BLACKWELL, "cuda13", f"{PYTORCH}/cu130"),
        ("win32", "nvidia", ADA_OLD_DRIVER, "cuda12", f"{PYTORCH}/cu126"),
        ("win32", "nvidia", None, "cuda13", f"{PYTORCH}/cu130"),
        ("win32", "cpu", ADA, "cpu", ""),
        ("darwin", "auto", None, "mps", ""),
        ("darwin", "nvidia", None, "mps", ""),
    ],
)
def test_every_machine_has_its_build(
    platform: str, processor: Processor, gpu: Gpu | None, kind: str, index: str
) -> None:
    build = choose_build(platform, processor, gpu)
    assert (build.kind, build.index) == (kind, index)
    assert build.is_for_cuda == kind.startswith("cuda")


@pytest.mark.parametrize(
    ("gpu", "words"),
    [
        (Gpu("GTX 780", (11, 4), (3, 5)), "as old as the GTX 780"),
        (Gpu("RTX 5090", (12, 8), (12, 0)), "runs CUDA 12.8"),
        (Gpu("RTX 3090", (11, 8), (8, 6)), "driver of the RTX 3090 is too old"),
    ],
)
@pytest.mark.parametrize("processor", ["auto", "nvidia"])
def test_a_gpu_that_would_not_be_used_is_said(gpu: Gpu, words: str, processor: Processor) -> None:
    with pytest.raises(InstallFailed) as error:
        choose_build("win32", processor, gpu)
    assert words in error.value.message
    assert "choose CPU" in error.value.hint or "Choose CPU" in error.value.hint


def test_the_bound_of_pytorch_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert TORCH in project["optional-dependencies"]["neural"]


def test_what_pip_is_asked_for() -> None:
    def asked(build: Any, has_own_index: bool = False) -> list[tuple[str, ...]]:
        return [fetch.arguments for fetch in plan_fetches(WHEEL, build, has_own_index)]

    neural, cpu = (f"{WHEEL}[neural]",), BUILDS["linux", "cpu"]
    assert asked(None) == [(str(WHEEL),)]
    assert asked(BUILDS["win32", "cpu"]) == [neural]
    assert asked(cpu) == [("--no-deps", "--index-url", f"{PYTORCH}/cpu", TORCH), neural]
    assert asked(cpu, True) == [("--no-deps", "--extra-index-url", f"{PYTORCH}/cpu", TORCH), neural]


@pytest.mark.parametrize("build", [None, *BUILDS.values()], ids=lambda build: build.kind if build else "draft")
def test_the_bar_runs_through_without_a_gap(build: Any) -> None:
    fetches = plan_fetches(WHEEL, build, False)
    steps = [step for fetch in fetches for step in (fetch.download, fetch.unpack)]
    assert (steps[0].start, round(steps[-1].end, 9)) == (ENVIRONMENT.end, TEST.start)
    assert all(before.end == after.start and before.end > before.start for before, after in pairwise(steps))
    whole = build.size if build else DRAFT_SIZE
    assert sum(fetch.size.download_bytes for fetch in fetches) == whole.download_bytes
    assert sum(fetch.size.disk_bytes for fetch in fetches) == whole.disk_bytes
    assert whole.needed_bytes > whole.disk_bytes + whole.download_bytes


def test_cuda_costs_more_than_the_cpu_and_both_more_than_the_draft() -> None:
    for platform in ("linux", "win32"):
        cpu, *cuda = (BUILDS[platform, kind].size.needed_bytes for kind in ("cpu", "cuda12", "cuda13"))
        assert DRAFT_SIZE.needed_bytes < cpu < min(cuda)


class Driver:
    """CUDA's driver API as a machine with one GPU has it. failing: of its functions."""

    def __init__(self, failing: str = "", gpus: int = 1) -> None:
        self._failing, self._gpus = failing, gpus

    def __getattr__(self, name: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            if name == self._failing:
                return 999
            values = {"cuDriverGetVersion": 13010, "cuDeviceGetCount": self._gpus, "cuDeviceGet": 0}
            if name in values:
                arguments[0]._obj.value = values[name]
            elif name == "cuDeviceGetName":
                arguments[0].value = b"NVIDIA RTX 4090"
            elif name == "cuDeviceGetAttribute":
                arguments[0]._obj.value = {75: 8, 76: 9}[arguments[1]]
            return 0

        return call


def test_a_driver_tells_its_gpu() -> None:
    assert ask_driver(Driver()) == {"name": "NVIDIA RTX 4090", "cuda": [13, 1], "capability": [8, 9]}
    assert ask_driver(Driver(gpus=0)) is None
    for name in ("cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName"):
        assert ask_driver(Driver(failing=name)) is None, name


def test_without_a_driver_there_is_no_gpu() -> None:
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        expected: object = type(None)
    else:
        expected = (dict, type(None))
    command = [sys.executable, "-I", gpu_script.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert isinstance(json.loads(done.stdout), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "installed",
    [
        Installed("e-1", "1.0.0"),
        Installed("e-1", "1.0.0", Equipment(True, "cpu"), Torch("2.13.0+cpu", "", "cpu")),
        Installed("e-1", "1.0.0", Equipment(True, "auto"), None),
    ],
)
def test_the_choice_is_kept_on_the_disk(tmp_path: Path, installed: Installed) -> None:
    write_installed(tmp_path, installed)
    assert read_installed(tmp_path) == installed
    assert [path.name for path in tmp_path.iterdir()] == ["current.json"]


@pytest.mark.parametrize(
    ("more", "equipment"),
    [
        ({}, DRAFT_ONLY),
        ({"engines": ["draft"], "processor": "nvidia"}, DRAFT_ONLY),
        ({"engines": "neural"}, DRAFT_ONLY),
        ({"engines": ["draft", "neural", "later"]}, Equipment(True, "auto")),
        ({"engines": ["neural"], "processor": "quantum", "more": {}}, Equipment(True, "auto")),
        ({"engines": ["neural"], "processor": ["cpu"], "torch": {"version": 2}}, Equipment(True, "auto")),
    ],
)
def test_marks_of_other_versions_are_read(tmp_path: Path, more: dict[str, Any], equipment: Equipment) -> None:
    mark = {"environment": "e-1", "version": "1.0.0"} | more
    (tmp_path / "current.json").write_text(json.dumps(mark), encoding="utf-8")
    assert read_installed(tmp_path) == Installed("e-1", "1.0.0", equipment)


def test_the_usual_folder_leaves_room_for_pytorch_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path("/home/a/.config/blender/5.2/extensions/.user/user_default/figurine")
    monkeypatch.setattr("sys.platform", "linux")
    assert default_folder(own, (5, 2, 1)) == own / "server"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", f"C:/Users/{'n' * 40}/AppData/Local")
    old, new = (default_folder(own, version) for version in ((4, 5, 3), (5, 2, 1)))
    assert old != new and own not in new.parents
    assert path_excess(new) < 0


def test_paths_that_windows_cannot_have_are_foreseen() -> None:
    longest = "C:/" + "x" * 107
    assert path_excess(Path(longest)) == 0
    assert path_excess(Path(longest + "yy")) == 2
    assert sys.platform == "win32" or not paths_are_limited()
