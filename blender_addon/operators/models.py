# SPDX-License-Identifier: GPL-3.0-or-later
"""Download: have the server fetch a network's weights, after its licence was shown."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import StringProperty

from .. import runtime
from ..documents import Weights
from ..languages import told, told_in_report
from ..models import fetch_obstacle, find_model, is_underway, model_size, page_of, size_text, use_of
from ..panels.layout import draw_in_dialog
from ..phrases import phrase
from .common import poll_reason

_DIALOG_WIDTH_PX = 420
_GONE = "The server does not list these weights any more."


class FIGURINE_OT_fetch_model(bpy.types.Operator):
    """Download weights onto the server"""

    bl_idname = "figurine.fetch_model"
    bl_label = "Download"
    bl_description = (
        "Have the server download these weights, after showing their licence and size. What was fetched before is "
        "gone on from"
    )

    weight_id: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    licence: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey without a server, without its means, and without Online Access."""
        return poll_reason(cls, fetch_obstacle(runtime.current()))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show what would be downloaded, from whom, and under which licence."""
        model = self._model()
        if model is None:
            return {"CANCELLED"}
        self.licence = model.licence
        return context.window_manager.invoke_props_dialog(
            self,
            width=_DIALOG_WIDTH_PX,
            title=phrase("Download {title}", title=model.title),
            confirm_text="Agree and Download",
        )

    def draw(self, context: bpy.types.Context) -> None:
        """What is agreed to."""
        now = runtime.current()
        model = find_model(now, self.weight_id)
        if model is not None:
            draw_terms(self.layout, model, now.snapshot.models.free_bytes)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for it; the panel shows how far it is. licence: of whoever calls it without the dialog."""
        model = self._model()
        if model is None:
            return {"CANCELLED"}
        if self.licence != model.licence:
            self.report(
                {"WARNING"},
                told_in_report(
                    phrase(
                        "The licence of {title} is {licence}: it has to be agreed to.",
                        title=model.title,
                        licence=model.licence,
                    )
                ),
            )
            return {"CANCELLED"}
        runtime.current().engine.fetch_model(model.id, model.licence)
        return {"FINISHED"}

    def _model(self) -> Weights | None:
        """The one that is meant, where it can be fetched; otherwise it is said why not."""
        model = find_model(runtime.current(), self.weight_id)
        if model is None:
            self.report({"WARNING"}, _GONE)
        elif model.state == "present":
            self.report({"WARNING"}, told_in_report(phrase("{title} is on the server already.", title=model.title)))
        elif is_underway(model):
            self.report({"WARNING"}, told_in_report(phrase("{title} is being fetched.", title=model.title)))
        else:
            return model
        return None


class FIGURINE_OT_cancel_model(bpy.types.Operator):
    """End this download, or put its error away. What was fetched stays on the server for the next time"""

    bl_idname = "figurine.cancel_model"
    bl_label = "Cancel Download"

    weight_id: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where none is fetched or failed."""
        has_any = any(model.download is not None for model in runtime.current().snapshot.models.models)
        return poll_reason(cls, "" if has_any else "No model is being downloaded.")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask for it."""
        model = find_model(runtime.current(), self.weight_id)
        if model is None or model.download is None:
            self.report(
                {"WARNING"},
                told_in_report(
                    _GONE if model is None else phrase("{title} is not being downloaded.", title=model.title)
                ),
            )
            return {"CANCELLED"}
        runtime.current().engine.cancel_model(model.id)
        return {"FINISHED"}


class FIGURINE_OT_open_model_page(bpy.types.Operator):
    """Open the publisher's page in the browser: what the model is, and its licence in full"""

    bl_idname = "figurine.open_model_page"
    bl_label = "Open the Publisher's Page"

    weight_id: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the address to the browser."""
        model = find_model(runtime.current(), self.weight_id)
        page = "" if model is None else page_of(model)
        if not page:
            self.report(
                {"WARNING"},
                told_in_report(
                    _GONE if model is None else phrase("{title} has no page on the hub.", title=model.title)
                ),
            )
            return {"CANCELLED"}
        return bpy.ops.wm.url_open(url=page)


def draw_terms(layout: bpy.types.UILayout, model: Weights, free_bytes: int) -> None:
    """What is downloaded, how much, from whom, under which licence."""
    column = layout.column()
    draw_in_dialog(column, use_of(model), _DIALOG_WIDTH_PX)
    rest = (
        phrase(", of which {size_text} are there", size_text=size_text(model.fetched_bytes))
        if model.fetched_bytes
        else ""
    )
    size = phrase("Size: {model_size}{rest}", model_size=phrase(model_size(model)), rest=rest)
    column.label(text=told(size), translate=False)
    free = phrase("Free on the server: {size_text}", size_text=size_text(free_bytes))
    column.label(text=told(free), translate=False)
    if model.size_bytes is not None and model.size_bytes - model.fetched_bytes > free_bytes:
        column.label(text="That is too little. Free some space there first.", icon="ERROR")
    column.label(text=told(phrase("From: {repository}", repository=model.repository)), translate=False)
    column.label(text=told(phrase("Licence: {licence}", licence=model.licence)), translate=False)
    column.operator("figurine.open_model_page", icon="URL").weight_id = model.id
    draw_in_dialog(
        column,
        "Downloading means that you agree to this licence. The server fetches it, not Blender.",
        _DIALOG_WIDTH_PX,
    )


CLASSES = (FIGURINE_OT_fetch_model, FIGURINE_OT_cancel_model, FIGURINE_OT_open_model_page)
