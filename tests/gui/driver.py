# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at Blender's window, inside Blender: looks at the screen, moves the mouse, clicks, types.

A scenario is a generator; what it yields are seconds to wait, so that Blender's main loop goes on between its steps.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from recorder import Recorder
from screen import read_screen, write_png

PACKAGE = "bl_ext.user_default.figurine"
CATEGORY = "Figurine"
# An event is seen by the next turn of Blender's main loop, which also draws; software rendering takes about 50 ms.
_TURN_S = 0.1
# By so much red must grow over the other colours where a button takes the alert colour (of 255).
_REDDER = 12
_SMALLEST_BUTTON_PX = 30
_WHEEL_NOTCHES = 6
# So near to a region's edge the mouse takes the edge.
_EDGE_PX = 8
_TAB_STEP_PX = 24
_KEYS = {"/": "SLASH", ".": "PERIOD", "-": "MINUS", "_": "MINUS", ":": "SEMI_COLON", " ": "SPACE", ",": "COMMA"}
_DIGITS = ("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE")

Steps = Generator[float, None, Any]


class Driver:
    """A person at the window. out: where screenshots go. ticks_s, imports_s: durations of the add-on's turns of its
    timer that import nothing, and of its imports.
    """

    def __init__(self, screen: Path, out: Path) -> None:
        self.screen = screen
        self.out = out
        self.recorder = Recorder()
        self.ticks_s: list[float] = []
        self.imports_s: list[float] = []
        self.started = time.monotonic()
        self._shots = len(list(out.glob("*.png")))
        self._mouse = (0, 0)
        self._pane = ("VIEW_3D", "UI")

    @property
    def window(self) -> bpy.types.Window:
        """The window that has what the person looks at."""
        windows = bpy.context.window_manager.windows
        return next(w for w in windows if any(area.type == self._pane[0] for area in w.screen.areas))

    @property
    def area(self) -> bpy.types.Area:
        """The area that the person looks at; see `look_at`."""
        return next(area for area in self.window.screen.areas if area.type == self._pane[0])

    def region(self, kind: str = "") -> bpy.types.Region:
        """A region of that area; the one that the person looks at where none is named."""
        return next(region for region in self.area.regions if region.type == (kind or self._pane[1]))

    def look_at(self, area_type: str, region_type: str) -> None:
        """Turn to another part of the screen: clicks and searches are there from now on."""
        self._pane = (area_type, region_type)

    def log(self, text: str) -> None:
        """A line in Blender's output, with the time."""
        print(f"[gui {time.monotonic() - self.started:7.2f} s] {text}", flush=True)

    def shot(self, name: str) -> None:
        """A screenshot, numbered in order."""
        self._shots += 1
        pixels = read_screen(self.screen)
        top = max(window.y + window.height for window in bpy.context.window_manager.windows)
        write_png(self.out / f"{self._shots:02d}-{name}.png", pixels[max(0, len(pixels) - top) :])

    def watch_addon(self) -> None:
        """Note what the add-on draws and how long each tick of its pump and each import takes."""
        self.recorder.watch_package(PACKAGE)
        pump = sys.modules[f"{PACKAGE}.pump"]
        pump.tick = self._timed_tick(pump.tick)  # its timer looks it up at every turn
        importing = sys.modules[f"{PACKAGE}.importing"]
        timed_import = _timed(importing.import_job, self.imports_s)
        for module in (importing, sys.modules[f"{PACKAGE}.operators.import_job"]):
            module.import_job = timed_import

    def _timed_tick(self, tick: Callable[[], float]) -> Callable[[], float]:
        """The pump's turn, noting how long it takes; one that imports counts as the import, with its undo step."""

        def call() -> float:
            imports, start = len(self.imports_s), time.perf_counter()
            try:
                return tick()
            finally:
                duration_s = time.perf_counter() - start
                if len(self.imports_s) == imports:
                    self.ticks_s.append(duration_s)
                else:
                    self.imports_s[-1] = duration_s

        return call

    def wait_until(self, condition: Callable[[], Any], timeout_s: float, what: str) -> Steps:
        """Wait; the condition's first true value."""
        end = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                self.shot("timeout")
                raise AssertionError(f"{what}: not within {timeout_s} s. The panel shows: {self.recorder.texts()}")
            yield _TURN_S

    def shows(self, text: str) -> bool:
        """Whether a text that contains this is on the panel."""
        return text in " ".join(" ".join(self.recorder.texts()).split())

    def wait_for(self, text: str, timeout_s: float) -> Steps:
        """Wait until the panel shows a text."""
        yield from self.wait_until(lambda: self.shows(text), timeout_s, f"“{text}” on the panel")

    def redraw(self) -> Steps:
        """Have all drawn anew, and wait until it is on the screen."""
        self.recorder.clear()
        for window in bpy.context.window_manager.windows:
            for area in window.screen.areas:
                for region in area.regions:
                    region.tag_redraw()
        yield 2 * _TURN_S

    def open_tab(self) -> Steps:
        """Open the sidebar of the 3D viewport by its key and the add-on's tab in it."""
        area, region = self.area, self.region()
        yield from self.hover(*middle(self.region("WINDOW")))
        if not area.spaces.active.show_region_ui:
            yield from self.press("N")
            yield 10 * _TURN_S  # it slides in
        # The tabs are a strip at the region's right edge; nothing tells where each is.
        for below_top in range(_TAB_STEP_PX, region.height, _TAB_STEP_PX):
            if region.active_panel_category == CATEGORY:
                break
            yield from self.click_at(region.x + region.width - _TAB_STEP_PX // 2, region.y + region.height - below_top)
        assert region.active_panel_category == CATEGORY, f"there is no tab “{CATEGORY}”"
        yield from self.redraw()

    def hover(self, x: int, y: int) -> Steps:
        """Move the mouse; pixels from the window's lower left corner."""
        self._mouse = (x, y)
        for nudge in (1, 0):
            self.window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x + nudge, y=y)
            yield _TURN_S

    def click_at(self, x: int, y: int, button: str = "LEFTMOUSE") -> Steps:
        """Click a point of the window."""
        yield from self.hover(x, y)
        for value in ("PRESS", "RELEASE"):
            self.window.event_simulate(type=button, value=value, x=x, y=y)
            yield _TURN_S

    def press(self, key: str, unicode: str | None = None, **modifiers: bool) -> Steps:
        """Press and release a key where the mouse is."""
        x, y = self._mouse
        given = {"unicode": unicode} if unicode else {}
        self.window.event_simulate(type=key, value="PRESS", x=x, y=y, **given, **modifiers)
        self.window.event_simulate(type=key, value="RELEASE", x=x, y=y, **modifiers)
        yield 0.02

    def type_text(self, text: str) -> Steps:
        """Type with the keys of a keyboard."""
        for letter in text:
            key = _DIGITS[int(letter)] if letter in "0123456789" else _KEYS.get(letter, letter.upper())
            yield from self.press(key, letter, shift=letter == "_" or letter == ":" or letter.isupper())

    def click(self, what: str, kind: str | None = None, share: float = 0.5) -> Steps:
        """Click the thing that shows this text (a field: that has this name) at a share of its width.

        It must be there and not grey.
        """
        item = self.recorder.find(what, kind)
        assert item is not None, f"“{what}” is not on the panel, which shows {self.recorder.texts()}"
        assert item.is_usable, f"“{what}” is grey"
        left, bottom, right, top = yield from self.find(what, kind)
        self.log(f"click “{what}”")
        yield from self.click_at(round(left + share * (right - left)), (bottom + top) // 2)

    def enter(self, text: str, field: str) -> Steps:
        """Click a field and type into it."""
        yield from self.click(field, "prop", share=0.4)
        yield from self.press("A", ctrl=True)
        yield from self.type_text(text)
        yield from self.press("RET")
        yield 2 * _TURN_S

    def find(self, what: str, kind: str | None = None) -> Steps:
        """Where a text or button is: (left, bottom, right, top) in the window's pixels. Scrolls to it."""
        for scroll in ("", "WHEELUPMOUSE", *["WHEELDOWNMOUSE"] * 5):
            if scroll:
                yield from self._scroll(scroll)
            yield from self.redraw()
            before = self._pixels()
            self.recorder.mark = self.recorder.first(what, kind)
            yield from self.redraw()
            after = self._pixels()
            self.recorder.mark = None
            yield from self.redraw()
            box = _reddened((before, self._pixels()), after)
            region = self.region()
            if box is not None and box[3] < region.height - _EDGE_PX:  # what the lower edge cuts is scrolled to
                left, top, right, bottom = box
                high = region.y + region.height
                return region.x + left, high - bottom, region.x + right, high - top
        self.shot("not-found")
        raise AssertionError(f"“{what}” is drawn but not to be seen; the panel shows {self.recorder.texts()}")

    def scroll_up(self) -> Steps:
        """Show the top of the panel."""
        yield from self._scroll("WHEELUPMOUSE")

    def _scroll(self, wheel: str) -> Steps:
        region = self.region()
        x, y = region.x + 4, region.y + region.height // 2  # at the margin, where no list takes the wheel for itself
        yield from self.hover(x, y)
        for _ in range(_WHEEL_NOTCHES if wheel == "WHEELDOWNMOUSE" else 5 * _WHEEL_NOTCHES):
            self.window.event_simulate(type=wheel, value="PRESS", x=x, y=y)
            yield 0.02
        yield 5 * _TURN_S  # Blender scrolls smoothly

    def _pixels(self) -> np.ndarray:
        """The region on the screen, (height, width, 3), first row at the top."""
        pixels, window, region = read_screen(self.screen), self.window, self.region()
        bottom, left = len(pixels) - window.y - region.y, window.x + region.x
        return pixels[bottom - region.height : bottom, left : left + region.width].astype(np.int16)


def _timed(function: Callable[..., Any], durations_s: list[float]) -> Callable[..., Any]:
    """The function, noting how long each call takes."""

    def call(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            durations_s.append(time.perf_counter() - start)

    return call


def middle(region: bpy.types.Region) -> tuple[int, int]:
    """The point of a region where most is free of buttons."""
    return region.x + region.width // 2, region.y + region.height // 2


def _reddened(plain: tuple[np.ndarray, ...], marked: np.ndarray) -> tuple[int, int, int, int] | None:
    """Where one picture is redder than all others, so that what merely changed meanwhile does not count.

    Pictures: (height, width, 3) int16. (left, top, right, bottom) in pixels from the upper left; None for nowhere.
    """
    changes = [marked - picture for picture in plain]
    is_redder = np.logical_and.reduce(
        [change[:, :, 0] - np.maximum(change[:, :, 1], change[:, :, 2]) > _REDDER for change in changes]
    )
    if is_redder.sum() < _SMALLEST_BUTTON_PX:
        return None
    rows, columns = np.flatnonzero(is_redder.any(axis=1)), np.flatnonzero(is_redder.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
