# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture from the clipboard: a path or an address of a file in its text, or the pixels themselves."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")
# Longer text is no path on any system.
_LONGEST_TEXT = 4096
# The program that owns the clipboard answers at once or is stuck.
_ANSWER_TIMEOUT_S = 3.0
_PNG_START = b"\x89PNG\r\n\x1a\n"
# The first that is installed is asked; each writes the picture to its standard output.
_COMMANDS = (
    ("wl-paste", "--type", "image/png"),
    ("xclip", "-selection", "clipboard", "-target", "image/png", "-out"),
)


def picture_path(text: str) -> Path | None:
    """The first picture that the text names: a path, quoted or not, or a file:// address. None where it names none.

    Nothing is looked up on disk.
    """
    if len(text) > _LONGEST_TEXT or "\0" in text:
        return None
    for line in text.splitlines():
        line = line.strip().strip("\"'")
        path = _path_of_address(line) if line.lower().startswith("file:") else line
        if path and Path(path).suffix.lower() in PICTURE_SUFFIXES and "://" not in path:
            return Path(path).expanduser() if path.startswith("~") else Path(path)
    return None


def _path_of_address(address: str) -> str:
    parts = urlsplit(address)
    path = unquote(parts.path)
    if len(path) > 2 and path[0] == "/" and path[2] == ":":  # file:///C:/fox.png
        return path[1:]
    if parts.netloc not in ("", "localhost"):  # file://server/share/fox.png
        return f"//{parts.netloc}{path}"
    return path


def reading_commands() -> tuple[tuple[str, ...], ...]:
    """The installed commands that can print the clipboard's picture."""
    return tuple(command for command in _COMMANDS if shutil.which(command[0]))


class PictureReader:
    """Reads the clipboard's picture on a thread of its own: where Blender itself owns the clipboard, the command asks
    Blender's main thread, which must not be waiting for the command.

    picture: the file, once `is_done` and where there was a picture. problem: why it could not be kept.
    """

    def __init__(self, commands: Sequence[Sequence[str]], target: Path) -> None:
        self.picture: Path | None = None
        self.problem = ""
        self._commands = commands
        self._target = target
        self._thread = threading.Thread(target=self._read, name="figurine-clipboard", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether the clipboard was read."""
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait for it."""
        self._thread.join(_ANSWER_TIMEOUT_S * len(self._commands) + 1)

    def _read(self) -> None:
        for command in self._commands:
            try:
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=_ANSWER_TIMEOUT_S,
                )
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.stdout.startswith(_PNG_START):
                try:
                    self._target.parent.mkdir(parents=True, exist_ok=True)
                    self._target.write_bytes(done.stdout)
                except OSError as error:
                    self.problem = error.strerror or str(error)
                    return
                self.picture = self._target
                return
