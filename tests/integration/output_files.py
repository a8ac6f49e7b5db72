# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports finished jobs for every target and for printing. Run as a process of its own: it imports bpy.

    python -m tests.integration.output_files REQUEST.json OUT

REQUEST.json: {"figures": {name: folder of a finished job, or a rigged .glb}, "prints": {name: ["PLATE.stl", …]},
"detail_mm": number}. OUT: NAME_TARGET.fbx, .glb, .vrm; NAME_BASE.stl, NAME_BASE.3mf; NAME.npz: the surface that was
printed, vertices (V, 3) and triangles (T, 3), in the world.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bpy
import numpy as np

from blender_addon.output.printable import seen_surface
from blender_addon.output.subject import subject_of, target_obstacle
from blender_addon.output.targets import TARGETS
from blender_addon.pose.library import body_poses
from blender_addon.pose.rig import body_kind
from tests.integration.output_measures import register_output_operators
from tests.integration.pose_measures import bring_folder

POSES = ("wave", "sit")  # the first that the body has


def main(request: Path, out: Path) -> None:
    """Write them all."""
    wanted = json.loads(request.read_text(encoding="utf-8"))
    prints, detail_mm = wanted["prints"], wanted["detail_mm"]
    for name, place in wanted["figures"].items():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        register_output_operators()
        rig = open_rig(Path(place), name)
        bpy.context.view_layer.objects.active = rig
        for pose in [pose for pose in POSES if pose in body_poses(body_kind(rig))][:1]:
            bpy.ops.figurine.apply_pose(pose=pose)
        for target in TARGETS.values():
            if not target_obstacle(bpy.context, target):
                path = out / f"{name}_{target.key}{target.suffix}"
                bpy.ops.figurine.export_figure(filepath=str(path), target=target.key, author="The Author")
        for file in prints.get(name, ()):
            base, kind = file.upper().split(".")
            path = str(out / f"{name}_{file}")
            bpy.ops.figurine.export_print(filepath=path, format=kind, base=base, detail=detail_mm)
        vertices, triangles = seen_surface(subject_of(bpy.context))
        np.savez(out / f"{name}.npz", vertices=vertices, triangles=triangles)


def open_rig(place: Path, name: str) -> bpy.types.Object:
    """The armature of a finished job, or of a file, whose bones' shapes are no part of the figure."""
    if place.is_dir():
        return bring_folder(place, name)
    bpy.ops.import_scene.gltf(filepath=str(place))
    bpy.data.batch_remove([item for item in bpy.data.objects if item.name.startswith("Icosphere")])
    return next(item for item in bpy.data.objects if item.type == "ARMATURE")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # without Blender's own clean-up, which has crashed after finished work
