# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished job's folder into the scene: a collection of its own with the figure, its armature, and its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
from mathutils import Matrix

from .bundled import FBX, enabled_addon
from .errors import ImportFailed
from .figure import armature, materials
from .figure.provenance import PREFIX, facts_of
from .figure.result_folder import ResultFiles, read_result
from .figure.rollback import all_or_nothing, make_active_collection, restore_work
from .figure.weights import GROUPS_PROPERTY
from .phrases import phrase
from .units import metres_per_unit

MAX_INFLUENCES = 4
# Jobs that read the scene on another thread.
_BUSY_JOBS = ("RENDER", "OBJECT_BAKE")
# Sums of four float32 weights that went through a file.
_WEIGHT_TOLERANCE = 1e-4
_REPORT_IT = "Try again; if it fails again, use Copy Diagnostics and report it."


@dataclass(frozen=True)
class ImportOptions:
    """at_cursor: at the 3D cursor, else at the world's origin. enter_pose_mode: else Object Mode. show_texture:
    in Solid viewports that show the materials' colours. name: of the collection and objects. keep_mode: mode, active
    object and selection stay as they are, whatever enter_pose_mode says.
    """

    at_cursor: bool = True
    enter_pose_mode: bool = False
    show_texture: bool = False
    name: str = "Figure"
    keep_mode: bool = False


def import_result(
    context: bpy.types.Context, folder: Path, options: ImportOptions, provenance: Mapping[str, str]
) -> bpy.types.Object:
    """Bring a result into the context's scene and return its armature, active and selected alone unless the options
    keep what was.

    The figure stands upright, faces -Y, with scale 1 and no rotation, at its true size whatever the scene's unit is.
    Works in any mode; Object or Pose Mode afterwards. provenance: what report.json does not know, as the job's id; see
    provenance.facts_of. No undo step is made: the operators that call this have UNDO. The context needs a window;
    Blender's timers have the first one.

    Raises ImportFailed, after which the file is as it was: nothing added, the same selection and mode.
    """
    files = read_result(folder)
    scene = context.scene
    if not scene.is_editable:
        raise ImportFailed(
            phrase("The scene {scene} is linked from another file and cannot be changed.", scene=scene.name),
            "Open a scene of this file and import again.",
        )
    with all_or_nothing() as before:
        rig, figures = _load(files, options.name)
        _settle(rig, figures, files, options.name)
        rig.location = scene.cursor.location if options.at_cursor else (0.0, 0.0, 0.0)
        for name, fact in facts_of(files.report, provenance).items():
            rig[name] = fact
        if options.keep_mode:
            restore_work(before)
        else:
            _present(rig, options.enter_pose_mode)
    if options.show_texture:
        _show_textures()
    return rig


def reason_to_wait(context: bpy.types.Context) -> str:
    """What the user is in the middle of, where importing now would pull it from under the hand; "" when free."""
    for window in context.window_manager.windows:
        for operator in window.modal_operators:
            # Those written in Python are in bpy.types; some add-ons run one for as long as Blender is open.
            if not hasattr(bpy.types, operator.bl_idname):
                return phrase("{name} is running", name=phrase(operator.name))
    if any(bpy.app.is_job_running(job) for job in _BUSY_JOBS):
        return "a render is running"
    return ""


def _load(files: ResultFiles, name: str) -> tuple[bpy.types.Object, list[bpy.types.Object]]:
    """Import the FBX into a new collection; its armature and its meshes, checked."""
    scene = bpy.context.scene
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    make_active_collection(collection)
    before = {entry.as_pointer() for entry in bpy.data.objects}
    with _unit_scale_of_one(scene):
        _run_importer(files.fbx)
        bpy.context.view_layer.update()
    loaded = [entry for entry in bpy.data.objects if entry.as_pointer() not in before]
    rigs = [entry for entry in loaded if entry.type == "ARMATURE"]
    figures = [entry for entry in loaded if entry.type == "MESH"]
    if len(rigs) != 1 or not figures or len(rigs) + len(figures) != len(loaded):
        raise ImportFailed(
            phrase(
                "{name} is not a figure: it holds {armatures} armatures, {meshes} meshes and {others} other objects.",
                name=files.fbx.name,
                armatures=len(rigs),
                meshes=len(figures),
                others=len(loaded) - len(rigs) - len(figures),
            ),
            "Import a result that Figurine made.",
        )
    armature.check_skeleton(rigs[0], files.bones)
    for figure in figures:
        _check_binding(figure, rigs[0])
    return rigs[0], figures


