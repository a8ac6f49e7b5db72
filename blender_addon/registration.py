# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching the add-on on and off: every step has its way back, and a step that fails takes back those before it."""

from __future__ import annotations

import atexit
import functools
from collections.abc import Callable

import bpy

from . import command_line, keys, languages, menus, preferences, previews, properties, pump, runtime
from .animation import settings as animation_settings
from .job import JobEngine
from .manifest import version
from .operators import (
    animate_clear,
    animate_clip,
    animate_retarget,
    another,
    bake_voxels,
    cancel,
    change_job,
    delete_job,
    dismiss,
    drop_picture,
    export_figure,
    export_print,
    generate,
    import_job,
    load_more,
    mark_asset,
    new_seed,
    open_folder,
    open_picture,
    paste_picture,
    pose_asset,
    pose_ik,
    pose_rig,
    pose_setup,
    replace_picture,
    rerun_job,
    resume_job,
    retry_job,
    rig_mesh,
    server,
    settle_rig,
    texture_mesh,
    update_skin,
    use_image,
    use_mask,
    use_render,
    use_viewport,
    vox_files,
    voxel_export,
    voxelize,
)
from .operators import help as help_operators
from .operators import models as model_operators
from .operators import networks as network_operators
from .panels import animation, correct, jobs, main, models, output, pose, texture, voxels
from .pose import shapes

_MODULES = (
    preferences,
    properties,
    animation_settings,
    generate,
    cancel,
    server,
    settle_rig,
    paste_picture,
    use_image,
    use_mask,
    use_render,
    use_viewport,
    drop_picture,
    new_seed,
    import_job,
    retry_job,
    resume_job,
    change_job,
    replace_picture,
    rerun_job,
    delete_job,
    open_folder,
    open_picture,
    load_more,
    dismiss,
    help_operators,
    texture_mesh,
    update_skin,
    rig_mesh,
    another,
    voxelize,
    bake_voxels,
    vox_files,
    voxel_export,
    pose_rig,
    pose_ik,
    pose_setup,
    pose_asset,
    animate_clip,
    animate_retarget,
    animate_clear,
    export_figure,
    export_print,
    mark_asset,
    model_operators,
    network_operators,
    menus,
    keys,
    main,
    jobs,
    pose,
    animation,
    voxels,
    texture,
    correct,
    output,
    models,
)

Step = tuple[Callable[[], object], Callable[[], object]]


def register() -> None:
    """Switch everything on."""
    done: list[Callable[[], object]] = []
    try:
        for do, undo in _steps():
            do()
            done.append(undo)
    except BaseException:
        for undo in reversed(done):
            undo()
        raise


def unregister() -> None:
    """Switch everything off."""
    for _, undo in reversed(_steps()):
        undo()


def _steps() -> list[Step]:
    classes = [
        (functools.partial(bpy.utils.register_class, kind), functools.partial(bpy.utils.unregister_class, kind))
        for module in _MODULES
        for kind in module.CLASSES
    ]
    return [
        (languages.add_tables, languages.remove_tables),
        *classes,
        (properties.add_properties, properties.remove_properties),
        (animation_settings.add_settings, animation_settings.remove_settings),
        (previews.add_previews, previews.remove_previews),
        (_open_runtime, _close_runtime),
        (menus.add_menus, menus.remove_menus),
        (keys.add_keys, keys.remove_keys),
        (_keep_shapes, shapes.remove_all),
        (command_line.add_command, command_line.remove_command),
        (pump.start, pump.stop),
        (functools.partial(atexit.register, _quit), functools.partial(atexit.unregister, _quit)),
    ]


def _keep_shapes() -> None:
    """A rig's shapes are made on request alone."""


def _open_runtime() -> None:
    paths = preferences.paths()
    chosen = preferences.choices(bpy.context, paths, version())
    now = runtime.Runtime(paths, version(), chosen, JobEngine(paths.jobs))
    now.apply(chosen)
    runtime.install(now)


def _close_runtime() -> None:
    runtime.current().close()
    runtime.install(None)


def _quit() -> None:
    """Blender closes: nothing may hold it up."""
    runtime.current().close(is_quitting=True)
