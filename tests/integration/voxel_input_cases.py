# SPDX-License-Identifier: GPL-3.0-or-later
"""What Voxelize makes of odd meshes, images and materials: right, or one clear sentence and nothing changed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy
import numpy as np

from blender_addon.figure.voxel_colours import read_pixels
from blender_addon.voxel.oklab import encode
from tests.integration.image_material import show_image
from tests.integration.voxel_cases import arm, choose, refusal, shown_colours, voxelize, world_points

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def cube(**options: object) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(**({"size": 1} | options))
    return bpy.context.object


def textured(image: bpy.types.Image, item: bpy.types.Object | None = None) -> bpy.types.Node:
    """Show an image on the object, a new cube where none is named; the image's node."""
    return show_image((item or cube()).data, image)


def plain_image(colour: tuple[float, ...], **options: bool) -> bpy.types.Image:
    image = bpy.data.images.new("plain", 4, 4, alpha=True, **options)
    image.pixels.foreach_set(np.tile(np.array([*colour, 1.0][:4], np.float32), 16))
    return image


def height_cells(item: bpy.types.Object, size: int, height: float) -> float:
    return float(np.ptp(world_points(item)[:, 2]) / (height / size))


def refused(sentence: str, **settings: object) -> None:
    """It is refused with this, and the scene is as before."""
    before = [(item.name, item.hide_get(), item.select_get()) for item in bpy.context.view_layer.objects]
    counts = [len(kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images)]
    said = refusal(**settings)
    assert sentence in said, said
    assert [(item.name, item.hide_get(), item.select_get()) for item in bpy.context.view_layer.objects] == before
    assert counts == [len(kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.materials, bpy.data.images)]


def case_a_vertex_that_is_nowhere_is_said() -> None:
    for value in (float("nan"), float("inf"), -float("inf")):
        points = cube().data.vertices
        points.foreach_set("co", np.array([value] * 3 + [0.5] * (3 * len(points) - 3), np.float32))
        refused("a coordinate that is not a finite number")
    cube().data.vertices[0].co.x = 3e38
    refused("none of its faces has an area")


def case_only_edges_are_no_mesh() -> None:
    item = cube()
    item.data.clear_geometry()
    item.data.from_pydata([(0, 0, 0), (0, 0, 1)], [(0, 1)], [])
    refused("it has no faces")


def case_sizes_beyond_the_limits_are_the_limits() -> None:
    bpy.ops.mesh.primitive_cube_add(size=1, scale=(0.01, 0.01, 1))
    stick = bpy.context.object
    assert height_cells(voxelize(size=0), 1, 1) == 1
    stick.hide_set(False)
    choose(stick)
    made = voxelize(size=10_000, rig="NONE")
    np.testing.assert_allclose(np.ptp(world_points(made), axis=0), [0.01, 0.01, 1], atol=2e-3)
    cube(location=(9, 0, 0))
    refused("Choose a smaller size", size=512)


def case_an_object_scaled_to_nothing_is_said_and_a_flat_one_is_a_layer() -> None:
    item = cube()
    item.scale = (0, 0, 0)
    bpy.context.view_layer.update()
    refused("it has no extent")
    item.scale = (1, 1, 0)
    bpy.context.view_layer.update()
    points = world_points(voxelize(size=8))
    np.testing.assert_allclose(np.ptp(points, axis=0), [1, 1, 1 / 8], atol=1e-5)


def case_an_armature_scaled_to_nothing_is_said() -> None:
    _, rig = arm()
    rig.scale = (0, 0, 0)
    bpy.context.object.parent = None
    bpy.context.view_layer.update()
    refused("its armature rig is scaled to nothing")


def case_images_of_every_kind_are_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (given, wanted, options) in enumerate(
            (
                ((0.2, 0.4, 0.6), (0.2, 0.4, 0.6), {}),
                ((0.214, 0.214, 0.214), (0.5, 0.5, 0.5), {"float_buffer": True}),
                ((30.0, 0.0, float("nan")), (1, 0, 0), {"float_buffer": True}),
                ((0.214, 0.214, 0.214), (0.5, 0.5, 0.5), {"is_data": True}),
            )
        ):
            for place in ("memory", "packed", "file", "packed and lost"):
                image = plain_image(given, **options)
                if place != "memory" and np.isfinite(given).all():
                    path = Path(folder) / f"{number}.{'exr' if 'float_buffer' in options else 'png'}"
                    image.file_format = "OPEN_EXR" if path.suffix == ".exr" else "PNG"
                    image.filepath_raw = str(path)
                    image.save()
                    image = bpy.data.images.load(str(path))
                    image.colorspace_settings.name = (
                        "Non-Color" if "is_data" in options else image.colorspace_settings.name
                    )
                    if place != "file":
                        image.pack()
                    if place == "packed and lost":
                        path.unlink()
                    if image.is_float:  # versions differ in what they write
                        wanted = encode(np.array(image.pixels[:3]))
                textured(image)
                seen = shown_colours(voxelize(size=4, colour="MEAN"))
                np.testing.assert_allclose(
                    seen, np.tile(wanted, (len(seen), 1)), atol=0.006, err_msg=f"{place} {given}"
                )


def case_images_that_cannot_be_read_are_said() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        image = plain_image(RED)
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
        lost = bpy.data.images.load(str(path))
        path.write_bytes(b"no picture")
        lost.reload()
        textured(lost)
        refused(f"its image {lost.name} cannot be read. Find the file by File > External Data.")
        path.unlink()
        lost.reload()
        refused(f"its image {lost.name} cannot be read")
    tiles = bpy.data.images.new("tiles", 4, 4, tiled=True)
    textured(tiles)
    refused("its image tiles is in tiles (UDIM). Bake it into a single image first.")


