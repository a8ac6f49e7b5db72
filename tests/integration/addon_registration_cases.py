# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the add-on as a whole: switched on and off again, installed as an extension."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import addon_utils
import bpy

from tests.integration.addon_scene import Bench

ADDON = Path(__file__).resolve().parents[2] / "blender_addon"
MODULE = "bl_ext.user_default.figurine"


def traces() -> dict[str, list[str]]:
    """What an add-on may leave in Blender: classes, properties, handlers, threads."""
    handlers = {name: getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)}
    return {
        "classes": sorted(name for name in dir(bpy.types) if "figurine" in name.lower()),
        "properties": sorted(
            f"{owner.__name__}.{name}"
            for owner in (bpy.types.WindowManager, bpy.types.Scene, bpy.types.Object)
            for name in dir(owner)
            if "figurine" in name.lower()
        ),
        "handlers": sorted(
            f"{name}: {getattr(function, '__module__', '')}"
            for name, functions in handlers.items()
            if isinstance(functions, list)
            for function in functions
        ),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


def case_the_addon_goes_on_and_off_and_leaves_nothing(bench: Bench) -> None:
    target = Path(bpy.utils.user_resource("EXTENSIONS", path="user_default/figurine", create=True))
    shutil.copytree(ADDON, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    addon_utils.extensions_refresh()
    before = traces()
    for _ in range(2):
        errors: list[Exception] = []
        module = addon_utils.enable(MODULE, default_set=True, handle_error=errors.append)
        assert module is not None, errors
        assert errors == []
        during = traces()
        assert len(during["classes"]) > len(before["classes"])
        addon_utils.disable(MODULE, default_set=True)
        assert traces() == before
    bench.measured["classes"] = len(during["classes"])
