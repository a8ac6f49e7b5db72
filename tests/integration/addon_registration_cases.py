# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the add-on as a whole: switched on and off again, installed as an extension."""

from __future__ import annotations

import importlib
import shutil
import threading
from pathlib import Path
from typing import get_args

import addon_utils
import bpy

from tests.integration.addon_scene import Bench
from tests.integration.layout_recorder import PANELS, draw

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


def install() -> None:
    """Put the add-on where Blender looks for extensions."""
    target = Path(bpy.utils.user_resource("EXTENSIONS", path="user_default/figurine", create=True))
    shutil.copytree(ADDON, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    addon_utils.extensions_refresh()


def case_every_state_can_be_drawn(bench: Bench) -> None:
    """Names of icons differ between versions, and a wrong one ends the drawing of its panel."""
    install()
    assert addon_utils.enable(MODULE, default_set=True) is not None
    runtime, views, errors, mirror, preferences, documents = (
        importlib.import_module(f"{MODULE}.{name}")
        for name in ("runtime", "jobs.views", "errors", "mirror", "preferences", "documents")
    )
    now, chosen = runtime.current(), bpy.context.preferences.addons[MODULE].preferences
    chosen.command = "figurine serve"
    jobs = tuple(
        views.JobView(str(number), state, "fox", stage="geometry", created_s=float(number))
        for number, state in enumerate(get_args(views.ViewState))
    )
    fetch = documents.Download("downloading", 1, 2, None)
    models = views.ModelsView(
        tuple(
            documents.Weights(state, state, "does it", "MIT", "maker/one", state, 1, True, 0, download)
            for state in ("present", "absent", "damaged")
            for download in (None, fetch)
        ),
        is_known=True,
    )
    now.complain(errors.FigurineError("It broke.", "Mend it."))
    now.say("It is there.", offers_import=True, key="1")
    titles = set()
    for chosen.mode in ("managed", "address"):
        now.apply(preferences.choices(bpy.context, now.paths, now.version))
        for state in ("unknown", "running", "unreachable"):
            error = errors.ServerNotRunning() if state == "unreachable" else None
            for shown in ((job,) for job in jobs):
                now.snapshot = views.Snapshot(views.ServerView(state, error=error), shown, models=models)
                now.focus = shown[0].key
                mirror.mirror_jobs(bpy.context.window_manager.figurine, now)
                titles |= {draw(panel).lines[0] for panel in PANELS}
    assert {"Server Stopped", "Server Running", "Server Not Reached", "Looking for the Server"} <= titles
    addon_utils.disable(MODULE, default_set=True)


def case_the_addon_goes_on_and_off_and_leaves_nothing(bench: Bench) -> None:
    install()
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
