# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply Clip: the figure walks, runs, waves."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import FloatProperty, StringProperty

from ..animation.clips import clips_of
from ..animation.fitting import fit
from ..animation.player import play
from ..animation.settings import AMPLITUDE, SPEED
from ..languages import told_in_report
from ..phrases import joined, phrase
from ..pose import ik
from ..pose.rig import active_rig, body_kind, obstacle
from .common import poll_reason
from .rig_operator import tweak_obstacle


def animation_obstacle(context: bpy.types.Context) -> str:
    """Why the active rig cannot be animated now, for the artist; empty where it can."""
    return obstacle(context) or tweak_obstacle(active_rig(context))


class FIGURINE_OT_apply_clip(bpy.types.Operator):
    """Put the clip on the rig's NLA, in place of the one that Figurine put there before"""

    bl_idname = "figurine.apply_clip"
    bl_label = "Apply Clip"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    clip: StringProperty(name="Clip", description="Which of the clips", default="idle", options={"SKIP_SAVE"})
    speed: FloatProperty(**SPEED)
    amplitude: FloatProperty(**AMPLITUDE)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a rig in Object Mode or Pose Mode."""
        return poll_reason(cls, animation_obstacle(context))

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """The clip's own."""
        armature = active_rig(context)
        clip = clips_of(body_kind(armature)).get(properties.clip) if armature else None
        return f"{clip.description}. {cls.__doc__}" if clip else cls.__doc__

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fit it and play it, where such a body has it."""
        armature = active_rig(context)
        kind = body_kind(armature)
        clips = clips_of(kind)
        if self.clip not in clips:
            whose = f"a {kind}" if kind != "other" else "this rig"
            self.report(
                {"ERROR"},
                told_in_report(
                    phrase(
                        "No clip for {whose} is called {clip}. There are: {known}.",
                        whose=whose,
                        clip=self.clip,
                        known=", ".join(clips),
                    )
                ),
            )
            return {"CANCELLED"}
        clip = clips[self.clip]
        had_handles = any(ik.is_on(armature, limb) for limb in ik.limbs_of(armature))
        rig, motion = fit(armature, clip, self.speed, self.amplitude)
        play(rig, motion, clip.name, is_loop=True)
        said = [phrase("{name}: {frames} frames.", name=clip.name, frames=len(motion.turns) - 1)]
        if motion.speed:
            said.append(
                phrase(
                    "The floor goes by at {speed:.2f} units a second.",
                    speed=motion.speed * armature.matrix_world.median_scale,
                )
            )
        if had_handles:
            said.append("Its handles (IK) were switched off, for the clip moves the bones.")
        self.report({"INFO"}, told_in_report(joined(said, " ")))
        return {"FINISHED"}


CLASSES = (FIGURINE_OT_apply_clip,)
