# SPDX-License-Identifier: GPL-3.0-or-later
"""Rig Selected Mesh: the selected meshes are sent; bones and weights come back onto them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
from mathutils import Matrix

from .. import runtime
from ..errors import FigurineError
from ..figure.rig_mesh import chosen_meshes, obstacle
from ..figure.sent_body import read_body
from ..figure.whole_shape import applied_meshes
from ..job import Request
from ..job_settings import rig_document
from ..jobs.aim import Aim
from ..status import obstacle as server_obstacle
from ..units import metres_per_unit
from .apply_modifiers import AppliesModifiers
from .common import file_mark, poll_reason, tell
from .update_skin import mesh_writer


class FIGURINE_OT_rig_mesh(AppliesModifiers, bpy.types.Operator):
    """Find bones for the selected meshes and bind them, by the server. An armature, vertex groups and a modifier are
    added; all else stays as it is
    """

    bl_idname = "figurine.rig_mesh"
    bl_label = "Rig Selected Mesh"
    bl_description = (
        "Find bones for the selected meshes and bind them, by the server. An armature, vertex groups and a "
        "modifier are added; all else stays as it is"
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Grey where nothing can be rigged, with the reason."""
        return poll_reason(cls, rig_obstacle(context))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Hand the meshes over; the rest happens in the background."""
        now, meshes = runtime.current(), self.sent_meshes(context)
        if not self.may_apply(meshes):
            return {"CANCELLED"}
        try:
            request = rig_request(context.scene, meshes, now.paths.sent)
        except FigurineError as error:
            tell(self, error)
            return {"CANCELLED"}
        now.generate(request, file_mark(now))
        return {"FINISHED"}

    @staticmethod
    def sent_meshes(context: bpy.types.Context) -> Sequence[bpy.types.Object]:
        """The selected ones."""
        return chosen_meshes(context)


def rig_obstacle(context: bpy.types.Context) -> str:
    """Why the selected meshes cannot be rigged now, "" where they can."""
    return obstacle(context) or server_obstacle(runtime.current(), True)


def rig_request(scene: bpy.types.Scene, meshes: Sequence[bpy.types.Object], folder: Path) -> Request:
    """What is sent; modifiers that make a mesh's shape are in it, and are to be applied when the result comes. folder:
    for the file, which is written when the request is. Raises MeshUnusable.
    """
    with applied_meshes(meshes) as applied:
        body = read_body(meshes, Matrix.Identity(4), metres_per_unit(scene), applied)
    settings = dict(rig_document(scene.figurine.wishes(), body.objects[0].name))
    name = str(settings["name"])
    return Request(
        picture=None,
        name=name,
        settings=settings,
        mesh=mesh_writer(body, folder, name),
        aim=Aim("rig", parts=body.parts),
    )


CLASSES = (FIGURINE_OT_rig_mesh,)
