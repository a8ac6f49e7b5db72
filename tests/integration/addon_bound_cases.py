# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of what an armature moves: whatever the way in which a mesh is bound, all parts of the add-on see it alike."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np

from blender_addon.animation.fitting import read_soles
from blender_addon.figure.reskin import obstacle as skin_obstacle
from blender_addon.figure.rig_mesh import obstacle as rig_obstacle
from blender_addon.figure.voxel_source import read_source
from blender_addon.operators.animate_retarget import FIGURINE_OT_retarget
from blender_addon.operators.export_figure import FIGURINE_OT_export_figure
from blender_addon.operators.export_print import FIGURINE_OT_export_print
from blender_addon.output.subject import obstacle as export_obstacle
from blender_addon.pose import shapes
from blender_addon.pose.rig import active_rig, read_rig
from blender_addon.pose.thumbnail import render_thumbnail
from blender_addon.vertex_groups import read_bone_weights
from tests.integration.addon_contents import figure_of
from tests.integration.addon_scene import Bench
from tests.integration.output_measures import apart_m, export, imported, register_output_operators, see

SAME_m = 1e-4


def bring(bench: Bench) -> tuple[bpy.types.Object, bpy.types.Object]:
    """A posed figure's armature, active in Object Mode, and its mesh."""
    register_output_operators()
    rig = bench.bring("fox_kid")
    bpy.ops.figurine.apply_pose(pose="wave")
    return rig, figure_of(rig)


def bind_by_parent(item: bpy.types.Object) -> None:
    """In the old way: the parent deforms it, without a modifier."""
    item.modifiers.clear()
    item.parent_type = "ARMATURE"
    bpy.context.view_layer.update()


def bind_by_modifier(item: bpy.types.Object) -> None:
    """By the modifier alone: it is no child of the armature."""
    place = item.matrix_world.copy()
    item.parent = None
    item.matrix_world = place
    bpy.context.view_layer.update()


def case_however_it_is_bound_it_is_the_same_figure(bench: Bench) -> None:
    """Bones' shapes, soles, what may be done with it, its picture, and its file."""
    rig, item = bring(bench)
    wanted = _known(rig)
    for bind in (bind_by_parent, bind_by_modifier):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        rig, item = bring(bench)
        posed = see(rig).points
        bind(item)
        assert np.abs(see_skin(item) - posed).max() < SAME_m, f"{bind.__name__}: it is posed"
        assert _known(rig) == wanted, bind.__name__
        bpy.context.view_layer.objects.active = item
        item.select_set(True)
        assert active_rig(bpy.context) == rig
        assert "is bound to" in rig_obstacle(bpy.context)
        assert skin_obstacle(bpy.context) == export_obstacle(bpy.context) == ""
        assert render_thumbnail(rig, rig.matrix_world.to_3x3().col[1]) is not None
        found = imported(export(bench, "GLTF", name=bind.__name__))
        bpy.context.scene.frame_set(0)
        assert apart_m(posed, see(found).points) < SAME_m, f"{bind.__name__}: it is exported with its skin"


def case_what_is_gone_when_the_file_window_closes_is_one_sentence(bench: Bench) -> None:
    """The window stays open while the artist works on, and Blender does not ask again whether the verb fits."""
    asked = (FIGURINE_OT_export_print, FIGURINE_OT_export_figure, FIGURINE_OT_retarget)

    def refused(word: str) -> None:
        for kind in asked:
            said: list[str] = []
            window = SimpleNamespace(
                report=lambda _level, text, said=said: said.append(text),
                filepath=str(bench.scratch / "out"),
                format="STL",
                target="GLTF",
            )
            assert kind.execute(window, bpy.context) == {"CANCELLED"}, kind
            assert len(said) == 1 and word in said[0], (kind, said)
        assert not list(bench.scratch.iterdir())

    rig, _item = bring(bench)
    bpy.ops.object.mode_set(mode="EDIT")
    refused("Leave Edit Mode first")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.data.objects.remove(rig)
    assert bpy.context.view_layer.objects.active is None
    refused("Select a figure")


def see_skin(item: bpy.types.Object) -> np.ndarray:
    """(V, 3) in the world, as posed."""
    seen = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(seen.data.vertices), np.float32)
    seen.data.vertices.foreach_get("co", points)
    place = np.array(item.matrix_world)
    return points.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3]


def _known(rig: bpy.types.Object) -> tuple[dict[str, float], str]:
    """How wide the bones' rings are, and the soles, rounded."""
    shapes.show(rig)
    rings = {posed.name: round(posed.custom_shape_scale_xyz[0], 4) for posed in rig.pose.bones}
    shapes.hide(rig)
    soles = read_soles(read_rig(rig))
    assert len(soles) == 2
    return rings, str({role: np.round(sole.points, 4).tolist() for role, sole in soles.items()})


def case_a_posed_figure_is_voxelized_at_rest_however_it_is_bound(bench: Bench) -> None:
    """Also where another modifier has the mesh evaluated, and the parent deforms it."""
    _, item = bring(bench)
    item.modifiers.new("Thicker", "DISPLACE").strength = 0.01
    wanted = read_source(item).mesh
    bind_by_parent(item)
    item.modifiers.new("Thicker", "DISPLACE").strength = 0.01
    posed = see_skin(item)
    found = read_source(item).mesh
    assert item.parent_type == "ARMATURE" and np.abs(see_skin(item) - posed).max() < SAME_m
    assert np.abs(found.vertices - wanted.vertices).max() < SAME_m < 0.1 < np.abs(found.vertices - posed).max()
    assert np.array_equal(found.influences.bones, wanted.influences.bones)


def case_weights_are_those_of_every_vertex(bench: Bench) -> None:
    """Read at once as one by one, strongest first, without groups that are no bones or nothing."""
    rig, item = bring(bench)
    names = [bone.name for bone in rig.data.bones]
    item.vertex_groups.new(name="mine").add([0, 1, 2], 1.0, "REPLACE")
    item.vertex_groups[names[0]].add([0, 5], 0.0, "REPLACE")
    held = read_bone_weights(item, item.data, {name: bone for bone, name in enumerate(names)})
    found = np.zeros((len(item.data.vertices), len(names)))
    found[held.vertices, held.bones] = held.weights
    wanted = np.zeros_like(found)
    for vertex in item.data.vertices:
        for entry in vertex.groups:
            name = item.vertex_groups[entry.group].name
            if name in names:
                wanted[vertex.index, names.index(name)] = entry.weight
    assert np.array_equal(found, wanted) and held.weights.min() > 0
    assert np.array_equal(held.bones[held.places == 0], wanted[wanted.any(axis=1)].argmax(axis=1))
    assert (np.diff(held.weights)[held.places[1:] > 0] <= 0).all()
