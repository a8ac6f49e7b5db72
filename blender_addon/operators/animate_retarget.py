# SPDX-License-Identifier: GPL-3.0-or-later
"""Retarget: the animation of a BVH or FBX file on the active rig."""

# No postponed annotations: Blender reads them as they are.
from pathlib import Path

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from ..animation.bvh import read_bvh
from ..animation.fbx import read_fbx
from ..animation.fitting import fit_source
from ..animation.player import play
from ..animation.settings import SPEED
from ..animation.source import WorldClip
from ..errors import ClipUnusable
from ..languages import told_in_report
from ..phrases import phrase
from ..pose.rig import active_rig, body_kind
from .animate_clip import animation_obstacle
from .common import may_still, poll_reason, told_error

NOT_KNOWN = "The parts of this rig are not known, so no animation of a body fits it. Breathe and Sway do."
_READERS = {".bvh": read_bvh, ".fbx": read_fbx}


class FIGURINE_OT_retarget(bpy.types.Operator):
    """Put the animation of a BVH or FBX file on the rig: of Mixamo, of Unity, of VRM, of motion capture"""

    bl_idname = "figurine.retarget"
    bl_label = "Retarget…"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default="*.bvh;*.fbx", options={"HIDDEN", "SKIP_SAVE"})
    speed: FloatProperty(**SPEED)
    in_place: BoolProperty(
        name="In Place", description="The figure stays where it is instead of going its way", default=False
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a rig whose parts are known, in Object Mode or Pose Mode."""
        return poll_reason(cls, _obstacle(context))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask for the file first."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Read it, fit it, play it."""
        if not may_still(self, _obstacle(context)):
            return {"CANCELLED"}
        path = Path(bpy.path.abspath(self.filepath))
        armature = active_rig(context)
        try:
            source = _read(path).for_body(body_kind(armature), path.name)
        except ClipUnusable as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        rig, motion = fit_source(armature, source, self.speed, self.in_place)
        play(rig, motion, path.stem, is_loop=False)
        self.report(
            {"INFO"},
            told_in_report(
                phrase(
                    "{name}: {frames} frames on {bones} bones.",
                    name=path.stem,
                    frames=len(motion.turns),
                    bones=len(motion.driven),
                )
            ),
        )
        return {"FINISHED"}


def _obstacle(context: bpy.types.Context) -> str:
    reason = animation_obstacle(context)
    if not reason and body_kind(active_rig(context)) == "other":
        return NOT_KNOWN
    return reason


def _read(path: Path) -> WorldClip:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ClipUnusable(
            phrase("{name} is no BVH or FBX file.", name=path.name or "This"), "Choose a .bvh or a .fbx file."
        )
    return reader(path)


CLASSES = (FIGURINE_OT_retarget,)
