# SPDX-License-Identifier: GPL-3.0-or-later
"""Reset, poses of the body and of the hands, mirror."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..languages import told_in_report, told_in_tooltip
from ..phrases import phrase
from ..pose import ik
from ..pose.library import body_poses, hand_poses
from ..pose.rig import PosableRig, active_rig, body_kind, read_rig, role_of
from ..pose.rotations import MIRROR, Matrix3, Vector3
from ..pose.skeleton import SIDES
from ..pose.solve import blend, fill, locals_of, mirror, solve_body, solve_hand
from ..skeleton_map import mirrored_bone
from .rig_operator import RigOperator

NO_HANDS = "This rig has no fingers that are known by their role or name."
NOT_KNOWN = "The parts of this rig are not known, so no pose of a body fits it. It can be mirrored and reset."
SIDE_ITEMS = (
    ("both", "Both Hands", "The left and the right hand"),
    ("left", "Left Hand", "The character's left hand"),
    ("right", "Right Hand", "The character's right hand"),
)
_FINGERS = "MiddleProximal"
_HAND_ITEMS = [(pose.key, pose.name, pose.description) for pose in hand_poses().values()]


class _PoseOperator(RigOperator):
    """What all of them share: IK follows what they do."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Pose the rig."""
        armature = active_rig(context)
        with ik.paused(armature):
            self.pose_rig(read_rig(armature))
        return {"FINISHED"}

    def pose_rig(self, rig: PosableRig) -> None:
        """As the operator's own pose says."""
        turns, shift = self.posed(rig)
        rig.write(turns, shift, auto_key=True)


class FIGURINE_OT_reset_pose(_PoseOperator, bpy.types.Operator):
    """Put every bone back to rest"""

    bl_idname = "figurine.reset_pose"
    bl_label = "Reset"

    def pose_rig(self, rig: PosableRig) -> None:
        """As the figure was made."""
        rig.clear(auto_key=True)


class FIGURINE_OT_apply_pose(_PoseOperator, bpy.types.Operator):
    """Pose the whole body. Fingers, hair and clothes stay as they are"""

    bl_idname = "figurine.apply_pose"
    bl_label = "Apply Pose"

    pose: StringProperty(name="Pose", description="Which of the poses", default="t_pose", options={"SKIP_SAVE"})
    amount: FloatProperty(
        name="Amount",
        description="How far from the present pose to this one",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        """The pose's own."""
        armature = active_rig(context)
        pose = body_poses(body_kind(armature)).get(properties.pose) if armature else None
        return told_in_tooltip(pose.description if pose else cls.__doc__)

    @classmethod
    def reason(cls, armature: bpy.types.Object) -> str:
        """Only bodies whose parts are known."""
        return "" if body_poses(body_kind(armature)) else NOT_KNOWN

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Pose the rig, where it has such a pose."""
        kind = body_kind(active_rig(context))
        if self.pose not in body_poses(kind):
            known = ", ".join(body_poses(kind))
            self.report(
                {"ERROR"},
                told_in_report(
                    phrase(
                        "No pose for a {kind} is called {pose}. There are: {known}.",
                        kind=kind,
                        pose=self.pose,
                        known=known,
                    )
                ),
            )
            return {"CANCELLED"}
        return super().execute(context)

    def posed(self, rig: PosableRig) -> tuple[Matrix3, Vector3]:
        """As the pose says, or part of the way there."""
        now = rig.turns()
        start = locals_of(rig.skeleton, now)
        found = solve_body(rig.skeleton, body_poses(rig.skeleton.kind)[self.pose], start)
        if self.amount == 1.0:
            return found.turns, found.shift
        turns = fill(rig.skeleton, {}, blend(start, locals_of(rig.skeleton, found.turns), self.amount))
        return turns, (1.0 - self.amount) * rig.shift() + self.amount * found.shift


class FIGURINE_OT_hand_pose(_PoseOperator, bpy.types.Operator):
    """Pose the fingers"""

    bl_idname = "figurine.hand_pose"
    bl_label = "Hand Pose"

    pose: EnumProperty(name="Pose", description="Which of the poses of a hand", items=_HAND_ITEMS, default="relaxed")
    side: EnumProperty(name="Side", description="Whose fingers", items=SIDE_ITEMS, default="both")

    @classmethod
    def reason(cls, armature: bpy.types.Object) -> str:
        """Only hands with fingers."""
        roles = {role_of(bone) for bone in armature.data.bones}
        return "" if any(f"{side}{_FINGERS}" in roles for side in SIDES) else NO_HANDS

    def posed(self, rig: PosableRig) -> tuple[Matrix3, Vector3]:
        """The fingers of one hand or both."""
        sides = SIDES if self.side == "both" else (self.side,)
        return solve_hand(rig.skeleton, hand_poses()[self.pose], sides, rig.turns()), rig.shift()


class FIGURINE_OT_mirror_pose(_PoseOperator, bpy.types.Operator):
    """Swap left and right: the pose becomes its mirror image, also where the two sides differ at rest"""

    bl_idname = "figurine.mirror_pose"
    bl_label = "Mirror"

    def posed(self, rig: PosableRig) -> tuple[Matrix3, Vector3]:
        """What the left did the right does."""
        names = tuple(mirrored_bone(name) for name in rig.skeleton.names)
        return mirror(rig.skeleton, rig.turns(), names), MIRROR @ rig.shift()


CLASSES = (FIGURINE_OT_reset_pose, FIGURINE_OT_apply_pose, FIGURINE_OT_hand_pose, FIGURINE_OT_mirror_pose)
