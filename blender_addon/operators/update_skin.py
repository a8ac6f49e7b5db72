# SPDX-License-Identifier: GPL-3.0-or-later
"""Update Skin: bones that were edited and the meshes that they move are sent; new weights come back onto the same
meshes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import bpy

from .. import runtime
from ..errors import FigurineError
from ..figure.reskin import obstacle
from ..figure.sent_body import SentBody, frame_of, read_body, read_bones, skeleton_document
from ..figure.sent_mesh import obj_text
from ..figure.whole_shape import applied_meshes
from ..job import Request
from ..job_settings import skin_document
from ..jobs.aim import Aim
from ..pictures import new_text_file
from ..pose.bound import meshes_of
from ..pose.rig import active_rig
from ..status import obstacle as server_obstacle
from ..units import metres_per_unit
from .apply_modifiers import AppliesModifiers
from .common import file_mark, poll_reason, tell


class FIGURINE_OT_update_skin(AppliesModifiers, bpy.types.Operator):
    """Bind the meshes to the bones as they are now, by the server. Pose, animation and constraints stay as they are"""

    bl_idname = "figurine.update_skin"
    bl_label = "Update Skin"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where no weights can be made, with the reason."""
        return poll_reason(cls, skin_obstacle(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand meshes and bones over; in Edit Mode, go on to Pose Mode, where the result can come in."""
        armature = active_rig(context)
        if not self.may_apply(self.sent_meshes(context)):
            return {"CANCELLED"}
        try:
            request = skin_request(context.scene, armature, runtime.current().paths.sent)
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        if armature.mode == "EDIT":
            bpy.ops.object.mode_set(mode="POSE")
            bpy.ops.ed.undo_push(message=self.bl_label)
        now = runtime.current()
        now.generate(request, file_mark(now))
        return {"FINISHED"}

    @staticmethod
    def sent_meshes(context: bpy.types.Context) -> Sequence[bpy.types.Object]:
        """Those that the active armature moves."""
        return meshes_of(active_rig(context), context.scene)


def skin_obstacle(context: bpy.types.Context) -> str:
    """Why the active figure's skin cannot be updated now, "" where it can."""
    return obstacle(context) or server_obstacle(runtime.current(), True)


def skin_request(scene: bpy.types.Scene, armature: bpy.types.Object, folder: Path) -> Request:
    """What is sent; modifiers that make a mesh's shape are in it, and are to be applied when the result comes. folder:
    for the files, which are written when the request is. Raises MeshUnusable.
    """
    bones = read_bones(armature)
    meshes = meshes_of(armature, scene)
    with applied_meshes(meshes) as applied:
        body = read_body(meshes, frame_of(armature, bones), metres_per_unit(scene), applied)
    skeleton = json.dumps(skeleton_document(armature, bones, body))
    settings = dict(skin_document(scene.figurine.wishes(), armature.name))
    name = str(settings["name"])
    return Request(
        picture=None,
        name=name,
        settings=settings,
        mesh=mesh_writer(body, folder, name),
        skeleton=partial(new_text_file, folder, name, ".json", skeleton),
        aim=Aim("skin", armature.name, body.parts),
    )


def mesh_writer(body: SentBody, folder: Path, name: str) -> Callable[[], Path]:
    """Writes the body's OBJ; on any thread."""
    joined = body.joined()
    return lambda: new_text_file(folder, name, ".obj", obj_text(joined))


CLASSES = (FIGURINE_OT_update_skin,)
