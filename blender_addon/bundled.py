# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own importers and exporters that are add-ons, which the user may have switched off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import addon_utils

FBX = "io_scene_fbx"
GLTF = "io_scene_gltf2"


@contextmanager
def enabled_addon(module: str) -> Iterator[None]:
    """Switched on inside, and off again afterwards where it was off."""
    _is_default, is_enabled = addon_utils.check(module)
    if not is_enabled:
        addon_utils.enable(module)
    try:
        yield
    finally:
        if not is_enabled:
            addon_utils.disable(module)
