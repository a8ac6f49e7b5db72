# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of candidates beside a figure, and of a figure that takes another one's place."""

from __future__ import annotations

import itertools
from dataclasses import replace

import bpy
import numpy as np

from blender_addon.animation.player import clear
from blender_addon.errors import ImportFailed
from blender_addon.figure.adopt import adopt, candidates_of, choice_of, find_original, keep, original_of, place_beside
from blender_addon.figure.lost_bones import lost_bones, lost_sentence
from blender_addon.figure.rollback import all_or_nothing, restore_work
from blender_addon.importer import ImportOptions
from blender_addon.importing import _import_for
from blender_addon.jobs.aim import Aim
from blender_addon.operators.another import keep_obstacle
from blender_addon.pose import ik
from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_scene import JOB, Bench, add_cube, mesh_points
from tests.integration.pose_measures import register_pose_operators

SAME_m = 1e-3


def posed(bench: Bench) -> bpy.types.Object:
    """A figure that runs, somewhere, under a name of the artist's."""
    register_pose_operators()
    rig = bench.bring("fox_kid")
    rig.name, rig.location, rig.rotation_euler = "Hero", (2.0, 1.0, 0.0), (0.0, 0.0, 0.0)
    bpy.ops.figurine.apply_pose(pose="run")
    return rig


