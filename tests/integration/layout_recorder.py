# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for UILayout that writes down what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import bpy

PANELS = (
    "FIGURINE_PT_main",
    "FIGURINE_PT_jobs",
    "FIGURINE_PT_pose",
    "FIGURINE_PT_animation",
    "FIGURINE_PT_voxels",
    "FIGURINE_PT_output",
    "FIGURINE_PT_models",
    "FIGURINE_MT_help",
    "FIGURINE_MT_server",
    "FIGURINE_MT_object",
)


class Recorder:
    """lines: texts, operators in [brackets] and (grey) where they cannot be pressed, bars as <text>, in order. icons:
    of labels, by their text; pictures: those of their own, by the same. look_up:
    translates what Blender does by itself.
    """

    look_up: ClassVar[Callable[[str], str]] = staticmethod(str)

    def __init__(self, above: Recorder | None = None, *, open_panels: bool = True) -> None:
        self.lines: list[str] = [] if above is None else above.lines
        self.icons: dict[str, str] = {} if above is None else above.icons
        self.pictures: dict[str, int] = {} if above is None else above.pictures
        self.open_panels = open_panels

    def _part(self, *_: Any, **__: Any) -> Recorder:
        return Recorder(self, open_panels=self.open_panels)

    row = column = box = split = menu_pie = _part

    def label(self, *, text: str = "", icon: str = "NONE", icon_value: int = 0, translate: bool = True) -> None:
        _require_icon(icon)
        text = self.look_up(text) if translate else text
        self.lines.append(text)
        self.icons[text] = icon
        self.pictures[text] = icon_value

    def separator(self) -> None:
        pass

    def prop(
        self,
        data: Any,
        name: str,
        *,
        text: str | None = None,
        expand: bool = False,
        icon: str = "NONE",
        toggle: bool = False,
        translate: bool = True,
    ) -> None:
        label = data.bl_rna.properties[name].name
        assert data.bl_rna.properties[name].description, name
        label = label if text is None else text
        self.lines.append(f"{{{self.look_up(label) if translate else label}}}")

    def prop_enum(self, data: Any, name: str, value: str) -> None:
        item = data.bl_rna.properties[name].enum_items[value]
        assert item.description, (name, value)
        self.lines.append(f"({item.name})")

    def prop_search(self, data: Any, name: str, _: Any, found_in: str) -> None:
        self.prop(data, name)

    def operator(
        self, idname: str, *, text: str | None = None, icon: str = "NONE", emboss: bool = True, depress: bool = False
    ) -> SimpleNamespace:
        _require_icon(icon)
        module, _, verb = idname.partition(".")
        operator = getattr(getattr(bpy.ops, module), verb)
        assert operator.get_rna_type().description, idname
        self.lines.append(f"[{self.look_up(text or operator.get_rna_type().name)}]{' (grey)' * (not operator.poll())}")
        return SimpleNamespace()

    def operator_menu_enum(
        self, idname: str, name: str, *, text: str | None = None, icon: str = "NONE"
    ) -> SimpleNamespace:
        items = getattr(bpy.ops.figurine, idname.partition(".")[2]).get_rna_type().properties[name].enum_items
        assert all(item.description for item in items), idname
        return self.operator(idname, text=text, icon=icon)

    def menu(self, idname: str, *, text: str | None = None, icon: str = "NONE") -> None:
        assert hasattr(bpy.types, idname)

    def progress(self, *, factor: float, text: str, type: str) -> None:
        assert 0 <= factor <= 1
        self.lines.append(f"<{self.look_up(text)}>")

    def panel(self, idname: str, *, default_closed: bool) -> tuple[Recorder, Recorder | None]:
        return self._part(), self._part() if self.open_panels else None

    def icon(self, data: Any) -> int:
        return 0

    def template_icon(self, *, icon_value: int, scale: float) -> None:
        self.lines.append("(picture)")

    def template_list(self, kind: str, _: str, data: Any, rows_name: str, active: Any, name: str, rows: int) -> None:
        draw = getattr(bpy.types, kind).draw_item
        for row in getattr(data, rows_name):
            draw(SimpleNamespace(), bpy.context, self._part(), data, row, 0, active, name)

    @property
    def text(self) -> str:
        """All words in order, as if nothing had been wrapped."""
        return " ".join(" ".join(self.lines).split())


def draw(kind: str, *, open_panels: bool = True) -> Recorder:
    """What a registered panel or menu draws now."""
    recorder = Recorder(open_panels=open_panels)
    getattr(bpy.types, kind).draw(SimpleNamespace(layout=recorder), bpy.context)
    return recorder


def _require_icon(icon: str) -> None:
    assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items, icon
