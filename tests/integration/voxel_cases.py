# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asserted of Voxelize inside Blender; test_voxelize.py runs them all in one process."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import bpy
import numpy as np

SIZE = 24


def arm() -> tuple[bpy.types.Object, bpy.types.Object]:
    """An upright limb eight high, with bones below and above z = 4 and a red and a green half: mesh, armature."""
    bpy.ops.mesh.primitive_cylinder_add(vertices=24, radius=1, depth=8, location=(0, 0, 4))
    limb = bpy.context.object
    bpy.ops.object.transform_apply()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide(number_cuts=8)
    bpy.ops.object.mode_set(mode="OBJECT")
    for name, colour in (("red", (0.5, 0, 0, 1)), ("green", (0, 0.3, 0, 1))):
        material = bpy.data.materials.new(name)
        if material.node_tree is None:
            material.use_nodes = True
        material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = colour
        limb.data.materials.append(material)
    for polygon in limb.data.polygons:
        polygon.material_index = int(polygon.center.z > 4)
    rig = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    bpy.context.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    lower, upper = (rig.data.edit_bones.new(name) for name in ("lower", "upper"))
    lower.tail = upper.head = (0, 0, 4)
    upper.tail, upper.parent = (0, 0, 8), lower
    bpy.ops.object.mode_set(mode="OBJECT")
    for name, is_upper in (("lower", False), ("upper", True)):
        own = [vertex.index for vertex in limb.data.vertices if (vertex.co.z > 4) == is_upper]
        limb.vertex_groups.new(name=name).add(own, 1, "REPLACE")
    limb.modifiers.new("Armature", "ARMATURE").object = rig
    limb.parent = rig
    choose(limb)
    return limb, rig


def choose(item: bpy.types.Object) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    item.select_set(True)
    bpy.context.view_layer.objects.active = item


def voxelize(**settings: object) -> bpy.types.Object:
    assert bpy.ops.figurine.voxelize(**({"size": SIZE} | settings)) == {"FINISHED"}
    return bpy.context.object


def refusal(**settings: object) -> str:
    try:
        bpy.ops.figurine.voxelize(**({"size": SIZE} | settings))
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it was not refused")


def world_points(item: bpy.types.Object) -> np.ndarray:
    """The vertices in the world as the armature bends them."""
    bpy.context.view_layer.update()
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.array([vertex.co for vertex in evaluated.data.vertices])
    matrix = np.array(evaluated.matrix_world)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def edges_of(item: bpy.types.Object, points: np.ndarray) -> np.ndarray:
    pairs = np.array([edge.vertices[:] for edge in item.data.edges])
    return np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)


def shown_colours(item: bpy.types.Object) -> np.ndarray:
    """(Q, 3), 0 to 1: what the palette's image has at the middle of each face's corners."""
    picture = next(node for node in item.active_material.node_tree.nodes if node.type == "TEX_IMAGE").image
    width, height = picture.size
    texels = np.array(picture.pixels[:]).reshape(height, width, 4)
    places = np.array([corner.uv for corner in item.data.uv_layers.active.data])[::4]
    column, row = (places * (width, height)).astype(int).T
    return texels[row, column, :3]