def seen(rig: bpy.types.Object) -> np.ndarray:
    """(V, 3) of its mesh in the world."""
    bpy.context.view_layer.update()
    figure = figure_of(rig)
    matrix = np.array(figure.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    return mesh_points(figure) @ matrix[:3, :3].T + matrix[:3, 3]


def case_candidates_stand_beside_in_the_same_pose(bench: Bench) -> None:
    hero = posed(bench)
    first, second = bench.bring("fox_kid"), bench.bring("fox_kid")
    for candidate in (first, second):
        place_beside(hero, candidate)
    assert candidates_of(hero, bpy.context.scene) == [first, second] and original_of(second) == hero
    rows = [seen(rig) for rig in (hero, first, second)]
    for left, right in itertools.pairwise(rows):
        assert right[:, 0].min() > left[:, 0].max()
        away = right - left
        assert np.abs(away - away[0]).max() < SAME_m, "it is the same figure in the same pose"
    group = bpy.data.collections["Hero Candidates"]
    assert len(group.children) == 2 and not group.objects


def case_the_one_that_is_kept_takes_the_place_of_the_first(bench: Bench) -> None:
    hero = posed(bench)
    before, place = seen(hero), hero.matrix_world.copy()
    mesh = figure_of(hero)
    names = (hero.name, hero.data.name, mesh.name, mesh.data.name)
    alone = data_blocks()
    chosen, other = bench.bring("adventurer"), bench.bring("fox_kid")
    vertex_count, bones = len(figure_of(chosen).data.vertices), set(chosen.data.bones.keys())
    for candidate in (chosen, other):
        place_beside(hero, candidate)
    heads = {bone.name: bone.head.copy() for bone in chosen.pose.bones}
    assert keep(chosen) == hero
    assert (hero.name, hero.data.name, mesh.name, mesh.data.name) == names
    assert len(mesh.data.vertices) == vertex_count and set(hero.data.bones.keys()) == bones
    assert hero.matrix_world == place and figure_of(hero) == mesh
    for bone in hero.pose.bones:
        assert (bone.head - heads[bone.name]).length < SAME_m, "in the pose in which it stood there"
    assert not candidates_of(hero, bpy.context.scene)
    kept = data_blocks()
    for part in ("objects", "collections", "armatures", "meshes"):
        assert kept[part] == alone[part], part
    assert len(kept["images"]) == len(alone["images"]) and len(kept["materials"]) == len(alone["materials"])
    assert bpy.context.view_layer.objects.active == hero
    assert np.abs(seen(hero).mean(axis=0) - before.mean(axis=0)).max() < 0.3


def case_the_first_can_be_kept_too(bench: Bench) -> None:
    hero = posed(bench)
    before, blocks = seen(hero), data_blocks()
    for _ in range(2):
        place_beside(hero, bench.bring("adventurer"))
    bpy.context.view_layer.objects.active = hero
    bpy.ops.object.mode_set(mode="POSE")
    assert keep(hero) == hero
    assert np.abs(seen(hero) - before).max() < 1e-6 and data_blocks() == blocks
    assert bpy.context.mode == "POSE"


def case_animation_handles_and_what_hangs_on_it_stay(bench: Bench) -> None:
    hero = posed(bench)
    mesh = figure_of(hero)
    bpy.ops.figurine.switch_ik(limb="left_hand")
    hat = add_cube("Hat")
    hat.parent, hat.parent_type, hat.parent_bone = hero, "BONE", "head"
    look = add_cube("Eye").constraints.new("COPY_LOCATION")
    look.target, look.subtarget = hero, "hand.R"
    limit = hero.pose.bones["spine"].constraints.new("LIMIT_ROTATION")
    head = hero.pose.bones["head"]
    head.rotation_mode = "XYZ"
    for frame, angle in ((1, 0.0), (10, 0.8)):
        head.rotation_euler.x = angle
        head.keyframe_insert("rotation_euler", frame=frame)
    action = hero.animation_data.action
    smooth = mesh.modifiers.new("Smooth", "SUBSURF")
    with all_or_nothing():
        adopt(hero, bench.bring("adventurer", at_cursor=False))
    assert hero.animation_data.action == action
    assert (hat.parent, hat.parent_bone) == (hero, "head") and (look.target, look.subtarget) == (hero, "hand.R")
    assert hero.pose.bones["spine"].constraints[0].type == limit.type
    assert ik.is_on(hero, ik.LIMBS["left_hand"]) and hero.data.bones["hand_ik.L"]["figurine_role"] == "handle"
    assert mesh.modifiers[-1].type == smooth.type
    turned = []
    for frame in (1, 10):
        bpy.context.scene.frame_set(frame)
        turned.append(hero.pose.bones["head"].matrix.to_quaternion().copy())
    assert turned[0].rotation_difference(turned[1]).angle > 0.5
    handle, hand = hero.pose.bones["hand_ik.L"], hero.pose.bones["lower_arm.L"]
    assert (handle.head - hand.tail).length < 0.25, "the hand reaches for its handle"


def case_handles_of_either_figure_can_be_switched_after_it(bench: Bench) -> None:
    for is_first_on, is_chosen_on in ((False, True), (True, True)):
        hero, chosen = posed(bench), bench.bring("adventurer")
        place_beside(hero, chosen)
        for rig, is_on in ((hero, is_first_on), (chosen, is_chosen_on)):
            bpy.context.view_layer.objects.active = rig
            if is_on:
                bpy.ops.figurine.switch_ik(limb="left_hand")
        chosen.hide_viewport = is_first_on
        keep(chosen)
        bpy.context.view_layer.objects.active = hero
        hero.hide_viewport = False
        handles = [bone.name for bone in hero.data.bones if bone.get("figurine_role") == "handle"]
        assert sorted(handles) == (["elbow_pole.L", "hand_ik.L"] if is_first_on else [])
        assert ik.is_on(hero, ik.LIMBS["left_hand"]) == is_first_on
        before = seen(hero)
        for _ in range(2):
            assert bpy.ops.figurine.switch_ik(limb="left_hand") == {"FINISHED"}
            assert np.abs(seen(hero) - before).max() < 0.01
        assert not [name for name in hero.data.bones.keys() if name.endswith(".001")]
        hero.name = "Another"


def case_a_limb_that_lost_a_part_of_its_handle_gets_it_again(bench: Bench) -> None:
    hero, limb = posed(bench), ik.LIMBS["left_hand"]
    bpy.ops.figurine.switch_ik(limb=limb.key)
    for bone, name in (("lower_arm.L", ik.REACH), ("hand.L", ik.TURN)):
        constraints = hero.pose.bones[bone].constraints
        constraints.remove(constraints[name])
        assert not ik.is_on(hero, limb)
        assert bpy.ops.figurine.switch_ik(limb=limb.key) == {"FINISHED"} and ik.is_on(hero, limb)
    bpy.ops.object.mode_set(mode="EDIT")
    hero.data.edit_bones.remove(hero.data.edit_bones[limb.pole])
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.figurine.switch_ik(limb=limb.key)
    assert ik.is_on(hero, limb) and not {"hand_ik.L.001", "elbow_pole.L.001"} & set(hero.data.bones.keys())


def case_candidates_in_one_collection_go_with_it(bench: Bench) -> None:
    hero = posed(bench)
    alone = data_blocks()
    home = bpy.data.collections.new("Side")
    bpy.context.scene.collection.children.link(home)
    candidates = [bench.bring("adventurer") for _ in range(3)]
    for candidate in candidates:
        place_beside(hero, candidate)
        for item in (*candidate.children, candidate):
            item.users_collection[0].objects.unlink(item)
            home.objects.link(item)
    for empty in bpy.data.collections["Hero Candidates"].children:
        bpy.data.collections.remove(empty)
    bpy.data.collections.remove(bpy.data.collections["Hero Candidates"])
    keep(candidates[1])
    kept = data_blocks()
    for part in ("objects", "collections", "armatures", "meshes"):
        assert kept[part] == alone[part], part


def case_what_other_bones_cannot_take_is_named(bench: Bench) -> None:
    hero, other = posed(bench), bench.bring("adventurer")
    missing = [bone for bone in hero.pose.bones if bone.name not in other.data.bones]
    assert len(missing) > 3, "it has fewer bones"
    for bone in missing:
        bone.matrix_basis.identity()
    assert lost_bones(hero, other) == [] == lost_bones(other, other) and lost_sentence("Hero", []) == ""
    posed_bone, keyed, held, carrying = missing[:4]
    posed_bone.location.x = 0.1
    keyed.keyframe_insert("location", frame=1)
    held.constraints.new("LIMIT_ROTATION")
    bell = add_cube("Bell")
    bell.parent, bell.parent_type, bell.parent_bone = hero, "BONE", carrying.name
    assert lost_bones(hero, other) == [bone.name for bone in missing[:4]]
    assert missing[0].name in lost_sentence("Hero", lost_bones(hero, other))
    assert lost_sentence("Hero", list("abcdefgh")).endswith(": a, b, c, d, e, f and 2 more.")


def case_what_was_active_and_is_gone_gives_way_to_the_figure(bench: Bench) -> None:
    hero = posed(bench)
    extra = figure_of(hero).copy()  # a figure of two parts gets a result of one
    extra.data = extra.data.copy()
    hero.users_collection[0].objects.link(extra)
    bpy.context.view_layer.objects.active = extra
    for item in bpy.context.view_layer.objects:
        item.select_set(item == extra)
    there = {bone["name"] for bone in bench.rig("adventurer")["bones"]}
    next(bone for bone in hero.pose.bones if bone.name not in there).location.x = 0.1
    options = ImportOptions(name="Hero")
    made, lost = _import_for(bpy.context, bench.folder("adventurer"), Aim("upgrade", hero.name), options, JOB)
    assert lost.startswith("Hero has other bones now."), "it has fewer bones"
    assert made == hero == bpy.context.view_layer.objects.active
    assert [item for item in bpy.context.scene.objects if item.type == "MESH"] == [figure_of(hero)]
    with all_or_nothing() as work:
        cube = add_cube()
    work = replace(work, active=cube, mode="OBJECT")
    bpy.data.objects.remove(cube)
    restore_work(work)
    assert bpy.context.view_layer.objects.active is None


def case_what_fails_leaves_the_first_as_it_was(bench: Bench) -> None:
    hero = posed(bench)
    mesh, before = figure_of(hero), seen(hero)
    bones = hero.data.bones.keys()
    candidates = [bench.bring("adventurer", at_cursor=False) for _ in range(2)]
    for candidate in candidates:
        place_beside(hero, candidate)
    beside = data_blocks()
    chosen = candidates[0]
    bpy.context.view_layer.objects.active = chosen
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in list(chosen.data.edit_bones):  # the artist's own doing
        chosen.data.edit_bones.remove(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert keep_obstacle(bpy.context) == f"{chosen.name} has no bones left to take over."
    for work in (lambda: keep(chosen), lambda: import_in_place(bench, hero)):
        try:
            work()
        except ImportFailed as error:
            assert error.message.endswith(" has no bones left to take over.") and error.hint
        else:
            raise AssertionError("there was nothing to take over")
        assert figure_of(hero) == mesh and hero.data.bones.keys() == bones
        assert data_blocks() == beside and np.abs(seen(hero) - before).max() < 1e-6


def import_in_place(bench: Bench, hero: bpy.types.Object) -> None:
    """A result without bones takes the figure's place."""
    with all_or_nothing():
        made = bench.bring("adventurer", at_cursor=False)
        bpy.context.view_layer.objects.active = made
        bpy.ops.object.mode_set(mode="EDIT")
        for bone in list(made.data.edit_bones):
            made.data.edit_bones.remove(bone)
        bpy.ops.object.mode_set(mode="OBJECT")
        adopt(hero, made)


def case_the_one_that_is_kept_is_as_visible_as_it_was(bench: Bench) -> None:
    hero, chosen = posed(bench), bench.bring("adventurer")
    place_beside(hero, chosen)
    for item in (hero, figure_of(hero)):
        item.hide_set(True)
        item.hide_render = item.hide_viewport = True
    chosen.hide_set(True)  # bones are often hidden to look at the figure
    keep(chosen)
    mesh = figure_of(hero)
    assert (hero.hide_get(), hero.hide_viewport, hero.hide_render) == (True, False, False)
    assert mesh.visible_get() and not mesh.hide_render


def case_a_hidden_collection_is_named_before_anything_is_kept(bench: Bench) -> None:
    hero, chosen = posed(bench), bench.bring("adventurer")
    place_beside(hero, chosen)
    (home,) = hero.users_collection
    home.name = "Home"
    bpy.context.view_layer.objects.active = chosen
    assert keep_obstacle(bpy.context) == ""
    entry = bpy.context.view_layer.layer_collection.children["Home"]
    for place, name in ((entry, "hide_viewport"), (entry, "exclude"), (home, "hide_viewport")):
        setattr(place, name, True)
        bpy.context.view_layer.update()
        assert keep_obstacle(bpy.context) == "Home is hidden: show it first.", name
        setattr(place, name, False)
        bpy.context.view_layer.update()
    hero.hide_set(True)
    assert keep_obstacle(bpy.context) == "", "its own eye is taken over"


def case_an_upgrade_of_a_hidden_figure_stays_hidden(bench: Bench) -> None:
    hero = posed(bench)
    mesh = figure_of(hero)
    mesh.hide_set(True)
    with all_or_nothing():
        adopt(hero, bench.bring("adventurer", at_cursor=False))
    assert mesh.hide_get() and not hero.hide_get()


def case_candidates_of_a_deleted_figure_are_chosen_from_among_themselves(bench: Bench) -> None:
    hero = posed(bench)
    candidates = [bench.bring("adventurer") for _ in range(3)]
    for candidate in candidates:
        place_beside(hero, candidate)
    first, chosen, last = candidates
    scene, name, before = bpy.context.scene, chosen.name, seen(chosen)
    assert choice_of(chosen, scene) == [hero, *candidates]
    delete(hero)
    assert hero in bpy.data.objects.values() and not hero.users_scene
    assert original_of(chosen) == chosen and choice_of(chosen, scene) == candidates
    delete(first)
    assert choice_of(chosen, scene) == [chosen, last]
    assert keep(chosen) == chosen and chosen.name == name and np.abs(seen(chosen) - before).max() < 1e-6
    assert [item for item in scene.objects if item.type == "ARMATURE"] == [chosen]
    assert choice_of(chosen, scene) == [chosen] and bpy.context.view_layer.objects.active == chosen
    bpy.data.orphans_purge()
    assert "Hero" not in bpy.data.objects, "nothing holds it any more"


def case_a_candidate_of_a_deleted_figure_leads_the_next_ones(bench: Bench) -> None:
    hero = posed(bench)
    first, second, third = (bench.bring("adventurer") for _ in range(3))
    for candidate in (first, second):
        place_beside(hero, candidate)
    delete(hero)
    place_beside(first, third)
    scene = bpy.context.scene
    assert choice_of(second, scene) == choice_of(first, scene) == [first, second, third]
    assert keep(third) == first and [item for item in scene.objects if item.type == "ARMATURE"] == [first]


def delete(rig: bpy.types.Object) -> None:
    """As the artist does, with its meshes."""
    for item in bpy.context.view_layer.objects:
        item.select_set(item == rig or item.parent == rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.delete()


def case_auto_keying_keys_what_the_artist_poses_and_nothing_else(bench: Bench) -> None:
    hero = posed(bench)
    bpy.context.scene.tool_settings.use_keyframe_insert_auto = True
    candidate = bench.bring("adventurer")
    place_beside(hero, candidate)
    assert candidate.animation_data is None, "it came by itself"
    keep(candidate)
    assert hero.animation_data is None
    clear(hero)
    assert hero.animation_data is None and not bpy.data.actions


def case_a_figure_that_is_gone_is_one_sentence(bench: Bench) -> None:
    hero = posed(bench)
    hero.name = "Other"
    try:
        find_original(bpy.context.scene, "Hero")
    except ImportFailed as error:
        assert error.message == "Hero, the figure that this was made for, is not in this scene any more."
    else:
        raise AssertionError("it was not there")
