# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on's panels drew last: every text and button, and marks on one of them to find it on the screen.

Blender tells no script where a button is. So each `draw` of the add-on is wrapped once: it gets a layout that passes
all calls on to the real one, notes them, and draws the marked item in Blender's alert colour. What turns red between
two looks at the screen is the button, wherever it lies and however it is laid out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bpy

# Calls that draw something with a text, and what names the thing behind it.
_DRAWN = {
    "label": (),
    "operator": ("operator",),
    "operator_menu_enum": ("operator", "property"),
    "prop": ("data", "property"),
    "prop_enum": ("data", "property", "value"),
    "prop_search": ("data", "property"),
    "menu": ("menu",),
    "popover": ("panel",),
    "progress": (),
    "template_list": ("listtype_name",),
    "template_ID": ("data", "property"),
    "template_icon": ("icon_value",),
}


@dataclass
class Item:
    """One drawn thing. owner: the class that drew it. kind: the layout's method. text: as shown. names: the arguments
    that say what it is. factor: of a progress bar. is_alert: shown as an alert by the add-on itself.
    """

    owner: str
    kind: str
    text: str
    names: tuple[Any, ...]
    is_enabled: bool
    is_alert: bool
    factor: float | None = None
    properties: Any = None

    def is_called(self, what: str) -> bool:
        """Whether a person, or for a field without a text a programmer, would call it so."""
        return self.text == what or (self.kind == "prop" and self.names[1] == what)

    def is_like(self, other: Item) -> bool:
        """Whether it is the same thing in another drawing."""
        mine, its = (self.owner, self.kind, self.text), (other.owner, other.kind, other.text)
        return mine == its and self.names[-1:] == other.names[-1:]

    @property
    def is_usable(self) -> bool:
        """Whether a click can do something: not greyed by its layout or by the operator's poll."""
        return self.is_enabled and (self.kind != "operator" or _operator(self.names[0]).poll())


@dataclass
class Recorder:
    """items: by drawing class, in order. draws: how often each class drew. mark: the item to show in red."""

    items: dict[str, list[Item]] = field(default_factory=dict)
    draws: int = 0
    mark: Callable[[Item], bool] | None = None

    def watch_package(self, package: str) -> None:
        """Note what the panels, menus, lists, dialogs and preferences of `package` draw from now on."""
        kinds = (bpy.types.Panel, bpy.types.Menu, bpy.types.Operator, bpy.types.AddonPreferences, bpy.types.UIList)
        for cls in (found for kind in kinds for found in _subclasses(kind)):
            if cls.__module__.startswith(package):
                self.watch(cls)

    def watch(self, cls: type) -> None:
        """Note what this class draws from now on; also one of Blender's own that is written in Python."""
        for name in ("draw", "draw_header", "draw_header_preset"):
            if inspect.isfunction(getattr(cls, name, None)):
                setattr(cls, name, self._wrapped(cls, name))
        if inspect.isfunction(getattr(cls, "draw_item", None)):
            cls.draw_item = self._wrapped_item(cls)

    def texts(self) -> list[str]:
        """All that is shown as text, class by class in order of drawing."""
        return [item.text for items in self.items.values() for item in items if item.text]

    def find(self, what: str, kind: str | None = None) -> Item | None:
        """The first thing that shows this text or is the field of this name; of a kind, or a button before a text."""
        found = [item for items in self.items.values() for item in items if item.is_called(what)]
        if kind is not None:
            found = [item for item in found if item.kind == kind]
        return min(found, key=lambda item: item.kind == "label", default=None)

    def first(self, what: str, kind: str | None = None) -> Callable[[Item], bool]:
        """A mark for what `find` finds, in the drawing after this one."""
        wanted = self.find(what, kind)
        marked: list[Item] = []

        def is_wanted(item: Item) -> bool:
            is_it = wanted is not None and item.is_like(wanted) and not marked
            if is_it:
                marked.append(item)
            return is_it

        return is_wanted

    def clear(self) -> None:
        """Forget what was drawn, so that the next look is at what is there now."""
        self.items.clear()

    def _wrapped(self, cls: type, name: str) -> Callable[..., None]:
        original = getattr(cls, name)
        owner = cls.__name__ if name == "draw" else f"{cls.__name__}.{name}"

        def draw(panel: Any, context: bpy.types.Context) -> None:
            self.items[owner] = []
            self.draws += 1
            original(_Stand(panel, _Layout(panel.layout, self, owner)), context)

        return draw

    def _wrapped_item(self, cls: type) -> Callable[..., None]:
        original = cls.draw_item
        owner = cls.__name__

        # Blender counts the arguments: the last two may be left out by the list, never by this.
        def draw_item(
            widget: Any, context: Any, layout: Any, data: Any, item: Any, icon: Any, active: Any, prop: Any, index: int
        ) -> None:
            self.items.setdefault(owner, [])
            given = (context, _Layout(layout, self, owner), data, item, icon, active, prop, index)
            original(widget, *given[: original.__code__.co_argcount - 1])

        return draw_item


class _Stand:
    """A panel whose layout is another; all else is the panel's own."""

    def __init__(self, panel: Any, layout: _Layout) -> None:
        self.__dict__.update(_panel=panel, layout=layout)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._panel, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._panel, name, value)


class _Layout:
    """A layout that notes what it passes on."""

    def __init__(self, real: Any, recorder: Recorder, owner: str, is_enabled: bool = True) -> None:
        self.__dict__.update(_real=real, _recorder=recorder, _owner=owner, _is_enabled=is_enabled)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if not callable(value):
            return value

        def call(*given: Any, **options: Any) -> Any:
            arguments = tuple(part._panel if isinstance(part, _Stand) else part for part in given)
            item = self._note(name, arguments, options) if name in _DRAWN else None
            is_marked = item is not None and self._recorder.mark is not None and self._recorder.mark(item)
            if is_marked:
                self._real.alert = not item.is_alert
            result = value(*arguments, **options)
            if is_marked:
                self._real.alert = item.is_alert
            if name == "operator":
                item.properties = result
            return self._inner(result)

        return call

    def _inner(self, result: Any) -> Any:
        if isinstance(result, bpy.types.UILayout):
            return _Layout(result, self._recorder, self._owner, self._is_enabled and self._real.enabled)
        if isinstance(result, tuple):
            return tuple(self._inner(part) for part in result)
        return result

    def _note(self, kind: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Item:
        wanted = _DRAWN[kind]
        names = tuple([*arguments, *(options[name] for name in wanted[len(arguments) :] if name in options)])
        text = options.get("text")
        if text is None:
            text = _default_text(kind, names)
        is_enabled = self._is_enabled and self._real.enabled
        item = Item(self._owner, kind, text, names, is_enabled, self._real.alert, options.get("factor"))
        if kind == "template_list":
            self._recorder.items[names[0]] = []
        self._recorder.items[self._owner].append(item)
        return item


def _default_text(kind: str, names: tuple[Any, ...]) -> str:
    """What Blender writes where the add-on gives no text."""
    if kind == "operator":
        return _operator(names[0]).get_rna_type().name
    if kind == "prop":
        owner = names[0].properties if isinstance(names[0], bpy.types.Operator) else names[0]
        return owner.bl_rna.properties[names[1]].name
    if kind == "menu":
        return getattr(bpy.types, names[0]).bl_label
    return ""


def _operator(identity: str) -> Any:
    module, name = identity.split(".")
    return getattr(getattr(bpy.ops, module), name)


def _subclasses(cls: type) -> list[type]:
    return [inner for direct in cls.__subclasses__() for inner in (direct, *_subclasses(direct))]
