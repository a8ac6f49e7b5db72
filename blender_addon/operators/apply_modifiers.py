# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators share that send meshes whose shape modifiers make: the question whether these may be applied."""

# No postponed annotations: Blender reads them as they are.
from collections.abc import Sequence

import bpy
from bpy.props import BoolProperty

from ..figure.sent_body import unapplied
from ..figure.shape_makers import makers_of, names_of
from ..languages import told
from ..phrases import phrase
from .common import may_still


class AppliesModifiers:
    """Asks in a small window where a mesh needs it; goes on at once where none does."""

    apply_modifiers: BoolProperty(
        name="Apply Modifiers",
        description=(
            "Apply the modifiers that make the shape, and those before them, when the result comes in. Undo takes "
            "both back in one step"
        ),
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask, or go on."""
        if unapplied(self.sent_meshes(context)):
            return context.window_manager.invoke_props_dialog(self)
        return self.execute(context)

    def draw(self, context: bpy.types.Context) -> None:
        """Which meshes get their shape from what, and the choice."""
        layout = self.layout
        for item in self.sent_meshes(context):
            makers = makers_of(item)
            if makers:
                text = phrase("{name}: its shape comes from {modifiers}", name=item.name, modifiers=names_of(makers))
                layout.label(text=told(text), icon="MODIFIER", translate=False)
        layout.prop(self, "apply_modifiers")

    def may_apply(self, meshes: Sequence[bpy.types.Object]) -> bool:
        """Whether nothing has to be applied that may not be; otherwise that is reported."""
        return may_still(self, "" if self.apply_modifiers else unapplied(meshes))