def case_a_picture_lies_in_memory_top_row_first() -> None:
    image = bpy.data.images.new("steps", 3, 700)  # its last rows are turned into bytes apart
    written = np.random.default_rng(7).integers(0, 256, (700, 3, 4), np.uint8)
    image.pixels.foreach_set((written.astype(np.float32) / 255).reshape(-1))
    read = read_pixels(image)
    assert np.array_equal(read, written[::-1])
    assert read.flags.c_contiguous


def case_alpha_counts_where_the_material_uses_it() -> None:
    image = bpy.data.images.new("half", 4, 4, alpha=True)
    pixels = np.ones((4, 4, 4), np.float32)
    pixels[:, :, 3] = 0
    image.pixels.foreach_set(pixels.reshape(-1))
    picture = textured(image)
    item = bpy.context.object
    assert len(voxelize(size=4).data.polygons)
    item.hide_set(False)
    choose(item)
    tree = item.active_material.node_tree
    tree.links.new(picture.outputs["Alpha"], tree.nodes["Principled BSDF"].inputs["Alpha"])
    refused("its texture is transparent everywhere", size=4)


def case_a_picture_is_found_behind_other_nodes_and_on_its_own_uv_map() -> None:
    image = bpy.data.images.new("halves", 8, 8)
    pixels = np.ones((8, 8, 4), np.float32)
    pixels[:, :4, :3], pixels[:, 4:, :3] = RED, GREEN
    image.pixels.foreach_set(pixels.reshape(-1))
    picture = textured(image)
    item, tree = bpy.context.object, bpy.context.object.active_material.node_tree
    second = item.data.uv_layers.new(name="second")
    second.data.foreach_set("uv", np.tile((0.75, 0.5), len(item.data.loops)))
    item.data.uv_layers[0].data.foreach_set("uv", np.tile((0.25, 0.5), len(item.data.loops)))
    between = tree.nodes.new("ShaderNodeHueSaturation")
    tree.links.new(picture.outputs["Color"], between.inputs["Color"])
    tree.links.new(between.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    np.testing.assert_allclose(shown_colours(voxelize(size=4))[0], RED)
    item.hide_set(False)
    choose(item)
    place = tree.nodes.new("ShaderNodeUVMap")
    place.uv_map = "second"
    tree.links.new(place.outputs["UV"], picture.inputs["Vector"])
    np.testing.assert_allclose(shown_colours(voxelize(size=4))[0], GREEN)


def case_a_palette_is_taken_from_an_image() -> None:
    textured(plain_image((0.9, 0.2, 0.1)))
    item = bpy.context.object
    palette = bpy.data.images.new("palette", 2, 1)
    palette.pixels.foreach_set(np.array([*RED, 1, *GREEN, 1], np.float32))
    np.testing.assert_allclose(
        shown_colours(voxelize(size=4, palette="IMAGE", picture="palette")), np.tile(RED, (6, 1))
    )
    item.hide_set(False)
    choose(item)
    seen = shown_colours(voxelize(size=4, palette="IMAGE"))  # none is chosen yet: the figure's own
    np.testing.assert_allclose(seen[0], (0.9, 0.2, 0.1), atol=0.003)
    item.hide_set(False)
    choose(item)
    refused("there is no image gone in this file", palette="IMAGE", picture="gone")
    refused("the picture has only one colour", palette="IMAGE", picture=plain_image(RED).name)
    lost = bpy.data.images.new("lost", 4, 4)
    lost.source, lost.filepath = "FILE", "//nowhere.png"
    refused("its image lost cannot be read", palette="IMAGE", picture="lost")


def case_modifiers_and_shape_keys_count_and_the_pose_does_not() -> None:
    limb, rig = arm()
    limb.modifiers.new("Mirror", "MIRROR").use_axis = (True, False, False)
    limb.shape_key_add(name="Basis")
    moved = limb.shape_key_add(name="Aside")
    for vertex, point in zip(limb.data.vertices, moved.data, strict=True):
        point.co = vertex.co.x + 3, vertex.co.y, vertex.co.z
    moved.value = 1
    bone = rig.pose.bones["upper"]
    bone.rotation_mode, bone.rotation_euler.x = "XYZ", 1
    bpy.context.view_layer.update()
    made = voxelize(size=24, rig="SMOOTH")
    assert limb.modifiers["Armature"].show_viewport
    bone.rotation_euler.x = 0
    points = world_points(made)
    np.testing.assert_allclose([points[:, 0].min(), points[:, 0].max()], [-4, 4], atol=0.35)
    np.testing.assert_allclose([points[:, 2].min(), points[:, 2].max()], [0, 8], atol=0.35)
    assert not (np.abs(points[:, 0]) < 1.5).any()
    bone.rotation_euler.x = 1
    away = np.linalg.norm(world_points(made) - points, axis=1)
    assert (away[points[:, 2] > 6] > 0.5).all()
    assert (away[points[:, 2] < 2] < 1e-4).all()


def case_a_subdivided_cube_is_round() -> None:
    item = cube()
    item.modifiers.new("Subdivision", "SUBSURF").levels = 3
    assert len(voxelize(size=16).data.polygons) > 6 * 4
    assert len(item.data.polygons) == 6


def case_a_library_override_is_voxelized() -> None:
    limb, _ = arm()
    name = limb.name
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "library.blend")
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        with bpy.data.libraries.load(path, link=True) as (_, wanted):
            wanted.objects = [name]
        linked = bpy.data.objects[name]
        bpy.context.scene.collection.objects.link(linked)
        own = linked.override_create(remap_local_usages=True)
        bpy.context.view_layer.update()
        choose(own)
        made = voxelize(rig="NONE")
    assert own.override_library is not None
    assert own.hide_get() and own.hide_render
    assert made.library is None and made.data.library is None
