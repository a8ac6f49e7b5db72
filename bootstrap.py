# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes .venv and installs Figurine into it, after checking what the system must bring.

    python3.11 bootstrap.py [--extras blender,dev]

Standard library only. Run again, it does nothing unless pyproject.toml changed or an extra is missing. On Debian or
Ubuntu it prints the exact install line for missing system packages; as root with CI=true it installs them.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "figurine-installed"
PYTHONS = ((3, 11), (3, 13))
# What the bpy module links on Linux: shared object → Debian package.
BPY_LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libXext.so.6": "libxext6",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
}


def main() -> int:
    """Check, create, install; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extras", default="blender,dev", help="extras of pyproject.toml, comma separated")
    extras = parser.parse_args().extras
    if sys.version_info[:2] not in PYTHONS:
        return _fail(f"Python {sys.version.split()[0]} is not supported; use 3.11 or 3.13: make PYTHON=python3.11 …")
    missing = _missing_packages(extras)
    if missing and not _install_packages(missing, extras):
        return 1
    made_from = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    installed = _installed_extras(made_from)
    if installed is not None and set(extras.split(",")) <= installed:
        return 0
    extras = ",".join(sorted(set(extras.split(",")) | (installed or set())))
    try:
        if not _is_usable():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        print(f"Installing Figurine [{extras}] into .venv …", flush=True)
        pip = [str(_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--editable", f"{ROOT}[{extras}]"], check=True)
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        return _fail(f"{command} failed with exit code {error.returncode}. Mend it and run again.")
    STAMP.write_text(f"{made_from} {extras}")
    return 0


def _installed_extras(made_from: str) -> set[str] | None:
    """The extras that .venv has, or None where it was made from something else than `made_from`."""
    if not (STAMP.is_file() and _python().is_file()):
        return None
    made_then, _, extras = STAMP.read_text().partition(" ")
    return set(extras.split(",")) if made_then == made_from else None


def _python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _is_usable() -> bool:
    """Whether .venv is there, of this Python's version, with pip."""
    if not _python().is_file():
        return False
    answer = subprocess.run(
        [str(_python()), "-c", "import pip, sys; print(sys.version)"], capture_output=True, text=True
    )
    return answer.stdout.strip() == sys.version.strip()


def _missing_packages(extras: str) -> list[str]:
    """Debian packages that are missing; on other systems only what Python itself lacks."""
    missing = []
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        missing.append(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")
    if sys.platform == "linux" and "blender" in extras:
        missing += [package for library, package in BPY_LIBRARIES.items() if not _can_load(library)]
    return missing


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _install_packages(packages: list[str], extras: str) -> bool:
    """As root with CI=true: install. Otherwise say how. True when they are there."""
    line = f"apt-get install -y {' '.join(packages)}"
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0 and os.environ.get("CI") == "true":
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([apt, "update", "-qq"], env=environment, check=False)
        install = [apt, "install", "-y", "-qq", "--no-install-recommends", *packages]
        done = subprocess.run(install, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode == 0 and not _missing_packages(extras):
            return True
    if apt:
        _fail(f"System packages are missing. Install them and run again:\n    sudo {line}")
    else:
        _fail(f"Libraries are missing; on Debian or Ubuntu they are in the packages: {' '.join(packages)}")
    return False


def _fail(sentence: str) -> int:
    print(f"bootstrap: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
