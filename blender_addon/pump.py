# SPDX-License-Identifier: GPL-3.0-or-later
"""The one timer: brings what happened on threads to the panel, and results into the file.

A result is imported by itself only into the file and scene for which it was asked. Where another one is open, the
panel offers it; where the artist is in the middle of something, it waits and the panel says so.
"""

from __future__ import annotations

import logging
import traceback

import bpy
from bpy.app.handlers import persistent

from . import previews, runtime
from .errors import FigurineError, LinkError
from .importing import reason_to_offer, reason_to_postpone
from .jobs.views import Notice, ResultReady, Snapshot, SnapshotChanged
from .mirror import mirror_jobs, tag_redraw, visible_panels, visible_preferences
from .models import arrivals
from .networks import install_news
from .operators.common import file_mark
from .operators.paste_picture import finish_paste
from .phrases import phrase
from .preferences import choices
from .runtime import Runtime

IDLE_DELAY_S = 1.0
BUSY_DELAY_S = 0.2
_FIRST_DELAY_S = 0.1
# The engine looks for the server so long after the panel was last seen.
_ATTENTION_S = 3.0
# Whether the server is installed is looked up so often while the panel is seen: another Blender may install it.
_TICKS_BETWEEN_LOOKS = 10
_log = logging.getLogger(__name__)

_is_ticking = False
_ticks = 0
_drawn: object = None


def start() -> None:
    """Begin to tick, also after another file was opened. In the background nothing ticks by itself."""
    bpy.app.handlers.load_post.append(_note_other_file)
    if not bpy.app.background:
        runtime.current().wake = wake
        runtime.current().start()
        bpy.app.timers.register(_tick_safely, first_interval=_FIRST_DELAY_S, persistent=True)


def stop() -> None:
    """End it."""
    global _drawn
    if bpy.app.timers.is_registered(_tick_safely):
        bpy.app.timers.unregister(_tick_safely)
    bpy.app.handlers.load_post.remove(_note_other_file)
    _drawn = None


def wake() -> None:
    """Tick at once."""
    if not _is_ticking and bpy.app.timers.is_registered(_tick_safely):
        bpy.app.timers.unregister(_tick_safely)
        bpy.app.timers.register(_tick_safely, first_interval=0.0, persistent=True)


def tick() -> float:
    """One turn: a few milliseconds, or the import of one result. The seconds until the next one is due."""
    global _ticks
    _ticks += 1
    now, context = runtime.current(), bpy.context
    wanted = choices(context, now.paths, now.version)
    if wanted != now.choices:
        now.apply(wanted)
    _take_events(now)
    _follow_installer(now)
    now.serve_waiting()
    if now.clipboard is not None and now.clipboard.is_done:
        finish_paste(context.scene.figurine, now)
    panels = visible_panels(context)
    if panels:
        now.engine.watch(_ATTENTION_S)
        if _ticks % _TICKS_BETWEEN_LOOKS == 0:
            now.look_for_installation()
    if previews.show_picture(context.scene.figurine.picture):
        now.touch()
    _import_next(context, now)
    _show(context, now, panels)
    return BUSY_DELAY_S if _is_busy(now) else IDLE_DELAY_S


def _tick_safely() -> float:
    """A timer that raises is never called again: whatever happens is said, and the next turn comes."""
    global _is_ticking
    _is_ticking = True
    try:
        return tick()
    except Exception as error:
        _log.exception("The pump's turn failed.")
        hint = "Use Copy Diagnostics and report it. Restarting Blender helps; jobs are kept."
        problem = FigurineError(
            phrase("Something in Figurine failed: {error!r}.", error=error), hint, details=traceback.format_exc()
        )
        runtime.current().complain(problem)
        return IDLE_DELAY_S
    finally:
        _is_ticking = False


@persistent
def _note_other_file(*_: object) -> None:
    """Another file is open: what belongs to the window manager is made again."""
    global _drawn
    now = runtime.current()
    now.opened += 1
    _drawn = None
    now.touch()


def _take_events(now: Runtime) -> None:
    while not now.engine.events.empty():
        event = now.engine.events.get()
        if isinstance(event, SnapshotChanged):
            _tell_failures(now, now.snapshot, event.snapshot)
            for title in arrivals(now.snapshot, event.snapshot):
                now.say(phrase("{title} is on the server.", title=title), "The next job that needs it uses it.")
            now.snapshot = event.snapshot
        elif isinstance(event, ResultReady):
            now.results = [result for result in now.results if result.key != event.key] + [event]
        elif isinstance(event, Notice) and (event.is_reply or not isinstance(event.error, LinkError)):
            now.complain(event.error, event.key)  # the server's part of the panel shows the others
        now.touch()


def _tell_failures(now: Runtime, before: Snapshot, after: Snapshot) -> None:
    """A job that failed behind the one that is shown would fail without a word."""
    states = {job.key: job.state for job in before.jobs}
    for job in after.jobs:
        went_wrong = job.error is not None and job.state in ("failed", "lost")
        if job.is_ours and went_wrong and states.get(job.key, job.state) != job.state and job.error is not None:
            now.complain(job.error, job.key)


def _follow_installer(now: Runtime) -> None:
    installer = now.installer
    if installer is None or installer.state == "running":
        return
    now.look_for_installation()
    now.installer = None
    now.failed_installer = installer if installer.state == "failed" else None
    if installer.state == "failed" and installer.error is not None:
        now.complain(installer.error)
    elif installer.state == "done":
        now.say(*install_news(now.installed))
    now.touch()


def _import_next(context: bpy.types.Context, now: Runtime) -> None:
    if not now.results:
        now.postponed = ""
        return
    ready = now.results[0]
    reason = reason_to_offer(now.files.get(ready.key), file_mark(now))
    if reason:
        now.results = now.results[1:]
        now.say(
            phrase("{name} is done. {reason}", name=ready.view.name, reason=phrase(reason)),
            "",
            key=ready.key,
            offers_import=True,
        )
        return
    postponed = reason_to_postpone(context)
    if postponed != now.postponed:
        now.postponed = postponed
        now.touch()
    if not postponed:
        bpy.ops.figurine.import_ready("EXEC_DEFAULT", True)  # with an undo step


def _is_busy(now: Runtime) -> bool:
    return bool(
        now.is_installing
        or now.server_state in ("starting", "stopping")
        or now.results
        or now.clipboard
        or _is_testing(now)
        or any(job.is_busy for job in now.snapshot.jobs)
    )


def _is_testing(now: Runtime) -> bool:
    return now.connection_test is not None and now.connection_test.is_running


def _show(context: bpy.types.Context, now: Runtime, panels: list[bpy.types.Region]) -> None:
    """Bring the list up to date and redraw, where anything changed."""
    global _drawn
    installer = now.installer
    log = () if installer is None else (installer.state, installer.step, installer.progress, installer.tail(3))
    drawn = (now.revision, now.server_state, log, _is_testing(now))
    if drawn == _drawn:
        return
    mirror_jobs(context.window_manager.figurine, now)
    previews.show_thumbnails([path for job in now.snapshot.jobs for path in previews.pictures_of(job)])
    if now.server_state == "running" and now.snapshot.server.state != "running":
        now.engine.refresh()
    tag_redraw([*panels, *visible_preferences(context)])
    _drawn = (now.revision, now.server_state, log, _is_testing(now))
