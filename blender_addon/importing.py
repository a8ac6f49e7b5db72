# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job to the importer, and when that is done without being asked once more.

The pump calls the importing operator from its timer. Before Blender runs timers it makes its first window the context,
so what comes by itself goes into that window's scene. Another window cannot be lent to it: until 5.0, Blender's C code
reads the Python dictionary of a `temp_override` without holding Python's lock, while our threads run Python. So a
result for another scene is offered, and the button has the context of its own window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import bpy

from . import runtime
from .errors import FigurineError
from .figure.adopt import adopt, find_original, place_beside
from .figure.dress import dress, is_texture
from .figure.lost_bones import lost_bones, lost_sentence
from .figure.reskin import reskin
from .figure.rig_mesh import rig_meshes
from .figure.rollback import all_or_nothing, restore_work
from .importer import ImportOptions, import_result, reason_to_wait
from .jobs.aim import Aim
from .jobs.views import JobView
from .phrases import phrase
from .runtime import FileMark, Runtime

# In other modes an import would end what the artist does.
_MODES_TO_IMPORT_IN = ("OBJECT", "POSE")


def import_job(context: bpy.types.Context, job: JobView, folder: Path, options: ImportOptions) -> bpy.types.Object:
    """Import the job's result under its own name and return its armature, or the mesh that it textures. Raises
    ImportFailed, after which the file is as it was.
    """
    now = runtime.current()
    name = str(job.settings.get("name") or job.name)
    origin = {"job": job.job_id or "", "server": now.snapshot.server.url}
    if job.aim is not None and job.aim.purpose == "skin":
        made = reskin(context, folder, job.aim, origin)
    elif job.aim is not None and job.aim.purpose == "rig":
        made = rig_meshes(context, folder, job.aim, name, origin)
    elif is_texture(folder):
        made = dress(context, folder, job.target or name, origin)
    elif job.aim is not None:
        made, lost = _import_for(context, folder, job.aim, replace(options, name=name), origin)
        if lost:
            now.say(lost, "Undo brings the earlier figure back.", key=job.key)
    else:
        made = import_result(context, folder, replace(options, name=name), origin)
    now.results = [result for result in now.results if result.key != job.key]
    now.engine.mark_imported(job.key)
    return made


def _import_for(
    context: bpy.types.Context, folder: Path, aim: Aim, options: ImportOptions, origin: Mapping[str, str]
) -> tuple[bpy.types.Object, str]:
    """A figure beside the one that the job was asked for, or in its place; and what that one's bones had for which
    there are none now, as a sentence.
    """
    original, lost = find_original(context.scene, aim.armature), ""
    with all_or_nothing() as before:
        made = import_result(context, folder, replace(options, keep_mode=True), origin)
        if aim.purpose == "beside":
            place_beside(original, made)
        else:
            lost = lost_sentence(original.name, lost_bones(original, made))
            adopt(original, made)
            made = original
        restore_work(before, made)
    return made, lost


def import_first(context: bpy.types.Context, now: Runtime) -> bool:
    """Import the first result that waits, as the scene's request says; whether that worked. A failure is shown. Who is
    posing something goes on with it.
    """
    ready, *now.results = now.results
    options = replace(context.scene.figurine.import_options(), keep_mode=context.mode == "POSE")
    try:
        import_job(context, ready.view, ready.folder, options)
    except FigurineError as error:
        now.complain(error, ready.key)
        return False
    now.touch()
    return True


def reason_to_offer(asked: FileMark | None, here: FileMark) -> str:
    """Why a result that was asked for there does not come in here by itself, as a sentence; "" where it does."""
    if asked is None:
        return "It was made in an earlier session, so it was not imported by itself."
    if not asked.is_same(here):
        return "It was made for another Blender file, so it was not imported by itself."
    if asked.scene != here.scene:
        return phrase("It was made for the scene {scene}, which the first window does not show.", scene=asked.scene)
    return ""


def reason_to_postpone(context: bpy.types.Context) -> str:
    """What the artist is in the middle of, as a sentence; "" where a result may come in."""
    reason = reason_to_wait(context)
    if reason:
        return phrase("The result is here. It is imported as soon as that is over: {reason}.", reason=phrase(reason))
    if context.mode not in _MODES_TO_IMPORT_IN:
        return "The result is here. It is imported as soon as you are in Object Mode or Pose Mode."
    return ""
