# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .blend file and a figure in it hold. Knows nothing of the add-on."""

from __future__ import annotations

import bpy
import numpy as np


def figure_of(rig: bpy.types.Object) -> bpy.types.Object:
    """The armature's one mesh."""
    (figure,) = (child for child in rig.children if child.type == "MESH")
    return figure


def data_blocks() -> dict[str, list[str]]:
    """Names of all data-blocks, by kind; kinds without any are left out."""
    parts = [part.identifier for part in bpy.data.bl_rna.properties if part.type == "COLLECTION"]
    names = {part: sorted(block.name_full for block in getattr(bpy.data, part)) for part in parts}
    return {part: found for part, found in names.items() if found}


def weights_of(figure: bpy.types.Object, bones: list[str]) -> np.ndarray:
    """(V, J) float64."""
    columns = [bones.index(group.name) for group in figure.vertex_groups]
    weights = np.zeros((len(figure.data.vertices), len(bones)))
    for vertex in figure.data.vertices:
        for entry in vertex.groups:
            weights[vertex.index, columns[entry.group]] = entry.weight
    return weights
