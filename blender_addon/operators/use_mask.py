# SPDX-License-Identifier: GPL-3.0-or-later
"""Use Image as Mask: a picture that the Blender file holds says where the character is."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty

from .use_image import ImageOperator, image_items


def _list_masks(self: bpy.types.Operator, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    return image_items("White, or opaque, where the character is")


class FIGURINE_OT_use_mask(ImageOperator, bpy.types.Operator):
    """Use an image of this Blender file as the mask, also one that was painted over the picture"""

    bl_idname = "figurine.use_mask"
    bl_label = "Use Image as Mask"

    image: EnumProperty(name="Image", description="An image of this file", items=_list_masks, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it the mask."""
        context.scene.figurine.mask_image = bpy.data.images[self.image]
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_use_mask,)