def bend(rig: bpy.types.Object, degrees: float) -> None:
    bone = rig.pose.bones["upper"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler.x = math.radians(degrees)


def case_the_original_is_hidden_and_the_voxels_stand_in_its_place() -> None:
    limb, rig = arm()
    made = voxelize()
    assert limb.hide_get()
    assert limb.hide_render
    assert made.name == f"{limb.name} Voxels"
    assert made.parent == rig
    assert made.users_collection == limb.users_collection
    points = world_points(made)
    np.testing.assert_allclose([points[:, 2].min(), points[:, 2].max()], [0, 8], atol=1e-5)
    assert not made.data.validate()


def case_colours_come_from_the_materials() -> None:
    arm()
    made = voxelize(rig="NONE")
    picture = next(node for node in made.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    assert picture.interpolation == "Closest"
    texels = np.array(picture.image.pixels[:]).reshape(16, 16, 4)
    for polygon in made.data.polygons:
        u, v = made.data.uv_layers.active.data[polygon.loop_start].uv
        red, green, blue, _ = texels[int(v * 16), int(u * 16)]
        assert blue == 0
        if abs(polygon.center.z - 4) > 0.5 and polygon.normal.z == 0:
            assert (green > red) == (polygon.center.z > 4)


def case_a_bone_moves_its_voxels_and_no_others() -> None:
    for style in ("SMOOTH", "BLOCKY"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        _, rig = arm()
        made = voxelize(rig=style)
        rest = world_points(made)
        bend(rig, 60)
        moved = np.linalg.norm(world_points(made) - rest, axis=1) > 1e-4
        assert moved[rest[:, 2] > 6].all()
        assert not moved[rest[:, 2] < 2].any()


def case_blocky_voxels_keep_their_shape() -> None:
    _, rig = arm()
    made = voxelize(rig="BLOCKY")
    rest = edges_of(made, world_points(made))
    bend(rig, 60)
    np.testing.assert_allclose(edges_of(made, world_points(made)), rest, atol=1e-5)


def case_it_is_the_rest_shape_whatever_the_pose() -> None:
    _, rig = arm()
    bend(rig, 50)
    posed = voxelize(rig="BLOCKY")
    bend(rig, 0)
    points = world_points(posed)
    np.testing.assert_allclose([points[:, 2].min(), points[:, 2].max()], [0, 8], atol=1e-5)


def case_scale_rotation_and_mirroring_of_the_object_are_minded() -> None:
    bpy.ops.mesh.primitive_cube_add(size=1, location=(5, 0, 0))
    cube = bpy.context.object
    for scale in ((2, 4, 8), (-2, 4, 8)):
        choose(cube)
        cube.hide_set(False)
        cube.scale = scale
        bpy.context.view_layer.update()
        made = voxelize(size=16)
        points = world_points(made)
        np.testing.assert_allclose(np.ptp(points, axis=0), [2, 4, 8], atol=1e-5)
        np.testing.assert_allclose((points.min(0) + points.max(0)) / 2, [5, 0, 0], atol=1e-5)
        assert len(made.data.polygons) == 6
        assert all(polygon.normal.dot(polygon.center - cube.location) > 0 for polygon in made.data.polygons)


def case_shape_keys_and_a_mesh_of_several_users_stay_as_they_are() -> None:
    limb, _ = arm()
    other = bpy.data.objects.new("other", limb.data)
    bpy.context.collection.objects.link(other)
    limb.shape_key_add(name="Basis")
    limb.shape_key_add(name="Wide").value = 1.0
    before = len(limb.data.vertices), limb.data.users
    points = world_points(voxelize())
    np.testing.assert_allclose(points[:, 2].max(), 8, atol=1e-5)
    assert (len(limb.data.vertices), limb.data.users) == before
    assert not other.hide_get()


def case_a_vox_file_comes_back_with_the_same_faces() -> None:
    limb, _ = arm()
    made = voxelize(rig="NONE")
    wanted = sorted(tuple(np.round(np.array(p.center) * 3, 3)) for p in made.data.polygons)
    choose(limb)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "limb.vox")
        assert bpy.ops.figurine.export_vox(filepath=path, size=SIZE) == {"FINISHED"}
        assert bpy.ops.figurine.import_vox(filepath=path, pitch=8 / SIZE) == {"FINISHED"}
        again = bpy.context.object
        low = np.array([v.co for v in made.data.vertices]).min(0)
        shift = low - np.array([v.co for v in again.data.vertices]).min(0)
        seen = sorted(tuple(np.round((np.array(p.center) + shift) * 3, 3)) for p in again.data.polygons)
        np.testing.assert_allclose(seen, wanted, atol=2e-3)
        Path(path).write_bytes(b"VOX nothing")
        try:
            bpy.ops.figurine.import_vox(filepath=path)
        except RuntimeError as error:
            assert "The .vox file cannot be read" in str(error)
        else:
            raise AssertionError("it was not refused")


def case_one_undo_takes_it_back() -> None:
    limb, _ = arm()
    name = limb.name
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.figurine.voxelize("EXEC_DEFAULT", True, size=SIZE) == {"FINISHED"}
    assert f"{name} Voxels" in bpy.data.objects
    bpy.ops.ed.undo()
    assert f"{name} Voxels" not in bpy.data.objects
    assert not bpy.data.objects[name].hide_get()
    assert not bpy.data.objects[name].hide_render


def case_what_cannot_be_voxelized_is_said() -> None:
    empty = bpy.data.objects.new("empty", bpy.data.meshes.new("empty"))
    bpy.context.collection.objects.link(empty)
    choose(empty)
    count = len(bpy.data.objects)
    assert "it has no faces" in refusal()
    bpy.ops.mesh.primitive_cube_add()
    material = bpy.data.materials.new("lost")
    if material.node_tree is None:
        material.use_nodes = True
    picture = material.node_tree.nodes.new("ShaderNodeTexImage")
    picture.image = bpy.data.images.new("gone", 4, 4)
    picture.image.source, picture.image.filepath = "FILE", "//nowhere/gone.png"
    surface = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(picture.outputs["Color"], surface.inputs["Base Color"])
    bpy.context.object.data.materials.append(material)
    assert "its image gone cannot be read" in refusal()
    picture.image = bpy.data.images.new("there", 4, 4)
    bpy.context.object.data.uv_layers.remove(bpy.context.object.data.uv_layers.active)
    assert "no UV map" in refusal()
    assert len(bpy.data.objects) == count + 1
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.figurine.voxelize.poll()


def case_a_linked_mesh_becomes_voxels_of_this_file() -> None:
    limb, _ = arm()
    collection = bpy.data.collections.new("shelf")
    bpy.context.scene.collection.children.link(collection)
    collection.objects.link(limb)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "library.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        with bpy.data.libraries.load(path, link=True) as (_, wanted):
            wanted.collections = ["shelf"]
        bpy.context.scene.collection.children.link(bpy.data.collections["shelf"])
        linked = bpy.data.collections["shelf"].objects[0]
        bpy.context.view_layer.objects.active = linked
        made = voxelize(rig="NONE")
    assert linked.library is not None
    assert made.library is None
    assert made.users_collection == (bpy.context.scene.collection,)
    assert linked.hide_get()
