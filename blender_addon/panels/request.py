# SPDX-License-Identifier: GPL-3.0-or-later
"""The request's part of the panel: the picture, what to make of it, and Generate."""

from __future__ import annotations

import bpy

from .. import previews
from ..phrases import joined, phrase
from ..properties import FigurineRequest
from ..runtime import Runtime
from ..status import obstacle, server_status
from ..wording import engine_label
from .layout import draw_faint, draw_text
from .mask import draw_mask

# Of Blender's icon size.
_PREVIEW_SCALE = 6.5
_BIG = 1.8
_LEAVES = "The picture leaves this computer: the server sends it to an image service. Each edit may cost money."


def draw_picture(layout: bpy.types.UILayout, request: FigurineRequest) -> None:
    """The picture and the ways to choose one."""
    box = layout.box()
    icon = layout.icon(request.image) if request.image is not None else previews.picture_icon()
    if icon:
        box.template_icon(icon_value=icon, scale=_PREVIEW_SCALE)
    elif not request.picture and request.image is None:
        draw_faint(box, "Drop a picture of one character here, or choose one:")
    if request.image is not None:
        box.prop(request, "image", text="")
    else:
        box.prop(request, "picture", text="")
    row = box.row(align=True)
    row.operator("figurine.paste_picture", text="Paste", icon="PASTEDOWN")
    row.operator("figurine.use_image", text="Image…", icon="IMAGE_DATA")
    row.operator("figurine.use_render", text="Render", icon="RENDER_RESULT")
    row.operator("figurine.use_viewport", text="View", icon="VIEW3D")
    draw_mask(box, request)


def draw_settings(layout: bpy.types.UILayout, request: FigurineRequest, now: Runtime) -> None:
    """Engine, body, height, seed; the rest folded away."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(request, "engine")
    _draw_missing_engine(column, request, now)
    column.prop(request, "kind")
    column.prop(request, "pose_edit")
    if request.wishes().leaves_the_computer:
        draw_text(column, _LEAVES, "INTERNET", is_in_box=False)
    row = column.row(align=True)
    row.prop(request, "height")
    if request.height == 0:
        row.label(text="automatic")
    row = column.row(align=True)
    row.prop(request, "seed")
    row.operator("figurine.new_seed", text="", icon="FILE_REFRESH")
    column.prop(request, "pause_after")
    if request.engine != "draft":
        _draw_neural_shape(layout, request)
    header, body = layout.panel("figurine_advanced", default_closed=True)
    header.label(text="Advanced")
    if body is not None:
        _draw_advanced(body, request, now)


def _draw_missing_engine(column: bpy.types.UILayout, request: FigurineRequest, now: Runtime) -> None:
    engines = now.snapshot.server.engines
    if engines and request.engine != "auto" and request.engine not in engines:
        draw_text(
            column,
            phrase("This server runs {engines} only.", engines=joined(map(engine_label, engines), " + ")),
            "INFO",
            is_in_box=False,
        )


def _draw_neural_shape(layout: bpy.types.UILayout, request: FigurineRequest) -> None:
    header, body = layout.panel("figurine_neural_shape", default_closed=True)
    header.label(text="Neural Shape")
    if body is not None:
        body.use_property_split = True
        body.use_property_decorate = False
        for name in ("symmetry", "edges", "steps", "guidance", "resolution", "faces", "speed", "candidates"):
            body.prop(request, name)


def _draw_advanced(body: bpy.types.UILayout, request: FigurineRequest, now: Runtime) -> None:
    body.use_property_split = True
    body.use_property_decorate = False
    body.prop(request, "name")
    body.prop(request, "depth")
    body.prop(request, "texture_px")
    if _can_be_neural(request, now):
        body.prop(request, "texture_steps")
        column = body.column(heading="Skeleton")
        column.prop(request, "beams")
        column.prop(request, "skin")
    column = body.column(heading="Result")
    column.prop(request, "import_when_done")
    column.prop(request, "at_cursor")
    column.prop(request, "enter_pose_mode")
    column.prop(request, "show_texture")
    body.column(heading="Drop").prop(request, "generate_on_drop")


def _can_be_neural(request: FigurineRequest, now: Runtime) -> bool:
    """Whether the neural engine may rig it, as far as is known."""
    engines = now.snapshot.server.engines
    return request.engine != "draft" and (not engines or "neural" in engines)


def draw_generate(layout: bpy.types.UILayout, request: FigurineRequest, now: Runtime) -> None:
    """The button, and why it is grey where that is not said above."""
    row = layout.row()
    row.scale_y = _BIG
    row.operator("figurine.generate", icon="OUTLINER_OB_ARMATURE")
    has_picture, is_sent = bool(request.picture or request.image), request.wishes().leaves_the_computer
    reason = obstacle(now, has_picture, leaves_the_computer=is_sent)
    if reason and server_status(now).kind not in ("not_installed", "outdated", "failed"):
        draw_faint(layout, reason, is_in_box=False)
