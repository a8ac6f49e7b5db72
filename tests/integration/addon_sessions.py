# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on as it is installed: which cases there are, found without Blender, and how they are run in a Blender."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.integration.project_python import ROOT, VARIABLE

HERE = Path(__file__).parent
SESSION = HERE / "addon_session.py"
CASE_FILES = "addon_*cases.py"
TIMEOUT_S = 500


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


def run_sessions(
    cases: Sequence[str], archive: Path, folder: Path, timeout_s: float = TIMEOUT_S, python: str = sys.executable
) -> Path:
    """Run cases one after the other in one process with the Blender of that Python, with a user folder of its own. The
    folder of what `trouble_of` reads.
    """
    users, answers = folder / "user", folder / "answers"
    users.mkdir(parents=True)
    with (folder / "log.txt").open("wb") as log:
        subprocess.run(
            [python, str(SESSION), str(archive), str(answers), *cases],
            env=os.environ | {"BLENDER_USER_RESOURCES": str(users), "FIGURINE_PORT": "0", VARIABLE: sys.executable},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=timeout_s,
            check=False,
        )
    return answers


def trouble_of(answers: Path, case: str) -> str:
    """What went wrong in one of them; empty where it held and nothing was complained of."""
    begun = sorted(path.name for path in answers.glob("*"))
    if case not in begun:
        return f"Blender ended before {case} was begun. Begun were {begun}."
    printed, complained = ((answers / case / name).read_text(errors="replace") for name in ("out.txt", "err.txt"))
    if f"held: {case}" not in printed:
        return printed[-4000:] + complained[-4000:]
    return complained[-4000:] if "Traceback" in complained else ""
