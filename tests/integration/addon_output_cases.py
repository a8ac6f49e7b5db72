# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of Output: what is exported is imported again by Blender and compared with the figure it was made of."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import addon_utils
import bpy
import numpy as np
from mathutils import Matrix

from blender_addon import bundled
from blender_addon.output import figure_file
from blender_addon.output.naming import bone_names, missing_bones
from blender_addon.output.targets import TARGETS
from blender_addon.pose.rig import role_of
from blender_addon.skeleton_map import MIXAMO_NAMES, UNITY_NAMES, VRM_REQUIRED
from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_scene import Bench, add_cube, user_state
from tests.integration.output_measures import (
    Seen,
    apart_m,
    bind_hat,
    clip_name,
    clips_of,
    export,
    fbx_models,
    glb_document,
    heads_of,
    imported,
    key_walk,
    picture_of,
    refused,
    register_output_operators,
    see,
    see_t_pose,
)

SAME_m = 1e-4
SAME_TURN = 1e-3
FBX = ("UNITY", "UNREAL")


def bring(bench: Bench, name: str, pose: str = "wave") -> bpy.types.Object:
    """A posed figure, its armature active, in Object Mode."""
    register_output_operators()
    rig = bench.bring(name)
    if pose:
        bpy.ops.figurine.apply_pose(pose=pose)
    return rig


def case_every_export_is_imported_as_it_was(bench: Bench) -> None:
    """The same bones, hierarchy, rest, pose, surface and texture, from all five; in a T-pose where they want one."""
    for target in TARGETS.values():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        rig = bring(bench, "fox_kid")
        names = bone_names(
            [bone.name for bone in rig.data.bones], [role_of(bone) for bone in rig.data.bones], target.scheme
        )
        posed, picture = see(rig), picture_of(rig)
        rest = see_t_pose(rig) if target.is_t_posed else see(rig, at_rest=True)
        renamed = dict(zip((bone.name for bone in rig.data.bones), names, strict=True))
        path = export(bench, target.key)
        found = imported(path)
        _check_bones(found, rest, renamed)
        surface = apart_m(rest.points, see(found, at_rest=True).points)
        bench.measured[target.key] = surface
        assert surface < SAME_m, (target.key, surface)
        assert picture_of(found) == picture, target.key
        if not target.has_clips:
            continue
        assert clips_of(found) == ["Pose"], (target.key, clips_of(found))
        bpy.context.scene.frame_set(1 if target.key in FBX else 0)
        now = see(found)
        for source, name in renamed.items():
            moved = posed.heads[source] + [0, 0, rest.lift]
            assert np.abs(now.heads[name] - moved).max() < SAME_m, (target.key, source)
        if not target.is_t_posed:
            assert apart_m(posed.points, now.points) < SAME_m, target.key


def _check_bones(found: bpy.types.Object, rest: Seen, renamed: dict[str, str]) -> None:
    back = {name: source for source, name in renamed.items()}
    added = set(found.data.bones.keys()) - set(back)
    assert added <= {"root"} and set(back) <= set(found.data.bones.keys()), added
    for name, source in back.items():
        bone = found.data.bones[name]
        place = found.matrix_world @ bone.matrix_local
        assert np.abs(np.array(place.translation) - rest.heads[source]).max() < SAME_m, name
        turn = np.array(place.to_quaternion().to_matrix())
        assert np.abs(turn - rest.turns[source]).max() < SAME_TURN, name
        above = bone.parent.name if bone.parent else ""
        assert (back.get(above, "") if above not in added else "") == rest.parents[source], name


