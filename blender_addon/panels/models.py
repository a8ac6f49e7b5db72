# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks' weights on the server: which are there, what the others cost in bytes and terms, Download."""

from __future__ import annotations

import bpy

from .. import runtime
from ..documents import Weights
from ..languages import told
from ..models import fetch_obstacle, is_underway, model_progress, model_share, model_size, size_text, summary, use_of
from ..networks import neural_facts
from ..phrases import joined, phrase
from ..runtime import Runtime
from .layout import draw_faint, draw_text, draw_words

_ICONS = {"present": "CHECKMARK", "absent": "RADIOBUT_OFF", "damaged": "ERROR"}


class FIGURINE_PT_models(bpy.types.Panel):
    """Weights of the neural engine."""

    bl_label = "Models"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Figurine"
    bl_order = 8
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012

    def draw(self, context: bpy.types.Context) -> None:
        """Every set, or why none can be told."""
        layout, now = self.layout, runtime.current()
        view = now.snapshot.models
        if now.snapshot.server.state != "running":
            draw_faint(layout, "What the neural engine needs is told by the server when it runs.", is_in_box=False)
            if now.choices.is_managed:
                layout.operator("figurine.start_server", icon="PLAY")
            _draw_engine(layout, now)
            return
        if view.error is not None:
            draw_words(layout, view.error.message, view.error.hint)
            return
        if not view.is_known:
            draw_faint(layout, "Asking the server.", is_in_box=False)
            return
        draw_faint(layout, summary(view))
        obstacle = fetch_obstacle(now)
        if obstacle:
            draw_text(layout, obstacle, "INFO")
            if not view.obstacle or (now.lacks_neural and not bpy.app.online_access):
                layout.operator("figurine.allow_online", icon="PREFERENCES")
        if now.lacks_neural:
            _draw_engine(layout, now)
        for model in view.models:
            _draw_model(layout.box(), model)
        if not now.lacks_neural:
            _draw_engine(layout, now)


def _draw_engine(layout: bpy.types.UILayout, now: Runtime) -> None:
    """What the installed server has of the neural engine, and the ways to another choice."""
    installed = now.installed
    if now.lacks_neural:
        layout.operator("figurine.add_neural", text="Add the Neural Engine…", icon="ADD")
    elif now.uses_installed and now.is_installed and installed is not None:
        draw_faint(layout, neural_facts(installed), is_in_box=False)
        row = layout.row(align=True)
        row.operator("figurine.add_neural", text="Processor…", icon="MEMORY")
        row.operator("figurine.remove_neural", text="Remove…", icon="TRASH")


def _draw_model(box: bpy.types.UILayout, model: Weights) -> None:
    row = box.row()
    row.label(text=model.title, icon=_ICONS[model.state], translate=False)
    row.operator("figurine.open_model_page", text="", icon="URL", emboss=False).weight_id = model.id
    said = phrase("{size} · {licence}.", size=phrase(model_size(model)), licence=model.licence)
    draw_faint(box, joined((said, use_of(model)), " "))
    if is_underway(model):
        row = box.row(align=True)
        row.progress(factor=model_share(model), text=told(model_progress(model)), type="BAR")
        row.operator("figurine.cancel_model", text="", icon="X").weight_id = model.id
        return
    if model.state == "damaged":
        draw_text(box, "Its files differ from those that were fetched: download it anew.", "ERROR")
    if model.download is not None and model.download.error is not None:
        draw_words(box, model.download.error.message, model.download.error.hint)
        box.operator("figurine.cancel_model", text="Dismiss", icon="X").weight_id = model.id
    if model.state != "present":
        rest = (
            phrase("Go On Downloading · {size_text} are there", size_text=size_text(model.fetched_bytes))
            if model.fetched_bytes
            else "Download…"
        )
        box.operator("figurine.fetch_model", text=told(rest), icon="IMPORT").weight_id = model.id


CLASSES = (FIGURINE_PT_models,)
