# SPDX-License-Identifier: GPL-3.0-or-later
"""What the section Animation asks for; saved with the scene."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty, FloatProperty, PointerProperty

from ..pose.skeleton import BodyKind
from .clips import clips_of

SPEED = {
    "name": "Speed",
    "description": "2 is twice as fast. Steps stay as long",
    "default": 1.0,
    "min": 0.25,
    "max": 4.0,
    "soft_min": 0.5,
    "soft_max": 2.0,
    "step": 5,
}
AMPLITUDE = {
    "name": "Amplitude",
    "description": "How far the body moves: less is calmer with shorter steps, more is livelier with longer ones",
    "default": 1.0,
    "min": 0.0,
    "max": 1.5,
    "soft_min": 0.25,
    "step": 5,
}


def _items(kind: BodyKind) -> list[tuple[str, str, str]]:
    return [(clip.key, clip.name, clip.description) for clip in clips_of(kind).values()]


class FigurineAnimation(bpy.types.PropertyGroup):
    """One clip by kind of body: what a humanoid was last given is no clip of a dog's."""

    humanoid: EnumProperty(name="Clip", description="What the figure does", items=_items("humanoid"), default="walk")
    quadruped: EnumProperty(name="Clip", description="What the figure does", items=_items("quadruped"), default="walk")
    other: EnumProperty(name="Clip", description="What the figure does", items=_items("other"), default="breathe")
    speed: FloatProperty(**SPEED)
    amplitude: FloatProperty(**AMPLITUDE)


def add_settings() -> None:
    """Give every scene its settings."""
    bpy.types.Scene.figurine_animation = PointerProperty(type=FigurineAnimation)


def remove_settings() -> None:
    """Take them away again; what a file has stored stays in it."""
    del bpy.types.Scene.figurine_animation


CLASSES = (FigurineAnimation,)
