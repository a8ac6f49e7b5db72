# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job to the importer, and the way to do it at a moment that Blender can bear.

A timer has no window, which operators need, and lending it one (`temp_override`) is deadly: until 5.0, Blender's C code
then reads the override's Python dictionary without holding Python's lock whenever another thread runs Python, and our
threads do. So the pump asks for a timer event of the window, and a key-map entry for such events calls the operator
that imports, with the window's own context.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy

from . import runtime
from .errors import FigurineError
from .importer import ImportOptions, import_result, reason_to_wait
from .jobs.views import JobView
from .runtime import Runtime

# In other modes an import would end what the artist does.
_MODES_TO_IMPORT_IN = ("OBJECT", "POSE")
# The event comes at once; a second one before the first is handled does no harm.
_EVENT_STEP_S = 0.02
IMPORT_OPERATOR = "figurine.import_ready"

_timer: bpy.types.Timer | None = None
_entry: tuple[bpy.types.KeyMap, bpy.types.KeyMapItem] | None = None


def import_job(context: bpy.types.Context, job: JobView, folder: Path, options: ImportOptions) -> bpy.types.Object:
    """Import the job's result under its own name and return its armature. Raises ImportFailed, after which the file is
    as it was.
    """
    now = runtime.current()
    name = str(job.settings.get("name") or job.name)
    origin = {"job": job.job_id or "", "server": now.snapshot.server.url}
    armature = import_result(context, folder, replace(options, name=name), origin)
    now.engine.mark_imported(job.key)
    return armature


def import_first(context: bpy.types.Context, now: Runtime) -> bool:
    """Import the first result that waits, as the scene's request says; whether that worked. A failure is shown."""
    ready, *now.results = now.results
    try:
        import_job(context, ready.view, ready.folder, context.scene.figurine.import_options())
    except FigurineError as error:
        now.complain(error, ready.key)
        return False
    now.touch()
    return True


def reason_to_postpone(context: bpy.types.Context) -> str:
    """What the artist is in the middle of, as a sentence; "" where a result may come in."""
    reason = reason_to_wait(context)
    if reason:
        return f"The result is here. It is imported as soon as that is over: {reason}."
    if context.mode not in _MODES_TO_IMPORT_IN:
        return "The result is here. It is imported as soon as you are in Object Mode or Pose Mode."
    return ""


def add_event_entry() -> None:
    """Have timer events call the importing operator, which is grey unless a result waits."""
    global _entry
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is not None:  # there is none in the background
        keymap = configuration.keymaps.new(name="Window", space_type="EMPTY")
        _entry = keymap, keymap.keymap_items.new(IMPORT_OPERATOR, "TIMER", "ANY", any=True)


def remove_event_entry() -> None:
    """Take it away."""
    global _entry
    cancel_event()
    if _entry is not None:
        keymap, item = _entry
        keymap.keymap_items.remove(item)
    _entry = None


def request_event() -> None:
    """Have the window's next timer event import what waits."""
    global _timer
    if _timer is None:
        manager = bpy.context.window_manager
        _timer = manager.event_timer_add(_EVENT_STEP_S, window=manager.windows[0])


def is_event_requested() -> bool:
    """Whether such an event is on its way."""
    return _timer is not None


def cancel_event() -> None:
    """No more such events. Also before another file is opened, which frees the windows they belong to."""
    global _timer
    if _timer is not None:
        bpy.context.window_manager.event_timer_remove(_timer)
    _timer = None
