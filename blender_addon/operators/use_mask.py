# SPDX-License-Identifier: GPL-3.0-or-later
"""Use Image as Mask: a picture that the Blender file holds says where the character is."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty

from .common import poll_reason
from .use_image import usable_images

# Blender does not keep the texts of computed lists: they have to live as long as the menu.
_items: list[tuple[str, str, str]] = []


def _list_masks(self: bpy.types.Operator, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    _items[:] = [(image.name, image.name, "White, or opaque, where the character is") for image in usable_images()]
    return _items


class FIGURINE_OT_use_mask(bpy.types.Operator):
    """Use an image of this Blender file as the mask, also one that was painted over the picture"""

    bl_idname = "figurine.use_mask"
    bl_label = "Use Image as Mask"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    bl_property = "image"

    image: EnumProperty(name="Image", description="An image of this file", items=_list_masks, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the file has no image."""
        return poll_reason(cls, "" if usable_images() else "This Blender file has no images.")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask which one."""
        context.window_manager.invoke_search_popup(self)
        return {"FINISHED"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it the mask."""
        context.scene.figurine.mask_image = bpy.data.images[self.image]
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_use_mask,)
