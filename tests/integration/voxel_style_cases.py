# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asserted of the styles of voxels inside Blender; test_voxelize.py runs them with the others."""

from __future__ import annotations

import math
from types import SimpleNamespace

import bpy
import numpy as np

from blender_addon.operators.voxel_options import draw_options
from tests.integration.layout_recorder import Recorder
from tests.integration.voxel_cases import arm, bend, choose, edges_of, voxelize, world_points

SHAPES = ("CUBE", "ROUNDED", "BRICK", "SPHERE")


def instances_of(made: bpy.types.Object) -> list[tuple[str, np.ndarray]]:
    """Mesh and place of what is shown by the object's nodes."""
    bpy.context.view_layer.update()
    shown = bpy.context.evaluated_depsgraph_get().object_instances
    return [
        (item.object.data.name, np.array(item.matrix_world.translation))
        for item in shown
        if item.is_instance and item.parent.original == made
    ]


def realize(made: bpy.types.Object) -> None:
    """Tick the modifier's Realize."""
    modifier = made.modifiers["Voxels"]
    socket = next(item for item in modifier.node_group.interface.items_tree if item.name == "Realize")
    if hasattr(modifier, "properties"):  # Blender 5.2
        getattr(modifier.properties.inputs, socket.identifier).value = True
    else:
        modifier[socket.identifier] = True
    made.update_tag()
    bpy.context.view_layer.update()


def seen_colours(data: bpy.types.Mesh, material: bpy.types.Material) -> np.ndarray:
    """(P, 3) sRGB of every polygon, by the material's picture."""
    picture = next(link.from_node for link in material.node_tree.links if link.to_socket.name == "Base Color")
    texels = np.array(picture.image.pixels[:]).reshape(16, 16, 4)
    uv = np.array([data.uv_layers["Palette"].data[polygon.loop_start].uv for polygon in data.polygons])
    return texels[(uv[:, 1] * 16).astype(int), (uv[:, 0] * 16).astype(int), :3]


def case_every_voxel_is_shown_in_its_place() -> None:
    for shape in SHAPES:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        arm()
        made = voxelize(rig="NONE", shape=shape, gap=0.1)
        places = np.array([place for name, place in instances_of(made) if name.endswith("Voxel")])
        kinds = np.array([entry.value for entry in made.data.attributes["kind"].data])
        assert len(places) == np.count_nonzero(kinds == 1)
        assert len(places) > 100
        np.testing.assert_allclose([places[:, 2].min(), places[:, 2].max()], [1 / 6, 8 - 1 / 6], atol=1e-4)
        studs = np.array([place for name, place in instances_of(made) if name.endswith("Stud")])
        assert len(studs) == np.count_nonzero(kinds == 2)
        assert bool(len(studs)) == (shape == "BRICK")
        if len(studs):
            np.testing.assert_allclose(studs[:, 2], 8 - 1 / 6, atol=1e-4)


def case_instances_become_faces_that_stay_when_applied() -> None:
    for shape in SHAPES:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        arm()
        made = voxelize(rig="NONE", shape=shape, gap=0.1)
        count = len(instances_of(made))
        realize(made)
        assert not instances_of(made)
        assert bpy.ops.object.modifier_apply(modifier="Voxels") == {"FINISHED"}
        data = made.data
        assert not data.validate()
        assert len(data.polygons) > 6 * count
        assert {polygon.material_index for polygon in data.polygons} == {0}
        assert len({vertex for polygon in data.polygons for vertex in polygon.vertices}) == len(data.vertices)
        colours = seen_colours(data, data.materials[0])
        heights = np.array([polygon.center.z for polygon in data.polygons])
        is_red = colours[:, 0] > colours[:, 1]
        assert is_red[heights < 3.5].all()
        assert not is_red[heights > 4.5].any()
        assert not colours[:, 2].any()


