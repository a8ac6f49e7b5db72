# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in panels: Blender's labels are one line each, so sentences are broken to the panel's width."""

from __future__ import annotations

import blf
import bpy

from ..languages import told
from ..wording import wrapped

# Blender's own margins, by what text stands in, in pixels at a resolution scale of 1.
_PANEL_MARGIN_PX = 46
_BOX_MARGIN_PX = 18
_ICON_PX = 22
_BUTTON_PX = 36
# Narrower regions do not show text; and where no region is known (in the background), this is a usual width.
_LEAST_WIDTH_PX = 90
_USUAL_WIDTH_PX = 300
# Lines of one sentence stand closer together than separate rows.
_LINE_SCALE = 0.75
_INTERFACE_FONT = 0
# Blender's icons, by whose size pictures are scaled; and pictures that can be seen and leave room for the rest.
_ICON_UNIT_PX = 20
_LEAST_PICTURE_SCALE = 3.0
_LARGEST_PICTURE_SCALE = 16.0


def draw_text(
    layout: bpy.types.UILayout,
    text: str,
    icon: str = "NONE",
    *,
    is_in_box: bool = True,
    is_beside_button: bool = False,
) -> None:
    """A sentence, in the language of the interface, in as many lines as the region's width needs."""
    column = layout.column(align=True)
    column.scale_y = _LINE_SCALE
    margin_px = _PANEL_MARGIN_PX + _BOX_MARGIN_PX * is_in_box + _ICON_PX * (icon != "NONE")
    margin_px += _BUTTON_PX * is_beside_button
    for number, line in enumerate(_lines(told(text), margin_px)):
        if icon == "NONE":
            column.label(text=line, translate=False)
        else:
            column.label(text=line, icon=icon if number == 0 else "BLANK1", translate=False)


def draw_in_dialog(layout: bpy.types.UILayout, text: str, width_px: int) -> None:
    """A sentence, in the language of the interface, in a dialog of this width: its region is not known beforehand."""
    column = layout.column(align=True)
    column.scale_y = _LINE_SCALE
    scale = bpy.context.preferences.system.ui_scale or 1.0  # 0 in the background
    for line in _wrapped(told(text), (width_px - _PANEL_MARGIN_PX) * scale):
        column.label(text=line, translate=False)


def picture_scale(columns: int) -> float:
    """The scale at which so many square pictures fill a box, each in one of its own, beside each other."""
    scale = bpy.context.preferences.system.ui_scale or 1.0  # 0 in the background
    room_px = _region_width_px(scale) - (_PANEL_MARGIN_PX + (1 + columns) * _BOX_MARGIN_PX) * scale
    return min(max(room_px / columns / (_ICON_UNIT_PX * scale), _LEAST_PICTURE_SCALE), _LARGEST_PICTURE_SCALE)


def draw_faint(layout: bpy.types.UILayout, text: str, *, is_in_box: bool = True) -> None:
    """A sentence that only helps those who look for help."""
    column = layout.column()
    column.active = False
    draw_text(column, text, is_in_box=is_in_box)


def draw_words(
    layout: bpy.types.UILayout, text: str, hint: str, icon: str = "ERROR", *, is_beside_button: bool = False
) -> None:
    """What happened, and below it what to do next."""
    column = layout.column(align=True)
    strong = column.column(align=True)
    strong.alert = icon == "ERROR"
    draw_text(strong, text, icon, is_beside_button=is_beside_button)
    if hint:
        draw_text(column, hint, "BLANK1", is_beside_button=is_beside_button)


def _region_width_px(scale: float) -> float:
    region = bpy.context.region
    return region.width if region is not None else _USUAL_WIDTH_PX * scale


def _lines(text: str, margin_px: float) -> list[str]:
    scale = bpy.context.preferences.system.ui_scale or 1.0  # 0 in the background
    return _wrapped(text, max(_region_width_px(scale) - margin_px * scale, _LEAST_WIDTH_PX * scale))


def _wrapped(text: str, room_px: float) -> list[str]:
    preferences = bpy.context.preferences
    scale = preferences.system.ui_scale or 1.0  # 0 in the background
    blf.size(_INTERFACE_FONT, preferences.ui_styles[0].widget.points * scale)
    return wrapped(text, room_px, lambda line: blf.dimensions(_INTERFACE_FONT, line)[0])
