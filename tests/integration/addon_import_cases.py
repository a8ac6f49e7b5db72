# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the add-on's importer: what it makes of a good result."""

from __future__ import annotations

import json

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from blender_addon import importer
from blender_addon.figure import armature
from blender_addon.skeleton_map import group_of, side_of
from tests.integration.addon_contents import data_blocks, figure_of, weights_of
from tests.integration.addon_scene import Bench, add_cube, mesh_points, pose, skinned

EXACT_m = 1e-5
POSES = 10
POSE_TOLERANCE_m = 1e-4
WIDEST_TURN_RAD = np.radians(50)


def case_the_skeleton_is_that_of_rig_json(bench: Bench) -> None:
    errors = {"head": 0.0, "tail": 0.0, "roll": 0.0}
    for name in bench.results:
        rig, document = bench.bring(name), bench.rig(name)
        assert [bone["name"] for bone in document["bones"]] != []
        assert set(rig.data.bones.keys()) == {bone["name"] for bone in document["bones"]}
        bpy.ops.object.mode_set(mode="EDIT")
        for bone in document["bones"]:
            held = rig.data.edit_bones[bone["name"]]
            assert (held.parent.name if held.parent else None) == bone["parent"]
            for end in ("head", "tail"):
                errors[end] = max(errors[end], float(np.abs(np.subtract(getattr(held, end), bone[end])).max()))
            turn = (held.roll - bone["roll"] + np.pi) % (2 * np.pi) - np.pi
            errors["roll"] = max(errors["roll"], abs(turn))
        bpy.ops.object.mode_set(mode="OBJECT")
        assert all(bone.matrix_basis == Matrix.Identity(4) for bone in rig.pose.bones)
    bench.measured.update(errors)
    assert max(errors["head"], errors["tail"]) < EXACT_m, errors
    assert errors["roll"] < 1e-4, errors