def case_a_render_shows_the_colours_of_instances() -> None:
    """From the front in even light: the lower half red, the upper green."""
    arm()
    made = voxelize(rig="NONE", shape="SPHERE")
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 4, False
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.image_settings.file_format = "PNG"
    scene.world = bpy.data.worlds.new("light")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera, camera.data.type, camera.data.ortho_scale = camera, "ORTHO", 1.2
    for height, channel in ((2.0, 0), (6.0, 1)):
        camera.location, camera.rotation_euler = (0, -10, height), (math.pi / 2, 0, 0)
        scene.render.filepath = bpy.app.tempdir + "voxels.png"
        bpy.ops.render.render(write_still=True)
        picture = bpy.data.images.load(scene.render.filepath)
        colour = np.array(picture.pixels[:]).reshape(-1, 4)[:, :3].mean(0)
        bpy.data.images.remove(picture)
        assert colour[channel] > 0.15 + colour[1 - channel], colour
    assert len(made.data.materials) == 1


def case_styled_voxels_of_a_blocky_figure_keep_their_shape() -> None:
    for shape in ("ROUNDED", "BRICK"):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        _, rig = arm()
        made = voxelize(rig="BLOCKY", shape=shape, gap=0.1)
        before = world_points(made)
        rest = edges_of(made, before)
        bend(rig, 60)
        after = world_points(made)
        np.testing.assert_allclose(edges_of(made, after), rest, atol=1e-5)
        moved = np.linalg.norm(after - before, axis=1) > 1e-4
        assert moved[before[:, 2] > 6].all()
        assert not moved[before[:, 2] < 2].any()


def case_vivid_colours_give_light() -> None:
    arm()
    made = voxelize(rig="NONE", emission=5.0, vividness=0.0)
    surface = next(node for node in made.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert surface.inputs["Emission Strength"].default_value == 5.0
    picture = surface.inputs["Emission Color"].links[0].from_node
    shown = surface.inputs["Base Color"].links[0].from_node
    np.testing.assert_array_equal(picture.image.pixels[:], shown.image.pixels[:])
    assert picture.interpolation == "Closest"


def case_a_figure_for_print_is_closed_and_has_no_bones() -> None:
    limb, rig = arm()
    made = voxelize(for_print=True, print_height=80.0, print_wall=3.0, print_drain=3.0, shape="SPHERE")
    assert made.parent == rig
    assert not made.vertex_groups
    faces = np.zeros(len(made.data.edges), int)
    number = {edge.key: edge.index for edge in made.data.edges}
    for polygon in made.data.polygons:
        for key in polygon.edge_keys:
            faces[number[key]] += 1
    assert set(faces.tolist()) == {2}
    choose(limb)
    limb.hide_set(False)
    choose(limb)
    solid = voxelize(for_print=True, print_wall=0.0)
    assert len(made.data.polygons) > 1.3 * len(solid.data.polygons)


def case_a_print_is_asked_for_its_lengths_and_not_for_bones_or_styles() -> None:
    shown = {}
    for for_print in (False, True):
        layout = Recorder()
        rna = bpy.ops.figurine.voxelize.get_rna_type()
        choices = {"palette": "FOUND", "has_bones": True, "for_print": for_print, "emission": 2.0}
        draw_options(layout, SimpleNamespace(bl_rna=rna, **choices))
        shown[for_print] = layout.text
    for name in ("{Rig}", "{Style}", "{Gap}"):
        assert name in shown[False]
        assert name not in shown[True]
    for name in ("{Height}", "{Drain Hole}"):
        assert name in shown[True]
        assert name not in shown[False]
    assert all("{Symmetry}" in text and "{Glow From}" in text and "{Wall}" in text for text in shown.values())


def case_both_sides_are_the_same_where_it_is_wanted() -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=1)
    ball = bpy.context.object
    bpy.ops.mesh.primitive_cube_add(size=0.5, location=(1, 0, 0))
    ball.select_set(True)
    bpy.context.view_layer.objects.active = ball
    bpy.ops.object.join()
    points = {side: world_points(mirrored(ball, side)) for side in ("NONE", "LEFT", "RIGHT")}
    assert points["LEFT"][:, 0].max() > points["RIGHT"][:, 0].max() + 0.1
    for side in ("LEFT", "RIGHT"):
        here = {tuple(point) for point in np.round(points[side], 3).tolist()}
        assert here == {(-x, y, z) for x, y, z in here}
    assert points["NONE"][:, 0].max() > -points["NONE"][:, 0].min() + 0.1


def mirrored(ball: bpy.types.Object, side: str) -> bpy.types.Object:
    """Voxels of the ball, with one side copied to the other."""
    ball.hide_set(False)
    choose(ball)
    return voxelize(symmetry=side, shape="CUBE", size=16)
