# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed environments: which one is in use, what it holds, whether it can be started, what may be removed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .torch_builds import DRAFT_ONLY, PROCESSORS, Equipment

LIBRARIES = "Lib" if sys.platform == "win32" else "lib/python3.*"
_CURRENT = "current.json"
# Windows lets go of the files of an ended process a moment later.
_REMOVALS = 5
_REMOVAL_PAUSE_S = 0.3
# Windows takes paths of so many characters where long ones are not switched on. The longest name within PyTorch has
# 119, below the folder of the packages.
_LONGEST_PATH = 259
_LONGEST_NAME = len("/e-1a2b3c4d/Lib/site-packages/") + 119


@dataclass(frozen=True)
class Torch:
    """What PyTorch said of itself when it was tested. version: with its build, as 2.13.0+cpu. cuda: what it was built
    for, "" for none. device: what it found to work on.
    """

    version: str
    cuda: str
    device: str


@dataclass(frozen=True)
class Installed:
    """The environment in use. torch: where it has the networks' libraries, as far as it is known."""

    environment: str
    version: str
    equipment: Equipment = DRAFT_ONLY
    torch: Torch | None = None


def read_installed(folder: Path) -> Installed | None:
    """What is in use; None where nothing is. One that was written before there was a choice has the draft alone; what
    later versions write beside is left alone.
    """
    try:
        current = json.loads((folder / _CURRENT).read_text(encoding="utf-8"))
        name, version = Path(current["environment"]).name, str(current["version"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Installed(name, version, _equipment(current), _torch(current.get("torch")))


def write_installed(folder: Path, installed: Installed) -> None:
    """Take the environment into use, in one step that is whole on the disk."""
    current: dict[str, Any] = {"environment": installed.environment, "version": installed.version}
    if installed.equipment.has_neural:
        current |= {"engines": ["draft", "neural"], "processor": installed.equipment.processor}
    if installed.torch is not None:
        current["torch"] = vars(installed.torch)
    partial = folder / f"{_CURRENT}.part"
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(current, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / _CURRENT)


def is_sound(folder: Path) -> bool:
    """Whether the installed server can be started, as far as a few looks at the disk tell. Its Python is Blender's,
    which may have been moved or removed.
    """
    environment = current_environment(folder)
    if environment is None:
        return False
    try:
        settings = (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    homes = [value.strip() for name, _, value in (line.partition("=") for line in settings) if name.strip() == "home"]
    return (
        all(Path(home).is_dir() for home in homes)
        and environment_python(environment).is_file()
        and any(environment.glob(f"{LIBRARIES}/site-packages/inference_server/__main__.py"))
    )


def current_environment(folder: Path) -> Path | None:
    """The environment in use; None where there is none."""
    installed = read_installed(folder)
    return folder / installed.environment if installed else None


def environment_python(environment: Path) -> Path:
    """The Python of an environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def remove_leftovers(folder: Path) -> None:
    """Remove every environment that is not in use, and every download. What cannot be removed stays for next time."""
    current = current_environment(folder)
    for _ in range(_REMOVALS):
        left = [path for path in (*folder.glob("e-*"), *folder.glob("t-*")) if path != current]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        if not any(path.exists() for path in left):
            return
        time.sleep(_REMOVAL_PAUSE_S)


def _equipment(current: dict[str, Any]) -> Equipment:
    engines, processor = current.get("engines"), current.get("processor")
    if not isinstance(engines, list) or "neural" not in engines:
        return DRAFT_ONLY
    return Equipment(True, next((known for known in PROCESSORS if known == processor), "auto"))


def _torch(told: object) -> Torch | None:
    words = [told.get(name) for name in ("version", "cuda", "device")] if isinstance(told, dict) else []
    known = [word for word in words if isinstance(word, str)]
    return Torch(*known) if len(known) == 3 else None


def default_folder(own: Path, blender: tuple[int, ...]) -> Path:
    """Where the server is installed where nothing else is set. own: the extension's folder for the user. On Windows,
    whose paths are short, a short one beside the server's data, for each Blender its own.
    """
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
        return local / "figurine-server" / ".".join(map(str, blender[:2]))
    return own / "server"


def path_excess(folder: Path) -> int:
    """By how many characters the paths of the networks' libraries in this folder are longer than Windows takes."""
    return len(str(folder)) + _LONGEST_NAME - _LONGEST_PATH


if sys.platform == "win32":
    import winreg

    def paths_are_limited() -> bool:
        """Whether this Windows has long paths switched off, as it comes."""
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return winreg.QueryValueEx(key, "LongPathsEnabled")[0] != 1
        except OSError:
            return True
else:

    def paths_are_limited() -> bool:
        """Only on Windows."""
        return False
