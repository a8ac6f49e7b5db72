# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene beside the artist's, in which copies are changed and exported; nothing of it is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import bpy

from ..figure.rollback import data_blocks

_NAME = "Figurine Export"
# Where nothing that is exported is animated: at this frame everything stands as its properties say.
QUIET_FRAME = -1000


@dataclass(frozen=True)
class Workshop:
    """scene: that of the window for now. theirs: addresses of the artist's data-blocks. lent: those of them that are
    called otherwise for now, with their names.
    """

    scene: bpy.types.Scene
    theirs: frozenset[int]
    lent: list[tuple[bpy.types.ID, str]] = field(default_factory=list)

    def add(self, name: str, data: bpy.types.ID) -> bpy.types.Object:
        """A new object in the scene."""
        item = bpy.data.objects.new(name, data)
        self.scene.collection.objects.link(item)
        return item

    def copy(self, item: bpy.types.Object) -> bpy.types.Object:
        """Of the object alone; it shares its data with the artist's."""
        made = item.copy()
        self.scene.collection.objects.link(made)
        return made

    def call(self, block: bpy.types.ID, name: str, holders: bpy.types.bpy_prop_collection) -> None:
        """Give a data-block exactly this name, as the file is to have it. Whom of the artist's it belongs to lends it
        until the workshop closes; another copy that has it keeps it. holders: the data-blocks of its kind.
        """
        holder = next((found for found in holders if found.name == name and found.library is None), None)
        if holder is not None and holder.as_pointer() in self.theirs:
            self.lent.append((holder, name))
            holder.name = f"{_NAME} {len(self.lent)}"
        block.name = name


@contextmanager
def open_workshop() -> Iterator[Workshop]:
    """With an empty scene. However the body ends, every data-block that it made is removed, lent names are given back,
    and the artist's scene is shown again in the mode in which it was.
    """
    window = bpy.context.window or bpy.context.window_manager.windows[0]
    own, layer = window.scene, window.view_layer
    before = frozenset(data_blocks())
    shop = Workshop(bpy.data.scenes.new(_NAME), before)
    try:
        shop.scene.render.fps, shop.scene.render.fps_base = own.render.fps, own.render.fps_base
        window.scene = shop.scene
        shop.scene.frame_set(QUIET_FRAME)
        with bpy.context.temp_override(window=window):
            yield shop
    finally:
        window.scene = own
        window.view_layer = layer
        bpy.data.batch_remove([block for pointer, block in data_blocks().items() if pointer not in before])
        for block, name in shop.lent:
            block.name = name
        bpy.context.view_layer.update()
