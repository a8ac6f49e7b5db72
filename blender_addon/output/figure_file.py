# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure as the content of one file. The artist's scene is not changed: copies are, in a scene of their own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import bpy
from mathutils import Matrix

from ..bundled import FBX, GLTF, enabled_addon
from ..errors import FigurineError
from .clips import add_clips, pose_clip, read_clips
from .errors import ExportFailed
from .naming import Scheme, humanoid_bones, missing_bones
from .skeleton import FileSkeleton, add_armature, file_skeleton, file_space, t_posed
from .skin import FileMesh, add_meshes, lowest, move_skin, read_meshes
from .subject import Subject, check_scale
from .targets import Target
from .vrm import VrmMeta, vrm_bytes
from .workshop import Workshop, open_workshop

Clips = Literal["NONE", "RIG", "ALL"]

# Unreal's importer takes a null of this name away instead of making it the topmost bone.
_UNREAL_OBJECT = "Armature"


@dataclass(frozen=True)
class Settings:
    """scheme: names of bones. is_t_posed: a humanoid's rest is a T-pose. clips: which animations. has_pose: the present
    pose goes along. meta: of a VRM.
    """

    target: Target
    scheme: Scheme
    is_t_posed: bool
    clips: Clips
    has_pose: bool
    meta: VrmMeta | None = None


@dataclass(frozen=True)
class FigureFile:
    """bones, clips: how many are in it."""

    content: bytes
    bones: int
    clips: int


def figure_file(subject: Subject, settings: Settings) -> FigureFile:
    """Raises FigureUnusable, ExportFailed."""
    armature, target = subject.armature, settings.target
    check_scale(armature)
    metres = bpy.context.scene.unit_settings.scale_length
    skeleton = file_skeleton(armature, target, settings.scheme, file_space(armature, target, metres))
    shown = pose_clip(armature, skeleton) if settings.has_pose else None
    with open_workshop() as shop:
        clips = [shown] if shown is not None else []
        if settings.clips != "NONE":
            clips += read_clips(shop, armature, skeleton, settings.clips == "ALL")
        skeleton, meshes = _rested(shop, subject, skeleton, settings.is_t_posed)
        made = _build(shop, subject, skeleton, meshes, settings)
        add_clips(shop, made, skeleton, clips)
        content = _written(shop, target)
    if settings.meta is not None:
        bones = humanoid_bones(skeleton.roles)
        content = vrm_bytes(content, {role: skeleton.names[bone] for role, bone in bones.items()}, settings.meta)
    return FigureFile(content, len(skeleton.names), len(clips))


def _rested(
    shop: Workshop, subject: Subject, skeleton: FileSkeleton, is_t_posed: bool
) -> tuple[FileSkeleton, list[FileMesh]]:
    """The skeleton and its meshes at rest: as they are, or in a T-pose with the soles on the floor."""
    meshes = read_meshes(shop, subject, skeleton)
    is_t_posed = is_t_posed and not missing_bones(skeleton.roles)
    posed = t_posed(shop, subject.armature, skeleton) if is_t_posed else skeleton.rests
    for mesh in meshes:
        move_skin(mesh, skeleton, subject.armature, posed)
    if not is_t_posed:
        return skeleton, meshes
    height = -lowest(meshes, skeleton.up)
    for mesh in meshes:
        mesh.data.transform(Matrix.Translation((height * skeleton.up).tolist()), shape_keys=True)
    return replace(skeleton, rests=posed).lifted(height), meshes


def _build(
    shop: Workshop, subject: Subject, skeleton: FileSkeleton, meshes: list[FileMesh], settings: Settings
) -> bpy.types.Object:
    name = _UNREAL_OBJECT if settings.target.has_root else subject.armature.name
    made = add_armature(shop, skeleton, name, with_roles=settings.scheme == "KEEP")
    shop.call(made, name, bpy.data.objects)
    shop.call(made.data, name, bpy.data.armatures)
    add_meshes(shop, meshes, skeleton, made)
    return made


def _written(shop: Workshop, target: Target) -> bytes:
    """By Blender's own exporters, into a folder that is gone afterwards."""
    has_clips = target.has_clips and any(item.animation_data for item in shop.scene.objects)
    with tempfile.TemporaryDirectory(prefix="figurine-") as folder:
        path = Path(folder) / ("figure.fbx" if target.kind == "FBX" else "figure.glb")
        try:
            if target.kind == "FBX":
                with enabled_addon(FBX):
                    _write_fbx(shop, path, target, has_clips)
            else:
                with enabled_addon(GLTF):
                    _write_glb(path, target, has_clips)
            return path.read_bytes()
        except (RuntimeError, OSError) as error:
            raise _failed(error) from error


def _write_fbx(shop: Workshop, path: Path, target: Target, has_clips: bool) -> None:
    """Metres: the file says that its unit is a metre. Centimetres, which FBX takes for granted: nothing is scaled."""
    shop.scene.unit_settings.system = "METRIC"
    shop.scene.unit_settings.scale_length = 1.0 / target.units_per_m
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        object_types={"ARMATURE", "MESH"},
        apply_scale_options="FBX_SCALE_ALL",
        axis_forward="-Z",
        axis_up="Y",
        use_mesh_modifiers=False,
        mesh_smooth_type="FACE",
        add_leaf_bones=False,
        bake_anim=has_clips,
        bake_anim_use_all_bones=True,
        bake_anim_use_nla_strips=True,
        bake_anim_use_all_actions=False,
        bake_anim_simplify_factor=0.0,
        path_mode="COPY",
        embed_textures=True,
    )


def _write_glb(path: Path, target: Target, has_clips: bool) -> None:
    bpy.ops.export_scene.gltf(
        filepath=str(path),
        export_format="GLB",
        use_active_scene=True,
        export_yup=True,
        export_apply=False,
        export_extras=target.scheme == "KEEP",
        export_cameras=False,
        export_lights=False,
        export_rest_position_armature=True,
        export_animations=has_clips,
        export_animation_mode="NLA_TRACKS",
        export_force_sampling=True,
        export_optimize_animation_size=False,
    )


def _failed(error: Exception) -> FigurineError:
    said = [line for line in str(error).strip().splitlines() if line.strip()]
    return ExportFailed(
        "Blender's exporter did not write the figure" + (f": {said[-1].strip().rstrip('.')}." if said else "."),
        "See that the disk has space, then export again.",
        details=str(error),
    )
