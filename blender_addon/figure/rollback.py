# SPDX-License-Identifier: GPL-3.0-or-later
"""All or nothing: what a failed import leaves behind is removed, and what the user had selected comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class Work:
    """What the user was doing. edited: the objects that share the mode, where several can."""

    active: bpy.types.Object | None
    mode: str
    selected: tuple[bpy.types.Object, ...]
    edited: tuple[bpy.types.Object, ...]


@contextmanager
def all_or_nothing() -> Iterator[Work]:
    """Object Mode inside; yields what the user was doing before. Where the body fails, every data-block that it made is
    removed, and selection, active object and mode are as before. The active collection is as before in either case.
    """
    layer = bpy.context.view_layer
    before = set(data_blocks())
    collection = layer.active_layer_collection.collection
    work = _leave_modes()
    try:
        yield work
    except BaseException:
        _leave_modes()
        bpy.data.batch_remove([block for pointer, block in data_blocks().items() if pointer not in before])
        bpy.context.view_layer.update()  # its list of objects names the removed ones until then
        restore_work(work)
        raise
    finally:
        make_active_collection(collection)


@contextmanager
def borrowed() -> Iterator[None]:
    """As `all_or_nothing`, and what the body made is removed also where it succeeds: it was only to be looked at."""
    before = set(data_blocks())
    with all_or_nothing() as work:
        yield
        _leave_modes()
        bpy.data.batch_remove([block for pointer, block in data_blocks().items() if pointer not in before])
        bpy.context.view_layer.update()
    restore_work(work)


def make_active_collection(collection: bpy.types.Collection) -> None:
    """New objects go there; the scene's own collection where this one is not in the view layer."""
    layer = bpy.context.view_layer
    waiting = [layer.layer_collection]
    while waiting:
        entry = waiting.pop()
        if entry.collection == collection:
            layer.active_layer_collection = entry
            return
        waiting += entry.children


def data_blocks() -> dict[int, bpy.types.ID]:
    """Every data-block of the file by its address, which holds as long as nothing of the user's is removed."""
    blocks: dict[int, bpy.types.ID] = {}
    for part in bpy.data.bl_rna.properties:
        if part.type == "COLLECTION":
            blocks |= {block.as_pointer(): block for block in getattr(bpy.data, part.identifier)}
    return blocks


def _leave_modes() -> Work:
    """Go to Object Mode; returns what to come back to."""
    context = bpy.context
    active = context.view_layer.objects.active
    mode = active.mode if active is not None else "OBJECT"
    edited = tuple(entry for entry in context.view_layer.objects if entry.mode == mode) if mode != "OBJECT" else ()
    work = Work(active, mode, tuple(context.view_layer.objects.selected), edited)
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    return work


def restore_work(work: Work, instead: bpy.types.Object | None = None) -> None:
    """From Object Mode back to it, as far as it is still there. Several objects enter a mode together when all of them
    are selected. instead: becomes active, in Object Mode, where the active object is gone.
    """
    objects = bpy.context.view_layer.objects
    _select(work.edited or work.selected)
    if work.active is None or _is_there(work.active):
        objects.active = work.active
        if work.mode != "OBJECT":
            bpy.ops.object.mode_set(mode=work.mode)
    else:
        objects.active = instead
    _select(work.selected)


def _is_there(item: bpy.types.Object) -> bool:
    """Whether it was not removed, from the file or the view layer."""
    try:
        return bool(bpy.context.view_layer.objects.get(item.name) == item)
    except ReferenceError:
        return False


def _select(chosen: tuple[bpy.types.Object, ...]) -> None:
    for entry in bpy.context.view_layer.objects:
        entry.select_set(entry in chosen)