def _run_importer(path: Path) -> None:
    """Raises ImportFailed where Blender does. Without animation: Figurine writes none."""
    options = {"filepath": str(path), "ignore_leaf_bones": True, "use_anim": False, "use_custom_normals": False}
    try:
        if "fbx_import" in dir(bpy.ops.wm):
            finished = bpy.ops.wm.fbx_import(**options)
        else:  # before Blender 4.5
            with enabled_addon(FBX):
                finished = bpy.ops.import_scene.fbx(**options)
    except RuntimeError as error:
        raise ImportFailed(
            phrase("Blender cannot read {name}: the file is damaged or is no FBX file that it knows.", name=path.name),
            "Import it again from the job list: the files are fetched again.",
            details=str(error),
        ) from error
    if finished != {"FINISHED"}:
        raise ImportFailed(phrase("Blender did not import {name}.", name=path.name), _REPORT_IT)


@contextmanager
def _unit_scale_of_one(scene: bpy.types.Scene) -> Iterator[None]:
    """The importers put the scene's unit into the objects' scale; here it goes into their data."""
    units = scene.unit_settings
    scale_length = units.scale_length
    units.scale_length = 1.0
    try:
        yield
    finally:
        units.scale_length = scale_length


def _check_binding(figure: bpy.types.Object, rig: bpy.types.Object) -> None:
    modifiers = [(modifier.type, modifier.object) for modifier in figure.modifiers if modifier.type == "ARMATURE"]
    groups = {group.name for group in figure.vertex_groups}
    if modifiers != [("ARMATURE", rig)] or not groups <= set(rig.data.bones.keys()):
        raise ImportFailed(phrase("{name} is not bound to its skeleton in the FBX file.", name=figure.name), _REPORT_IT)


def _settle(rig: bpy.types.Object, figures: list[bpy.types.Object], files: ResultFiles, name: str) -> None:
    """Make of what the importer gave what rig.json says, the same in every version of Blender."""
    units_per_metre = 1.0 / metres_per_unit(bpy.context.scene)
    for figure in figures:
        # Where the mesh is in the world goes into its data: the armature stands at the origin until now.
        figure.data.transform(Matrix.Scale(units_per_metre, 4) @ figure.matrix_world)
        figure.parent = rig
        figure.matrix_parent_inverse = Matrix.Identity(4)
        figure.matrix_basis = Matrix.Identity(4)
        figure.modifiers[0].name = "Armature"
        figure.data.shade_smooth()
        _normalise_weights(figure, next(bone.name for bone in files.bones if not bone.parent))
        materials.settle_materials(figure, name, files.has_texture)
    rig.matrix_basis = Matrix.Identity(4)
    armature.restore_rest_pose(rig, files.bones, units_per_metre)
    armature.dress(rig, files.bones, files.kind)
    for entry in (rig, *figures):
        for key in [key for key in entry.keys() if key.startswith(PREFIX)]:
            del entry[key]
    rig.name = rig.data.name = f"{name}_rig"
    for figure in figures:
        figure.name = figure.data.name = name
        figure[GROUPS_PROPERTY] = "\n".join(group.name for group in figure.vertex_groups)


def _normalise_weights(figure: bpy.types.Object, root: str) -> None:
    """At most four bones a vertex, weights that sum to 1; a vertex without a bone follows the root."""
    for vertex in figure.data.vertices:
        weights = [entry.weight for entry in vertex.groups]
        if len(weights) <= MAX_INFLUENCES and abs(sum(weights) - 1.0) < _WEIGHT_TOLERANCE:
            continue
        rows = sorted(((entry.weight, entry.group) for entry in vertex.groups), reverse=True)
        for _weight, group in rows:
            figure.vertex_groups[group].remove([vertex.index])
        rows = [(weight, group) for weight, group in rows if weight > 0]
        total = sum(weight for weight, _ in rows[:MAX_INFLUENCES])
        for weight, group in rows[:MAX_INFLUENCES]:
            figure.vertex_groups[group].add([vertex.index], weight / total, "REPLACE")
        if not rows:
            figure.vertex_groups[root].add([vertex.index], 1.0, "REPLACE")


def _present(rig: bpy.types.Object, enter_pose_mode: bool) -> None:
    """Select the armature alone; enter Pose Mode on request."""
    for entry in bpy.context.view_layer.objects:
        entry.select_set(entry == rig)
    bpy.context.view_layer.objects.active = rig
    if enter_pose_mode:
        bpy.ops.object.mode_set(mode="POSE")


def _show_textures() -> None:
    """Have this window's viewports show textures where they show one colour for each material."""
    for area in bpy.context.screen.areas:
        if area.type == "VIEW_3D" and area.spaces.active.shading.color_type == "MATERIAL":
            area.spaces.active.shading.color_type = "TEXTURE"
