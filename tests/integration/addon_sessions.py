# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on as it is installed: which cases there are, found without Blender, and how one is run in a Blender."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.integration.jobs import ROOT
from tests.integration.project_python import VARIABLE

HERE = Path(__file__).parent
SESSION = HERE / "addon_session.py"
CASE_FILES = "addon_*cases.py"
TIMEOUT_S = 300


def make_archive(path: Path) -> Path:
    """The add-on as an extension. Without the server's wheel: cases start the server of the project's Python."""
    source = ROOT / "blender_addon"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*")):
            if file.suffix in (".py", ".toml", ".json"):
                archive.write(file, file.relative_to(source))
    return path


def session_case_names() -> list[str]:
    """MODULE.FUNCTION of every case."""
    return [
        f"{file.stem}.{name}"
        for file in sorted(HERE.glob(CASE_FILES))
        for name in re.findall(
            r"^def ([a-z]\w*)\(session: Session\) -> None:", file.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]


def run_session(
    case: str, archive: Path, folder: Path, timeout_s: float = TIMEOUT_S, python: str = sys.executable
) -> str:
    """Run a case in a process of its own with the Blender of that Python, with a user folder and a data folder of its
    own. What went wrong; empty where it held.
    """
    users, work = folder / "user", folder / "work"
    users.mkdir()
    work.mkdir()
    ours = {
        "BLENDER_USER_RESOURCES": str(users),
        "FIGURINE_HOME": str(folder / "home"),
        "FIGURINE_PORT": "0",
        VARIABLE: sys.executable,
    }
    done = subprocess.run(
        [python, str(SESSION), case, str(archive), str(work)],
        env=os.environ | ours,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if f"held: {case}" not in done.stdout:
        return done.stdout[-4000:] + done.stderr[-4000:] or f"Blender ended with {done.returncode} and said nothing."
    return done.stderr[-4000:] if "Traceback" in done.stderr else ""
