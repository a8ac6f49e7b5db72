# SPDX-License-Identifier: GPL-3.0-or-later
"""Has what the add-on sends to be rigged answered by the real draft pipeline, in a process of the project's own Python:
the Python of this Blender may have none of the server's packages.
"""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import bpy

from blender_addon import properties
from tests.integration.project_python import project_python


def register_request() -> None:
    """The scene's request, where the add-on as a whole is not switched on."""
    if not hasattr(bpy.types.Scene, "figurine"):
        for kind in properties.CLASSES:
            bpy.utils.register_class(kind)
        properties.add_properties()


def answer(request: Any, folder: Path) -> Path:
    """The result of a request of the add-on, as it is fetched."""
    order = {
        "mesh": str(request.mesh()),
        "skeleton": None if request.skeleton is None else str(request.skeleton()),
        "settings": dict(request.settings),
        "folder": str(folder),
    }
    pipeline = _pipeline()
    pipeline.stdin.write(json.dumps(order) + "\n")
    pipeline.stdin.flush()
    result = pipeline.stdout.readline().strip()
    assert result, "the draft pipeline ended; its words are above"
    return Path(result)


@functools.cache
def _pipeline() -> subprocess.Popen[str]:
    """One for all cases; it ends with this process, whose end closes its input."""
    words = [project_python(), "-m", "tests.integration.rig_answer"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
