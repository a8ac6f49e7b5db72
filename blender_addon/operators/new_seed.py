# SPDX-License-Identifier: GPL-3.0-or-later
"""The dice beside the seed."""

from __future__ import annotations

import random

import bpy

# Large enough to be new each time, short enough to be read and noted.
_SEEDS = 1_000_000


class FIGURINE_OT_new_seed(bpy.types.Operator):
    """Choose another seed by chance"""

    bl_idname = "figurine.new_seed"
    bl_label = "New Seed"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set it."""
        context.scene.figurine.seed = random.randrange(_SEEDS)
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_new_seed,)
