# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Blender's unit is."""

import bpy


def metres_per_unit(scene: bpy.types.Scene) -> float:
    """Of the scene. Where it has no unit system, Blender shows its units as they are: each counts as a metre."""
    units = scene.unit_settings
    return 1.0 if units.system == "NONE" else float(units.scale_length)
