# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """All of them beside their places, then renamed: a full disk leaves what was there before. Raises OSError."""
    parts = {name: folder / f".{name}.{os.getpid()}.part" for name in files}
    try:
        for name, content in files.items():
            parts[name].write_bytes(content)
        for name, part in parts.items():
            part.replace(folder / name)
    finally:
        for part in parts.values():
            if part.is_file():
                part.unlink()
