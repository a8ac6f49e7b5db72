# SPDX-License-Identifier: GPL-3.0-or-later
"""The Blenders that the add-on supports, each as the bpy module in an environment of its own, made once under
~/.cache/figurine/matrix (about 1 GB each, 350 MB to download).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from build_addon import TOOL_FILES

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "figurine" / "matrix"
INSTALL_TIMEOUT_S = 1800
# Prints where the bpy module is, and numpy's version, without starting Blender.
_LOOK = """
import importlib.metadata, importlib.util
print(importlib.util.find_spec("bpy").submodule_search_locations[0])
print(importlib.metadata.version("numpy"))
"""


@dataclass(frozen=True)
class Blender:
    """A version of the bpy module, the Python that it is built for, and the numpy that this Blender has."""

    version: str
    python: str
    numpy: str


BLENDERS = (
    Blender("4.2.23", "3.11", "numpy<2"),
    Blender("4.5.15", "3.11", "numpy<2"),
    Blender("5.0.1", "3.11", "numpy<2"),
    Blender("5.2.3", "3.13", "numpy>=2"),
)


@dataclass(frozen=True)
class Environment:
    """An installed Blender. python: its program. numpy: the version. extension_tool: Blender's own, as a command."""

    blender: Blender
    python: str
    numpy: str
    extension_tool: list[str]


def environment_of(blender: Blender) -> Environment | str:
    """The version's environment, made where it is not there; or why it cannot be."""
    python = _program_of(blender)
    if isinstance(python, str):
        return python
    told = subprocess.run([python, "-c", _LOOK], capture_output=True, text=True, check=True)
    module, numpy = told.stdout.splitlines()
    (tool,) = Path(module).glob(TOOL_FILES)
    return Environment(blender, str(python), numpy, [str(python), "-I", str(tool)])


def _program_of(blender: Blender) -> Path | str:
    home, making = CACHE / f"bpy-{blender.version}", CACHE / f"bpy-{blender.version}.part"
    program = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    if home.exists():
        return home / program
    base = python_of(blender.python)
    if base is None:
        return f"needs Python {blender.python}"
    print(f"Installing bpy {blender.version} …", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([base, "-m", "venv", "--clear", str(making)], check=True, capture_output=True)
        wanted = [f"bpy=={blender.version}", blender.numpy, "requests"]
        subprocess.run(
            [making / program, "-m", "pip", "install", "--quiet", *wanted],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(making, ignore_errors=True)
        said = (getattr(error, "stderr", "") or str(error)).strip()
        return f"could not be installed: {said.splitlines()[-1] if said else error}"
    making.rename(home)
    return home / program


def python_of(version: str) -> str | None:
    """A Python of this version that really runs; None where there is none."""
    for candidate in (sys.executable, shutil.which(f"python{version}")):
        if candidate is not None:
            told = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
            if told.stdout.startswith(f"Python {version}."):
                return candidate
    return None
