# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a process with the bpy module: the add-on installed from a zip into a clean user folder.

    python addon_session.py ZIP FOLDER CASE…        CASE is MODULE.FUNCTION of this folder

Each case has factory settings, the add-on switched on anew, an empty data folder and a folder of its own in FOLDER:
FOLDER/CASE/out.txt and err.txt hold what it printed, "held: CASE" last where it held. The environment names the user
folder (BLENDER_USER_RESOURCES).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shlex
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration.project_python import project_python  # noqa: E402

MODULE = "bl_ext.user_default.figurine"
JOB_TIMEOUT_S = 180.0
# Variables for Python's search path do not come through to a server that Blender starts.
_SERVE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from inference_server.cli import main; sys.exit(main())"


class Session:
    """The installed add-on."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self.folder = folder
        if Path(bpy.utils.user_resource("EXTENSIONS"), "user_default", "figurine").exists():
            bpy.ops.preferences.addon_enable(module=MODULE)
        else:
            bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)

    def module(self, name: str) -> ModuleType:
        """A module of the installed add-on."""
        return importlib.import_module(f"{MODULE}.{name}")

    @property
    def now(self) -> Any:
        """The add-on's runtime."""
        return self.module("runtime").current()

    @property
    def preferences(self) -> Any:
        """The add-on's preferences."""
        return bpy.context.preferences.addons[MODULE].preferences

    @property
    def request(self) -> Any:
        """The scene's request."""
        return bpy.context.scene.figurine

    def use_own_server(self) -> None:
        """Have Blender manage the server of this checkout, of the project's Python; the engine's threads begin."""
        self.preferences.command = shlex.join([project_python(), "-c", _SERVE, str(ROOT), "serve"])
        self.now.start()
        self.tick()

    def tick(self) -> float:
        """One turn of the pump."""
        delay_s: float = self.module("pump").tick()
        return delay_s

    def tick_until(self, is_so: Callable[[], bool], timeout_s: float = JOB_TIMEOUT_S) -> None:
        """Turn the pump until something is so, as if the panel were in sight."""
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline_s, (self.now.snapshot, self.now.messages, self.now.server_state)
            self.now.engine.watch(3.0)
            self.tick()
            time.sleep(0.05)

    def job(self) -> Any:
        """The job that was asked for last."""
        return self.now.job(self.now.focus) if self.now.focus else None

    def generate(self, picture: Path, **settings: Any) -> None:
        """Fill in the panel and press Generate."""
        self.request.image = None
        self.request.picture = str(picture)
        for name, value in settings.items():
            setattr(self.request, name, value)
        before = self.now.focus
        assert bpy.ops.figurine.generate() == {"FINISHED"}
        self.tick_until(lambda: self.now.focus not in (None, before) and self.job() is not None)

    def stop_server(self) -> None:
        """Press Stop, and wait for it."""
        if self.now.server is not None:
            bpy.ops.figurine.stop_server()
            self.tick_until(lambda: self.now.server_state == "stopped", 30)


def main(archive: Path, folder: Path, cases: list[str]) -> None:
    """Run the cases, one after the other."""
    environment = dict(os.environ)
    for case in cases:
        own = folder / case
        (own / "work").mkdir(parents=True)
        os.environ["FIGURINE_HOME"] = str(_data_folder(own / "home"))
        with _printing_into(own):
            if _holds(case, archive, own / "work"):
                sys.stdout.write(f"held: {case}\n")
        _forget()
        os.environ.clear()
        os.environ.update(environment)


def _data_folder(home: Path) -> Path:
    """One with the stage cache that all tests share."""
    stages = Path(os.environ.get("TESTS_STAGE_CACHE", home.parents[1] / "stages"))
    stages.mkdir(exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)  # there where a test put weights into it
    (home / "cache").symlink_to(stages, target_is_directory=True)
    return home


def _holds(case: str, archive: Path, work: Path) -> bool:
    module, _, function = case.partition(".")
    try:
        session = Session(archive, work)
        getattr(importlib.import_module(f"tests.integration.{module}"), function)(session)
    except BaseException:
        traceback.print_exc()
        return False
    finally:
        if MODULE in bpy.context.preferences.addons:
            bpy.ops.preferences.addon_disable(module=MODULE)
    return True


def _forget() -> None:
    """What a case may have changed: the file, the preferences, the add-on's modules and what it keeps on disk."""
    bpy.ops.wm.read_factory_settings()
    for name in [name for name in sys.modules if name.startswith(f"{MODULE}.") or name == MODULE]:
        del sys.modules[name]
    shutil.rmtree(Path(bpy.utils.user_resource("EXTENSIONS"), ".user"))


@contextlib.contextmanager
def _printing_into(folder: Path) -> Iterator[None]:
    """Have Python, Blender and children print into files."""
    kept = [os.dup(1), os.dup(2)]
    for target, name in ((1, "out.txt"), (2, "err.txt")):
        file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, target)
        os.close(file)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for target, before in enumerate(kept, start=1):
            os.dup2(before, target)
            os.close(before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