def case_engines_get_their_scale_axes_and_root(bench: Bench) -> None:
    bring(bench, "fox_kid")
    unity, unreal = export(bench, "UNITY", name="unity"), export(bench, "UNREAL", name="unreal")
    unit, models = fbx_models(unity)
    assert abs(unit - 100.0) < 1e-3, unit  # the file's unit is a metre
    assert {kind for kind, _ in models.values()} == {"Null", "Mesh", "LimbNode"}
    for name in ("fox_kid", "fox_kid_rig"):
        for part, still in (("Translation", 0.0), ("Rotation", 0.0), ("Scaling", 1.0)):
            assert np.allclose(models[name][1].get(f"Lcl {part}", still), still, atol=1e-3), (name, part)
    assert 0.3 < models["Hips"][1]["Lcl Translation"][1] < 0.6
    unit, models = fbx_models(unreal)
    assert abs(unit - 1.0) < 1e-6  # a centimetre
    assert models["Armature"][0] == "Null" and np.allclose(models["Armature"][1]["Lcl Scaling"], 1.0)
    assert np.allclose(models["root"][1]["Lcl Translation"], 0.0) and np.allclose(
        models["root"][1]["Lcl Rotation"], 0.0
    )
    assert 30 < models["pelvis"][1]["Lcl Translation"][2] < 60
    found = imported(unreal)
    assert [bone.name for bone in found.data.bones if bone.parent is None] == ["root"]
    assert {"pelvis", "spine_01", "spine_03", "clavicle_l", "upperarm_r", "thigh_l", "calf_r", "ball_l"} <= set(
        found.data.bones.keys()
    )


