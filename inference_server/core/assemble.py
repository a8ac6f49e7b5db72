# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a figure together: its final size, its feet on the ground, its origin between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inference_server.core.frames import to_view
from inference_server.core.types import Float32, Mesh, Rig, TexturedMesh

HUMANOID_HEIGHT_M = 1.7
OTHER_SIZE_M = 1.0


def stand_on_ground(textured: TexturedMesh, rig: Rig, height_m: float | None) -> tuple[TexturedMesh, Rig]:
    """Scale and move mesh and skeleton together, house frame.

    A humanoid becomes `height_m` high (1.7 m by default), anything else `height_m` (1.0 m) on its largest side. The
    lowest point comes to y = 0. The origin lies between the feet of a humanoid, under the middle of anything else.
    """
    vertices, skeleton = textured.mesh.vertices, rig.skeleton
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if skeleton.kind == "humanoid":
        scale = (height_m or HUMANOID_HEIGHT_M) / float(high[1] - low[1])
    else:
        scale = (height_m or OTHER_SIZE_M) / float((high - low).max())
    feet = [bone for bone, role in enumerate(skeleton.roles) if role in ("leftFoot", "rightFoot")]
    has_feet = skeleton.kind == "humanoid" and bool(feet)
    middle = skeleton.heads[feet].mean(axis=0) if has_feet else (low + high) / 2
    origin = np.array([middle[0], low[1], middle[2]], dtype=np.float32)
    mesh = _moved_mesh(textured.mesh, origin, scale)
    moved = replace(skeleton, heads=(skeleton.heads - origin) * scale, tails=(skeleton.tails - origin) * scale)
    return replace(textured, mesh=mesh), replace(rig, skeleton=moved)


def _moved_mesh(mesh: Mesh, origin: Float32, scale: float) -> Mesh:
    view = mesh.front_view
    if view is not None:
        shift = to_view(origin, view)
        view = replace(
            view,
            center_x_m=(view.center_x_m - float(shift[0])) * scale,
            center_y_m=(view.center_y_m - float(shift[1])) * scale,
            side_m=view.side_m * scale,
        )
    return Mesh((mesh.vertices - origin) * scale, mesh.faces, view)