def case_tails_and_rolls_of_rig_json_count(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
    for bone in document["bones"]:
        bone["tail"] = [bone["head"][0] + 0.1, bone["head"][1] - 0.05, bone["head"][2] + 0.02]
        bone["roll"] += 0.7
    (folder / "rig.json").write_text(json.dumps(document), encoding="utf-8")
    rig = importer.import_result(bpy.context, folder, importer.ImportOptions(), {})
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in document["bones"]:
        held = rig.data.edit_bones[bone["name"]]
        assert np.abs(np.subtract(held.tail, bone["tail"])).max() < EXACT_m
        assert abs((held.roll - bone["roll"] + np.pi) % (2 * np.pi) - np.pi) < 1e-4


def case_children_that_begin_at_their_parents_end_are_joined(bench: Bench) -> None:
    rig = bench.bring("fox_kid")
    assert rig.data.bones["lower_arm.L"].use_connect
    assert not rig.data.bones["upper_leg.L"].use_connect


def case_there_is_one_bound_mesh_and_nothing_else(bench: Bench) -> None:
    for name in bench.results:
        before = {entry.name for entry in bpy.data.objects}
        rig = bench.bring(name)
        figure = figure_of(rig)
        assert {entry.name for entry in bpy.data.objects} - before == {rig.name, figure.name}
        assert [(modifier.type, modifier.object) for modifier in figure.modifiers] == [("ARMATURE", rig)]
        for entry in (rig, figure):
            assert entry.matrix_basis == Matrix.Identity(4), entry.matrix_basis
            assert entry.matrix_parent_inverse == Matrix.Identity(4)
            assert [collection.name for collection in entry.users_collection] == [name]
        assert all(polygon.use_smooth for polygon in figure.data.polygons)
        assert not figure.data.has_custom_normals
        assert (figure.name, figure.data.name, rig.name, rig.data.name) == (name, name, f"{name}_rig", f"{name}_rig")
        assert name in bpy.context.scene.collection.children
    assert len(bpy.data.actions) == 0


def case_mesh_and_weights_are_the_servers(bench: Bench) -> None:
    for name in bench.results:
        rig = bench.bring(name)
        figure = figure_of(rig)
        vertices, weights = bench.skin(name)
        bones = [bone["name"] for bone in bench.rig(name)["bones"]]
        found = weights_of(figure, bones)
        assert np.abs(mesh_points(figure) - vertices).max() < EXACT_m
        assert np.abs(found - weights).max() < EXACT_m
        assert (found > 0).sum(axis=1).max() <= importer.MAX_INFLUENCES
        assert np.abs(found.sum(axis=1) - 1).max() < EXACT_m


def case_the_figure_stands_on_the_ground_and_faces_minus_y(bench: Bench) -> None:
    rig = bench.bring("fox_kid")
    points = mesh_points(figure_of(rig))
    assert abs(points[:, 2].min()) < 1e-4
    assert abs(np.ptp(points[:, 2]) - 1.7) < 1e-3
    left, right = (rig.data.bones[f"hand.{side}"].head_local for side in "LR")
    assert left.x > 0.1 > -0.1 > right.x
    foot = rig.data.bones["foot.L"]
    assert foot.tail_local.y < foot.head_local.y  # toes point to the front


def case_ten_random_poses_deform_like_linear_blend_skinning(bench: Bench) -> None:
    worst = {}
    for name in ("fox_kid", "pup", "lantern"):
        rig, document = bench.bring(name), bench.rig(name)
        figure, (vertices, weights) = figure_of(rig), bench.skin(name)
        generator = np.random.default_rng(7)
        for _ in range(POSES):
            axes = generator.normal(size=(len(document["bones"]), 3))
            angles = generator.uniform(-WIDEST_TURN_RAD, WIDEST_TURN_RAD, len(axes))
            turns = {
                bone["name"]: Quaternion(Vector(axis).normalized(), float(angle))
                for bone, axis, angle in zip(document["bones"], axes, angles, strict=True)
            }
            pose(rig, turns)
            found, wanted = mesh_points(figure), skinned(document, vertices, weights, turns)
            assert np.abs(found - vertices).max() > 0.05
            worst[name] = max(worst.get(name, 0.0), float(np.linalg.norm(found - wanted, axis=1).max()))
    bench.measured.update(worst)
    assert max(worst.values()) < POSE_TOLERANCE_m, worst


def case_a_turned_arm_moves_its_vertices_and_no_others(bench: Bench) -> None:
    rig = bench.bring("fox_kid", enter_pose_mode=True)
    assert (bpy.context.mode, bpy.context.active_object) == ("POSE", rig)
    figure = figure_of(rig)
    rest = mesh_points(figure)
    pose(rig, {"lower_arm.L": Quaternion((1, 0, 0), np.radians(60))})
    shift = np.linalg.norm(mesh_points(figure) - rest, axis=1)
    bones = [bone["name"] for bone in bench.rig("fox_kid")["bones"]]
    weights = weights_of(figure, bones)
    held = weights[:, [bones.index(f"{part}.L") for part in ("lower_arm", "hand", "fingers")]].sum(axis=1)
    assert (held > 0.9).sum() > 100
    assert shift[held == 0].max() < 1e-6
    assert shift[held > 0.9].min() > 1e-3
    bench.measured.update(moved=int((shift > 1e-6).sum()), still=int((shift <= 1e-6).sum()))


def case_bones_are_sorted_coloured_and_marked(bench: Bench) -> None:
    for name in ("fox_kid", "pup", "lantern", "static"):
        folder = bench.copy(name)
        document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
        document["bones"][-1]["guessed"] = True
        (folder / "rig.json").write_text(json.dumps(document), encoding="utf-8")
        rig = importer.import_result(bpy.context, folder, importer.ImportOptions(name=name), {})
        guesses = {bone["name"] for bone in document["bones"] if bone["guessed"]}
        for bone in document["bones"]:
            held = rig.data.bones[bone["name"]]
            wanted = {group_of(bone["role"])} | ({armature.GUESSED_COLLECTION} if held.name in guesses else set())
            assert {collection.name for collection in held.collections} == wanted
            assert held["figurine_role"] == bone["role"]
            assert (held.get("figurine_guessed", False) is True) == (held.name in guesses)
        colours = {
            bone.color.palette for bone in rig.data.bones if bone.name not in guesses and side_of(bone.name) == "L"
        }
        others = {
            bone.color.palette for bone in rig.data.bones if bone.name not in guesses and side_of(bone.name) == "R"
        }
        assert len(colours) == len(others) == (name == "fox_kid")  # of the others none has a side, or all are guesses
        assert not colours & others
        assert rig.data.bones[document["bones"][-1]["name"]].color.palette not in colours | others | {"DEFAULT"}
        assert rig.show_in_front
        assert rig.data.display_type == (
            "OCTAHEDRAL" if document["kind"] in ("humanoid", "quadruped", "bird") else "STICK"
        )
    assert [group.name for group in bpy.data.armatures["fox_kid_rig"].collections][:2] == ["Spine", "Head"]
    assert "Tail" not in bpy.data.armatures["fox_kid_rig"].collections


def case_the_history_is_in_custom_properties(bench: Bench) -> None:
    report = json.loads((bench.folder("fox_kid") / "report.json").read_text(encoding="utf-8"))
    rig = bench.bring("fox_kid")
    assert rig["figurine_job"] == "job-7"
    assert rig["figurine_version"] == report["figurine"]
    assert rig["figurine_seed"] == "0"
    assert rig["figurine_engine"] == "draft"
    assert rig["figurine_stage_rig"].startswith("draft, version ")
    assert rig["figurine_digest_mesh"] == report["digests"]["mesh"]
    assert rig["figurine_warnings"].splitlines() == [warning["sentence"] for warning in report["warnings"]]
    assert all(isinstance(rig[key], str) for key in rig.keys() if key.startswith("figurine_"))
    assert "figurine_provenance" not in rig
    figure = figure_of(rig)
    assert [key for key in figure.keys() if key.startswith("figurine_")] == ["figurine_groups"]
    assert figure["figurine_groups"].splitlines() == [group.name for group in figure.vertex_groups]


def case_the_material_is_right_in_every_engine(bench: Bench) -> None:
    figure = figure_of(bench.bring("fox_kid"))
    (material,) = figure.data.materials
    tree = material.node_tree
    (surface,) = (node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    (output,) = (node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    picture = surface.inputs["Base Color"].links[0].from_node
    assert output.inputs["Surface"].links[0].from_node == surface
    assert output.is_active_output
    assert tree.nodes.active == picture  # what Texture shading shows
    assert len(tree.nodes) == 3
    assert not surface.inputs["Alpha"].is_linked
    assert surface.inputs["Alpha"].default_value == 1.0
    assert surface.inputs["Metallic"].default_value == 0.0
    assert 0.5 <= surface.inputs["Roughness"].default_value <= 1.0
    assert 0.5 <= material.roughness <= 1.0
    image = picture.image
    assert tuple(image.size) == (1024, 1024)
    assert image.packed_file is not None
    assert image.filepath == "//fox_kid_base_color.png"
    assert image.colorspace_settings.name == "sRGB"
    red, green, blue, alpha = material.diffuse_color  # a fox: Solid shading is orange too
    assert red > green > blue
    assert alpha == 1.0


def case_alpha_is_used_where_the_picture_has_it(bench: Bench) -> None:
    figure = figure_of(bench.bring("static"))
    material = figure.data.materials[0]
    image = next(node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
    pixels = np.array(image.pixels[:], np.float32).reshape(-1, 4)
    pixels[: len(pixels) // 2, 3] = 0.0
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    before = data_blocks()
    from blender_addon.figure.materials import settle_materials

    settle_materials(figure, "static", needs_texture=True)
    (surface,) = (node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert surface.inputs["Alpha"].is_linked
    assert data_blocks() == before


def case_each_figure_keeps_its_own_picture(bench: Bench) -> None:
    rigs = [bench.bring(name) for name in ("fox_kid", "adventurer", "fox_kid")]
    images = [figure_of(rig).data.materials[0].node_tree.nodes.active.image for rig in rigs]
    assert len({image.name for image in images}) == 3
    fox, adventurer, fox_again = (np.array(image.pixels[:4096], np.float32) for image in images)
    sizes = [image.packed_file.size for image in images]
    assert sizes[0] == sizes[2] != sizes[1]
    assert np.array_equal(fox, fox_again)
    assert fox.shape == adventurer.shape


def case_taken_names_are_numbered_on_objects_and_never_on_bones(bench: Bench) -> None:
    add_cube("fox_kid")
    for name in ("lower_arm.L", "hips", "chest.001"):
        add_cube(name)
        bpy.data.armatures.new(name)
    first, second = bench.bring("fox_kid"), bench.bring("fox_kid")
    assert (figure_of(first).name, figure_of(second).name) == ("fox_kid.001", "fox_kid.002")
    assert (first.name, second.name) == ("fox_kid_rig", "fox_kid_rig.001")
    for rig in (first, second):
        assert set(rig.data.bones.keys()) == {bone["name"] for bone in bench.rig("fox_kid")["bones"]}
        assert {group.name for group in figure_of(rig).vertex_groups} <= set(rig.data.bones.keys())
        assert {collection.name for collection in rig.users_collection} < {"fox_kid", "fox_kid.001"}


def case_any_name_is_taken(bench: Bench) -> None:
    for name in ("hips", "Ein Bär: 1/2", "狐の子", "x" * 200, "lower_arm.L"):
        rig = bench.bring("fox_kid", name=name)
        assert set(rig.data.bones.keys()) == {bone["name"] for bone in bench.rig("fox_kid")["bones"]}
        assert len(figure_of(rig).vertex_groups) == len(rig.data.bones)


def case_weights_of_a_foreign_hand_are_repaired(bench: Bench) -> None:
    rig = bench.bring("fox_kid")
    figure = figure_of(rig)
    for group in figure.vertex_groups:
        group.remove([5, 9])
    for group in figure.vertex_groups[:6]:
        group.add([5], 0.5, "REPLACE")
    importer._normalise_weights(figure, "hips")
    assert sorted(round(entry.weight, 3) for entry in figure.data.vertices[5].groups) == [0.25] * 4
    assert [(figure.vertex_groups[entry.group].name, entry.weight) for entry in figure.data.vertices[9].groups] == [
        ("hips", 1.0)
    ]
