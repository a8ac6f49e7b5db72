# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask that goes with the picture."""

from __future__ import annotations

import bpy

from ..properties import FigurineRequest


def draw_mask(layout: bpy.types.UILayout, request: FigurineRequest) -> None:
    """A file or an image; nothing before there is a picture that it could belong to."""
    if not request.picture and request.image is None:
        return
    row = layout.row(align=True)
    row.prop(request, "mask" if request.mask_image is None else "mask_image")
    row.operator("figurine.use_mask", text="", icon="IMAGE_DATA")
