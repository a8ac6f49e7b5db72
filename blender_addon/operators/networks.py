# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the server with the neural engine's libraries, or without them again."""

# No postponed annotations: Blender reads them as they are.
import sys

import bpy
from bpy.props import EnumProperty

from .. import runtime
from ..networks import cost_lines, install_obstacle, neural_facts, removal_obstacle
from ..panels.layout import draw_in_dialog
from ..setup.torch_builds import DRAFT_ONLY, Equipment
from .common import poll_reason

_DIALOG_WIDTH_PX = 420
_PROCESSORS = (
    ("auto", "Automatic", "An NVIDIA GPU where this computer has one, the CPU otherwise"),
    ("nvidia", "NVIDIA GPU", "PyTorch for NVIDIA's GPUs, even where none is found now"),
    ("cpu", "CPU", "PyTorch without a GPU: the smallest, and hours for one character"),
)


class FIGURINE_OT_add_neural(bpy.types.Operator):
    """Install the server with the neural engine"""

    bl_idname = "figurine.add_neural"
    bl_label = "Add the Neural Engine"
    bl_description = (
        "Install the server with PyTorch and what else the networks need, after showing what that costs. The models "
        "are downloaded afterwards, one by one"
    )

    processor: EnumProperty(name="Processor", description="What the networks run on", items=_PROCESSORS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey for servers that are not installed from here, while one is, and without Online Access."""
        return poll_reason(cls, install_obstacle(runtime.current()))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Show what it costs."""
        self.processor = runtime.current().equipment.processor
        return context.window_manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH_PX, confirm_text="Download and Install"
        )

    def draw(self, context: bpy.types.Context) -> None:
        """What is agreed to."""
        column = self.layout.column()
        draw_in_dialog(
            column,
            "The networks need a GPU to be of use: NVIDIA's with about 12 GB of memory, or Apple's. On a CPU one "
            "character takes hours.",
            _DIALOG_WIDTH_PX,
        )
        if sys.platform != "darwin":
            column.row().prop(self, "processor", expand=True)
        for line in cost_lines(sys.platform, self.processor):
            draw_in_dialog(column, line, _DIALOG_WIDTH_PX)
        draw_in_dialog(column, "The models come afterwards, each with its own size and licence.", _DIALOG_WIDTH_PX)
        draw_in_dialog(
            column,
            "The server stops meanwhile, and its jobs go on afterwards. If this fails, the server stays as it is.",
            _DIALOG_WIDTH_PX,
        )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; the panel shows how far it is."""
        runtime.current().install(Equipment(True, self.processor))
        return {"FINISHED"}


class FIGURINE_OT_remove_neural(bpy.types.Operator):
    """Install the server with the draft engine alone"""

    bl_idname = "figurine.remove_neural"
    bl_label = "Remove the Neural Engine"
    bl_description = "Install the server anew with the draft engine alone, and free the disk. Downloaded models stay"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where it is not installed, while something is, and without Online Access."""
        return poll_reason(cls, removal_obstacle(runtime.current()))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        return context.window_manager.invoke_props_dialog(self, width=_DIALOG_WIDTH_PX, confirm_text="Remove")

    def draw(self, context: bpy.types.Context) -> None:
        """What goes, and what stays."""
        column = self.layout.column()
        installed = runtime.current().installed
        if installed is not None:
            draw_in_dialog(column, neural_facts(installed), _DIALOG_WIDTH_PX)
        draw_in_dialog(
            column,
            "The server is installed anew with the draft engine alone. Downloaded models stay on the disk.",
            _DIALOG_WIDTH_PX,
        )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Begin; the panel shows how far it is."""
        runtime.current().install(DRAFT_ONLY)
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_add_neural, FIGURINE_OT_remove_neural)
