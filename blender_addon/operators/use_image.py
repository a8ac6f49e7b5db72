# SPDX-License-Identifier: GPL-3.0-or-later
"""Use Image: a picture that the Blender file holds."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty

from .common import poll_reason

# Blender's own, without pixels that can be read.
_NOT_PICTURES = ("RENDER_RESULT", "COMPOSITING")
# Blender does not keep the texts of computed lists: they have to live as long as the menu.
_kept: dict[str, list[tuple[str, str, str]]] = {}


def usable_images() -> list[bpy.types.Image]:
    """Images of the file that can be sent."""
    return [image for image in bpy.data.images if image.type not in _NOT_PICTURES]


def list_images(self: bpy.types.Operator, context: bpy.types.Context | None) -> list[tuple[str, str, str]]:
    """For a menu of them."""
    return image_items("Use this image as the picture")


def image_items(use: str) -> list[tuple[str, str, str]]:
    """For a menu of them. use: what is said of each."""
    _kept[use] = [(image.name, image.name, use) for image in usable_images()]
    return _kept[use]


class ImageOperator:
    """What verbs for an image of this file share: they ask which one."""

    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012
    bl_property = "image"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where the file has no image."""
        return poll_reason(cls, "" if usable_images() else "This Blender file has no images.")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask which one."""
        context.window_manager.invoke_search_popup(self)
        return {"FINISHED"}


class FIGURINE_OT_use_image(ImageOperator, bpy.types.Operator):
    """Use an image of this Blender file as it is now, also one that was painted or packed"""

    bl_idname = "figurine.use_image"
    bl_label = "Use Image"

    image: EnumProperty(name="Image", description="An image of this file", items=list_images, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make it the picture."""
        context.scene.figurine.image = bpy.data.images[self.image]
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_use_image,)
