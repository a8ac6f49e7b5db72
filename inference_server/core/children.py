# SPDX-License-Identifier: GPL-3.0-or-later
"""How this product starts its own modules as child processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
# Blender loads files and add-ons of others; what they could read there is none of theirs.
SECRET_VARIABLES = ("FIGURINE_TOKEN", "FIGURINE_GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


def module_command(module: str, *arguments: str) -> list[str]:
    """Run one of our modules under this Python. -P: the current folder, which may be full of downloads, is no place to
    import from; give the child `child_environment` so that it finds us.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """This process' environment, with our own packages on the search path."""
    search_path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": search_path}


def outsider_environment() -> dict[str, str]:
    """`child_environment` without what only Figurine's own processes may know."""
    return {name: value for name, value in child_environment().items() if name not in SECRET_VARIABLES}
