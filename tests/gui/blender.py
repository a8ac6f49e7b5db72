# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual screen, one fresh user, and as many Blenders after each other as a scenario needs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chroot import Place, open_place

# Blender opens its preferences around the mouse, and no window manager moves them: they need room above.
_ROOM_ABOVE_PX = 600
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples"
_BUILD_TIMEOUT_S = 120


@dataclass(frozen=True)
class Desk:
    """folder: all that the user and the programs write. screen: see screen.py. out: where screenshots go. size_px: of
    Blender's window.
    """

    place: Place
    folder: Path
    screen: Path
    out: Path
    display: str
    size_px: tuple[int, int]

    def environment(self) -> dict[str, str]:
        """A user who never had Blender, at this screen."""
        return {
            "DISPLAY": self.display,
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "BLENDER_USER_RESOURCES": str(self.folder / "blender"),
            "FIGURINE_HOME": str(self.folder / "figurine"),
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }

    def command(self, *arguments: str, timeout_s: float = 120) -> str:
        """Blender's command line; what it printed."""
        process = self.place.start(
            [self.place.blender, *arguments], self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = process.communicate(timeout=timeout_s)[0].decode()
        assert process.returncode == 0, f"blender {' '.join(arguments)} ended with {process.returncode}:\n{output}"
        return output

    def play(self, module: str, function: str, *, timeout_s: float, options: tuple[str, ...] = (), **given: Any) -> str:
        """A scenario in Blender's window (see play.py). Returns what Blender printed; raises when it failed."""
        parameters = self.folder / f"{function}.json"
        parameters.write_text(json.dumps({"screen": str(self.screen), "out": str(self.out), **given}))
        window = ["--no-window-focus", "--window-geometry", "0", "0", *map(str, self.size_px)]
        script = ["--python", str(HERE / "play.py"), "--", module, function, str(parameters)]
        log = self.out / f"{function}.log"
        with log.open("wb") as output:
            process = self.place.start(
                [self.place.blender, *window, "--enable-event-simulate", *options, *script],
                self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                code = f"no end within {timeout_s} s"
        text = log.read_text(errors="replace")
        print(text)
        assert code == 0, f"{function}: Blender ended with {code}; its last words:\n{text[-3000:]}"
        return text


@contextlib.contextmanager
def sit_down(folder: Path, out: Path, size_px: tuple[int, int] = (1280, 800)) -> Iterator[Desk]:
    """A fresh user with the add-on installed from its zip, until the block ends. Raises Unavailable."""
    build = [sys.executable, str(ROOT / "build_addon.py"), "--output", str(folder / "dist")]
    subprocess.run(build, check=True, timeout=_BUILD_TIMEOUT_S, cwd=ROOT)
    archive = next((folder / "dist").glob("figurine-*.zip"))
    with open_place(folder, out, HERE, EXAMPLES) as place, _open_desk(place, folder, out, size_px) as desk:
        desk.command("--command", "extension", "install-file", "-r", "user_default", "-e", str(archive))
        try:
            yield desk
        finally:
            logs = folder / "figurine" / "logs"
            if logs.is_dir():
                shutil.copytree(logs, out / "logs", dirs_exist_ok=True)


@contextlib.contextmanager
def _open_desk(place: Place, folder: Path, out: Path, size_px: tuple[int, int]) -> Iterator[Desk]:
    """A screen and the folders of a user who never had Blender."""
    for name in ("home", "tmp", "runtime", "blender", "screen"):
        (folder / name).mkdir(mode=0o700)
    reading, writing = os.pipe()
    geometry = f"{size_px[0]}x{size_px[1] + _ROOM_ABOVE_PX}x24"
    process = place.start(
        ["Xvfb", "-displayfd", "1", "-screen", "0", geometry, "-nolisten", "tcp", "-fbdir", str(folder / "screen")],
        {},
        stdout=writing,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
            assert number, "Xvfb did not start"
            yield Desk(place, folder, folder / "screen" / "Xvfb_screen0", out, f":{number}", size_px)
    finally:
        process.terminate()
        process.wait()