def case_humanoid_maps_are_complete(bench: Bench) -> None:
    rig = bring(bench, "adventurer")
    roles = {role_of(bone) for bone in rig.data.bones}
    vrm, unity = export(bench, "VRM"), export(bench, "UNITY")
    document = glb_document(vrm)
    bones = document["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]
    places = [entry["node"] for entry in bones.values()]
    assert set(bones) >= VRM_REQUIRED and len(set(places)) == len(places)
    assert set(bones) <= roles and roles - set(bones) <= {"chain"}
    assert set(places) <= {joint for skin in document["skins"] for joint in skin["joints"]}
    assert "VRMC_vrm" in document["extensionsUsed"]
    wanted = {UNITY_NAMES[role] for role in roles if role in UNITY_NAMES}
    assert len(wanted) >= len(VRM_REQUIRED) and wanted <= set(imported(unity).data.bones.keys())


def case_a_vrm_stands_in_a_t_pose_and_says_whose_it_is(bench: Bench) -> None:
    bring(bench, "fox_kid")
    assert "type an author" in refused(bench, "VRM", author=" ")
    path = export(bench, "VRM", author="Ada, Bo", title="Fox", licence="https://example.org", commerce="corporation")
    extension = glb_document(path)["extensions"]["VRMC_vrm"]
    meta = extension["meta"]
    assert extension["specVersion"] == "1.0"
    assert (meta["name"], meta["authors"], meta["licenseUrl"]) == (
        "Fox",
        ["Ada", "Bo"],
        "https://vrm.dev/licenses/1.0/",
    )
    assert (meta["otherLicenseUrl"], meta["commercialUsage"]) == ("https://example.org", "corporation")
    assert (meta["avatarPermission"], meta["modification"]) == ("onlyAuthor", "prohibited")
    found = imported(path)
    seen = see(found, at_rest=True)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = seen.heads[f"{side}Hand"] - seen.heads[f"{side}UpperArm"]
        assert sign * arm[0] > 0.99 * np.linalg.norm(arm), side
        leg = seen.heads[f"{side}Foot"] - seen.heads[f"{side}UpperLeg"]
        assert leg[2] < -0.99 * np.linalg.norm(leg), side
        foot = seen.heads[f"{side}Toes"] - seen.heads[f"{side}Foot"]
        assert foot[1] < 0  # to −Y here, which is +Z in the file
    assert abs(seen.points[:, 2].min()) < SAME_m


def case_clips_are_what_is_seen(bench: Bench) -> None:
    """A track of the NLA with handles in it, the rig's action, and one that only the file has."""
    rig = bring(bench, "fox_kid", pose="")
    frames = key_walk(rig)
    for target in ("GLTF", "UNREAL"):
        export(bench, target, clips="ALL", pose=False, name="clips")
    for suffix, first in ((".glb", 0), (".fbx", 1)):
        found = imported(bench.scratch / f"clips{suffix}")
        assert clips_of(found) == sorted(frames), clips_of(found)
        for clip, wanted in frames.items():
            _play(found, clip)
            scheme = "UNREAL" if suffix == ".fbx" else "KEEP"
            for frame in range(len(wanted)):
                bpy.context.scene.frame_set(first + frame)
                heads = heads_of(found)
                for source, name in _renamed(bench, scheme):
                    off = np.abs(heads[name] - wanted[frame][source]).max()
                    assert off < SAME_m, (suffix, clip, frame, source, off)


def _renamed(bench: Bench, scheme: Any) -> list[tuple[str, str]]:
    bones = bench.rig("fox_kid")["bones"]
    sources = [bone["name"] for bone in bones]
    return list(zip(sources, bone_names(sources, [bone["role"] for bone in bones], scheme), strict=True))


def _play(rig: bpy.types.Object, clip: str) -> None:
    """One clip alone."""
    data = rig.animation_data
    action = next(item for item in bpy.data.actions if clip_name(item, rig) == clip)
    for track in data.nla_tracks:
        track.mute = True
    data.action = action
    if hasattr(data, "action_slot") and data.action_slot is None:
        data.action_slot = data.action_suitable_slots[0]


def case_handles_shapes_and_limits_stay_here(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    bpy.ops.figurine.switch_ik(limb="all")
    bpy.ops.figurine.switch_shapes()
    bpy.ops.figurine.switch_limits()
    posed = see(rig)
    own = {bone.name for bone in rig.data.bones if bone.get("figurine_role") != "handle"}
    assert len(own) < len(rig.data.bones)
    found = imported(export(bench, "GLTF"))
    assert set(found.data.bones.keys()) == own
    assert bpy.data.objects.get("figurine_ring") is None
    now = see(found)
    assert max(np.abs(now.heads[name] - posed.heads[name]).max() for name in own) < SAME_m


def case_the_scene_stays_as_it_is(bench: Bench) -> None:
    """Data-blocks, names, mode, selection and undo; also where the export fails halfway."""
    rig = bring(bench, "fox_kid")
    key_walk(rig)
    bpy.ops.figurine.switch_ik(limb="all")
    bpy.ops.object.mode_set(mode="POSE")
    bpy.context.scene.frame_set(4)
    (bench.scratch / "is a file").write_bytes(b"")
    before, state, posed = data_blocks(), user_state(), see(rig)
    for key in ("UNITY", "VRM"):  # either exporter
        export(bench, key, clips="ALL")
        assert refused(bench, key, folder=bench.scratch / "is a file").count("\n") == 0
    for kind in ("STL", "3MF"):
        assert bpy.ops.figurine.export_print(filepath=str(bench.scratch / "p"), format=kind, detail=2.0) == {"FINISHED"}
    for key, exporter in (("UNITY", "_write_fbx"), ("GLTF", "_write_glb")):
        with patch.object(figure_file, exporter, side_effect=RuntimeError("Error: No space")):
            said = refused(bench, key)
        assert said.startswith("Blender's exporter did not write the figure: Error: No space."), said
    assert data_blocks() == before and user_state() == state
    assert np.abs(see(rig).points - posed.points).max() == 0
    bpy.ops.object.mode_set(mode="OBJECT")
    name = rig.name
    bpy.ops.ed.undo_push(message="Before")
    rig.location.x = 2.0
    bpy.ops.ed.undo_push(message="Moved")
    bpy.ops.figurine.export_figure("EXEC_DEFAULT", True, filepath=str(bench.scratch / "u"), target="UNITY")
    bpy.ops.ed.undo()
    assert bpy.data.objects[name].location.x == 0.0
    assert data_blocks() == before


def case_it_is_exported_where_the_user_switched_the_exporter_off(bench: Bench) -> None:
    bring(bench, "lantern", pose="")
    for key, module in (("UNREAL", bundled.FBX), ("GLTF", bundled.GLTF)):
        addon_utils.disable(module)
        assert export(bench, key).stat().st_size > 0
        assert not addon_utils.check(module)[1]
        addon_utils.enable(module)


def case_what_cannot_be_exported_says_why_and_leaves_nothing(bench: Bench) -> None:
    register_output_operators()
    assert not bpy.ops.figurine.export_figure.poll() and not bpy.ops.figurine.export_print.poll()
    rig = bring(bench, "pup", pose="sit")
    for key in ("UNITY", "VRM"):
        assert "no humanoid" in refused(bench, key)
    for key in ("UNREAL", "GODOT", "GLTF"):
        export(bench, key)
    rig.scale = (1, 2, 1)
    assert "scale" in refused(bench, "GLTF")
    rig.scale = (1, 1, 1)
    blocked = bench.scratch / "figure.glb"
    kept = blocked.read_bytes()
    assert "cannot be written" in refused(bench, "GLTF", blocked=True)
    assert blocked.read_bytes() == kept
    assert "no folder" in refused(bench, "GLTF", folder=bench.scratch / "nowhere")
    assert not (bench.scratch / "nowhere").exists()
    bpy.ops.object.mode_set(mode="EDIT")
    assert not bpy.ops.figurine.export_figure.poll()
    bpy.ops.object.mode_set(mode="OBJECT")
    figure_of(rig).hide_set(True)
    assert not bpy.ops.figurine.export_figure.poll()
    assert not [path.name for path in bench.scratch.iterdir() if path.name.endswith(".part") and path.is_file()]


def case_a_rig_of_other_names_axes_and_place_gives_the_same_file(bench: Bench) -> None:
    """As Mixamo's: known by its bones' names alone, Y up in its own axes and in centimetres, turned and moved."""
    rig = bring(bench, "fox_kid", pose="")
    wanted = see(imported(export(bench, "UNITY", pose=False)), at_rest=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rig = bring(bench, "fox_kid", pose="")
    turn = Matrix.Rotation(-np.pi / 2, 4, "X") @ Matrix.Scale(100, 4)
    rig.data.transform(turn)
    for mesh in rig.children:
        mesh.data.transform(turn)
    rig.matrix_world = Matrix.Translation((3, 1, 2)) @ Matrix.Rotation(0.7, 4, "Z") @ turn.inverted()
    for bone in rig.data.bones:
        role = bone["figurine_role"]
        del bone["figurine_role"]
        bone.name = MIXAMO_NAMES.get(role, bone.name)
    assert not missing_bones([role_of(bone) for bone in rig.data.bones])
    found = see(imported(export(bench, "UNITY", pose=False)), at_rest=True)
    assert found.heads.keys() == wanted.heads.keys()
    assert max(np.abs(found.heads[name] - wanted.heads[name]).max() for name in wanted.heads) < SAME_m
    assert apart_m(found.points, wanted.points) < SAME_m


def case_what_hangs_on_a_bone_and_shape_keys_come_along(bench: Bench) -> None:
    rig = bring(bench, "fox_kid", pose="")
    figure = figure_of(rig)
    hat, other = bind_hat(rig, "head"), bind_hat(rig, "hand.L")
    other.data = hat.data  # two objects, one mesh
    other.name = "glove"
    figure.shape_key_add(name="Basis")
    key = figure.shape_key_add(name="Smile")
    key.data[0].co.z += 0.1
    figure.modifiers.new("Smooth", "SMOOTH").show_viewport = False
    rest = np.array([hat.matrix_world @ vertex.co for vertex in hat.data.vertices])
    bpy.ops.figurine.apply_pose(pose="think")
    posed = np.array([hat.matrix_world @ vertex.co for vertex in hat.data.vertices])
    assert np.abs(posed - rest).max() > 0.01
    found = imported(export(bench, "GLTF"))
    assert any(item.name.startswith("glove") for item in bpy.data.objects)
    worn = next(item for item in bpy.data.objects if item.name.startswith("hat"))
    seen = worn.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert apart_m(posed, np.array([worn.matrix_world @ vertex.co for vertex in seen.data.vertices])) < SAME_m
    body = next(item for item in found.children if item.data.shape_keys)
    assert [block.name for block in body.data.shape_keys.key_blocks][1:] == ["Smile"]


def case_a_linked_figure_is_exported_and_not_marked(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    library = bench.scratch / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    posed = see(rig)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, into):
        into.objects = ["fox_kid_rig", "fox_kid"]
    for item in into.objects:
        bpy.context.scene.collection.objects.link(item)
    bpy.context.view_layer.objects.active = bpy.data.objects["fox_kid_rig"]
    before = data_blocks()
    assert not bpy.ops.figurine.mark_asset.poll()
    path = export(bench, "GLTF")
    assert data_blocks() == before
    assert apart_m(posed.points, see(imported(path)).points) < SAME_m


def case_a_figure_becomes_an_asset(bench: Bench) -> None:
    rig = bring(bench, "fox_kid")
    target = bench.scratch / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(target))
    before = data_blocks()
    for _ in range(2):
        assert bpy.ops.figurine.mark_asset() == {"FINISHED"}
    assert data_blocks() == before
    (collection,) = (item for item in bpy.data.collections if item.asset_data)
    assert set(collection.all_objects) == {rig, figure_of(rig)}
    catalogs = (bench.scratch / "blender_assets.cats.txt").read_text(encoding="utf-8")
    lines = [line for line in catalogs.splitlines() if line.endswith(":Figurine/Humanoids:Figurine-Humanoids")]
    assert len(lines) == 1 and lines[0].split(":")[0] == collection.asset_data.catalog_id
    bpy.ops.wm.save_as_mainfile(filepath=str(target))
    bpy.ops.wm.open_mainfile(filepath=str(target))
    collection = next(item for item in bpy.data.collections if item.asset_data)
    pixels = np.array(collection.preview.image_pixels_float).reshape(*collection.preview.image_size, 4)
    assert 0.05 < (pixels[..., 3] > 0.5).mean() < 0.8
    assert {tag.name for tag in collection.asset_data.tags} == {"figurine", "humanoid"}


def case_a_figure_among_others_gets_a_collection_of_its_own(bench: Bench) -> None:
    rig = bring(bench, "lantern", pose="")
    own = rig.users_collection[0]
    own.objects.link(add_cube())
    bpy.context.view_layer.objects.active = rig
    assert bpy.ops.figurine.mark_asset() == {"FINISHED"}
    (collection,) = (item for item in bpy.data.collections if item.asset_data)
    assert collection != own and set(collection.all_objects) == {rig, figure_of(rig)}
    assert "Cube" in own.objects and rig.name in own.objects


def case_a_print_is_refused_in_one_sentence(bench: Bench) -> None:
    register_output_operators()
    target = bench.scratch / "print.stl"
    target.write_bytes(b"earlier")
    flat = bpy.data.objects.new("flat", bpy.data.meshes.new("flat"))
    flat.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    bpy.context.scene.collection.objects.link(flat)
    cube = add_cube()
    before = data_blocks()
    for item, settings, said in (
        (flat, {}, "no height"),
        (cube, {"height": 5.0, "plate": 10.0}, "The base is as high"),
        (cube, {"height": 5.0, "cut": 9.0, "base": "FLAT"}, "The base is as high"),
    ):
        bpy.context.view_layer.objects.active = item
        try:
            bpy.ops.figurine.export_print(filepath=str(target), format="STL", **settings)
        except RuntimeError as error:
            assert said in str(error) and str(error).strip().count("\n") == 0, error
        else:
            raise AssertionError(f"{said}: it was not refused")
    assert target.read_bytes() == b"earlier" and data_blocks() == before
    assert bpy.ops.figurine.export_print(filepath=str(target), format="STL", detail=2.0) == {"FINISHED"}
    assert len(target.read_bytes()) > 84
    assert [path.name for path in bench.scratch.iterdir()] == ["print.stl"]
