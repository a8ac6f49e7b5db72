# SPDX-License-Identifier: GPL-3.0-or-later
"""The list widget's copy of the jobs, and the regions in which the panel can be seen."""

from __future__ import annotations

import bpy

from .properties import FigurineWindow
from .runtime import Runtime

_CATEGORY = "Figurine"
_followed: str | None = None


def mirror_jobs(window: FigurineWindow, now: Runtime) -> None:
    """Give the list one row for each job. The highlighted job stays the same; a new request becomes it."""
    global _followed
    keys = [job.key for job in now.snapshot.jobs]
    chosen = window.jobs[window.active].key if 0 <= window.active < len(window.jobs) else ""
    if now.focus != _followed:
        if now.focus is None or now.focus in keys:
            _followed = now.focus
        chosen = now.focus or chosen
    while len(window.jobs) > len(keys):
        window.jobs.remove(len(window.jobs) - 1)
    while len(window.jobs) < len(keys):
        window.jobs.add()
    for row, key in zip(window.jobs, keys, strict=True):
        if row.key != key:
            row.key = key
    active = keys.index(chosen) if chosen in keys else min(window.active, max(len(keys) - 1, 0))
    if window.active != active:
        window.active = active


def visible_panels(context: bpy.types.Context) -> list[bpy.types.Region]:
    """The sidebars that show Figurine's tab."""
    return [
        region
        for window in context.window_manager.windows
        for area in window.screen.areas
        if area.type == "VIEW_3D" and area.spaces.active.show_region_ui
        for region in area.regions
        if region.type == "UI" and region.active_panel_category == _CATEGORY
    ]


def visible_preferences(context: bpy.types.Context) -> list[bpy.types.Region]:
    """Where Blender's Preferences are open."""
    return [
        region
        for window in context.window_manager.windows
        for area in window.screen.areas
        if area.type == "PREFERENCES"
        for region in area.regions
        if region.type == "WINDOW"
    ]


def tag_redraw(regions: list[bpy.types.Region]) -> None:
    """Have these drawn again."""
    for region in regions:
        region.tag_redraw()
