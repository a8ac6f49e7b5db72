# SPDX-License-Identifier: GPL-3.0-or-later
"""From a job to the importer, and the record that it was imported."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import runtime
from .importer import ImportOptions, import_result
from .views import JobView


def import_job(
    context: bpy.types.Context, job: JobView, folder: Path, at_cursor: bool, enter_pose_mode: bool
) -> bpy.types.Object:
    """Import the job's result and return its armature. Raises ImportFailed, after which the file is as it was."""
    now = runtime.current()
    name = str(job.settings.get("name") or job.name)
    options = ImportOptions(at_cursor=at_cursor, enter_pose_mode=enter_pose_mode, name=name)
    origin = {"job": job.job_id or "", "server": now.snapshot.server.url}
    armature = import_result(context, folder, options, origin)
    now.engine.mark_imported(job.key)
    return armature
