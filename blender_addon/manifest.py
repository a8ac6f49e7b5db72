# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension's manifest says of it."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path


@functools.cache
def version() -> str:
    """The add-on's version."""
    with (Path(__file__).parent / "blender_manifest.toml").open("rb") as stream:
        return str(tomllib.load(stream)["version"])
