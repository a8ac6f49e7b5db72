# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of meshes that other modifiers than a Mirror make, or change, with answers of the draft pipeline."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
from mathutils.kdtree import KDTree

from blender_addon.errors import ImportFailed
from blender_addon.figure import rig_mesh
from blender_addon.figure.rig_mesh import obstacle
from blender_addon.figure.sent_body import unapplied
from blender_addon.figure.shape_makers import makers_of
from blender_addon.figure.weights import fill
from blender_addon.operators.apply_modifiers import AppliesModifiers
from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_mirror_cases import add_limbs, choose, dance
from tests.integration.addon_rigging_cases import ask, bring_in, seen
from tests.integration.addon_scene import Bench, add_cube
from tests.integration.pose_measures import register_pose_operators
from tests.integration.rig_bench import register_request

SAME_m = 1e-5


def case_what_modifiers_make_is_applied_where_the_artist_allows_it(bench: Bench) -> None:
    """A row of cubes and limbs of edges alone, each with its own modifiers, and a plain cube."""
    register_request()
    row, plain, limbs = add_cube("Row"), add_cube("Plain"), add_limbs("Limbs")
    plain.location.z, limbs.location.z, limbs.location.x = 3.0, 6.0, 3.0
    row.data["mine"], row.data.use_fake_user = "kept", True
    row.modifiers.new("Before", "TRIANGULATE")
    row.modifiers.new("Array", "ARRAY").count = 4
    row.modifiers.new("Thick", "SOLIDIFY")
    row.vertex_groups.new(name="pinned").add([0], 0.25, "REPLACE")
    limbs.modifiers.new("Mirror", "MIRROR").use_axis = (False, True, False)
    limbs.modifiers.new("Skin", "SKIN")
    choose(plain, limbs, row)
    assert obstacle(bpy.context) == ""
    assert "Row gets its shape from a modifier (Array): turn on Apply Modifiers, or hide" in unapplied([plain, row])
    meshes, blocks = {item: item.data for item in (row, plain, limbs)}, data_blocks()
    request, folder = ask(bench)
    assert data_blocks() == blocks and all(item.data == mesh for item, mesh in meshes.items())
    counts = {part.name: (part.vertex_count, part.is_applied) for part in request.aim.parts}
    assert counts["Row"] == (32, True) and counts["Plain"] == (8, False) and counts["Limbs"][1]
    whole = (folder / "rig.json").read_bytes()
    (folder / "rig.json").write_bytes(whole.replace(b'"head"', b'"heads"', 1))
    _refused(request, folder, "rig.json")
    (folder / "rig.json").write_bytes(whole)
    _fails_while_it_comes_in(request, folder)
    assert data_blocks() == blocks and all(item.data == mesh for item, mesh in meshes.items())
    assert [entry.show_viewport for entry in row.modifiers] == [True] * 3
    rig = bring_in(request, folder)
    assert [entry.type for entry in row.modifiers] == ["ARMATURE", "SOLIDIFY"]
    assert [entry.type for entry in limbs.modifiers] == ["ARMATURE"]
    assert len(row.data.vertices) == 32 and row.data.name == "Row" and row.data["mine"] == "kept"
    assert row.data.use_fake_user and "figurine_vertex" not in row.data.attributes
    assert sum(len(row.data.vertices[v].groups) > 1 for v in range(32)) >= 4, "the artist's own group is copied too"
    assert len(limbs.data.polygons) > 10 and data_blocks()["meshes"] == blocks["meshes"]
    assert plain.data == meshes[plain] and {item.parent for item in (row, plain, limbs)} == {rig}


def _fails_while_it_comes_in(request: Any, folder: Path) -> None:
    """Late, when the meshes have been taken over."""
    dress = rig_mesh.dress

    def fail(*_given: Any) -> None:
        assert len(bpy.data.objects["Row"].data.vertices) == 32
        raise ImportFailed("the disk is gone", "")

    rig_mesh.dress = fail
    try:
        _refused(request, folder, "the disk is gone")
    finally:
        rig_mesh.dress = dress


def _refused(request: Any, folder: Path, word: str) -> None:
    try:
        bring_in(request, folder)
    except ImportFailed as error:
        assert word in f"{error.message} {error.hint}", error.message
    else:
        raise AssertionError(word)


def case_which_modifiers_stand_in_the_way(bench: Bench) -> None:
    register_request()
    cube = add_cube("Cube")

    def makers(*kinds: str) -> list[str]:
        cube.modifiers.clear()
        for kind in kinds:
            cube.modifiers.new(kind, kind)
        return [entry.type for entry in makers_of(cube)]

    for kind in ("SUBSURF", "MULTIRES", "SOLIDIFY", "BEVEL", "EDGE_SPLIT", "WELD", "DECIMATE", "TRIANGULATE", "MASK"):
        assert makers(kind) == [], kind
    for kind in ("ARRAY", "SKIN", "SCREW", "BOOLEAN", "OCEAN", "EXPLODE", "PARTICLE_INSTANCE", "MESH_CACHE"):
        assert makers(kind, "SUBSURF") == [kind], kind
    assert makers("MIRROR", "REMESH") == [] and makers("REMESH", "MIRROR") == ["REMESH"]
    assert makers("NODES") == [], "without nodes it does nothing"
    cube.modifiers["NODES"].node_group = nodes("GeometryNodeSetShadeSmooth")
    assert makers_of(cube) == []
    cube.modifiers["NODES"].node_group = nodes("GeometryNodeSubdivideMesh")
    assert [entry.type for entry in makers_of(cube)] == ["NODES"]
    cube.modifiers["NODES"].show_viewport = False
    assert makers_of(cube) == [], "what is hidden is left alone"
    makers("ARRAY")
    assert obstacle(bpy.context) == ""
    asked = ask_layout(cube)
    assert asked == ["Cube: its shape comes from Array", "apply_modifiers"], asked
    cube.shape_key_add(name="Basis")
    assert "Blender applies none to a mesh with shape keys" in obstacle(bpy.context)
    cube.shape_key_clear()
    makers("REMESH", "ARMATURE", "ARRAY")
    armature = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(armature)
    cube.modifiers["ARMATURE"].object = armature
    assert [entry.type for entry in makers_of(cube)] == ["REMESH"], "behind the bones they work on what is posed"


def ask_layout(item: bpy.types.Object) -> list[str]:
    """What the window shows that asks whether modifiers may be applied."""
    shown: list[str] = []
    layout = SimpleNamespace(
        label=lambda text, **_more: shown.append(text), prop=lambda _operator, name: shown.append(name)
    )
    AppliesModifiers.draw(SimpleNamespace(layout=layout, sent_meshes=lambda _context: [item]), bpy.context)
    return shown


def nodes(kind: str) -> bpy.types.NodeTree:
    """A node group of one node."""
    tree = bpy.data.node_groups.new(kind, "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    start, node, end = (tree.nodes.new(name) for name in ("NodeGroupInput", kind, "NodeGroupOutput"))
    tree.links.new(start.outputs[0], node.inputs[0])
    tree.links.new(node.outputs[0], end.inputs[0])
    return tree


def case_what_smooths_or_thickens_follows_the_pose(bench: Bench) -> None:
    register_request()
    register_pose_operators()
    rig = bench.bring("fox_kid")
    item = figure_of(rig)
    rest = seen(item)
    dance(rig)
    posed = seen(item)
    settings: dict[str, dict[str, Any]] = {
        "SUBSURF": {},
        "SOLIDIFY": {"thickness": 0.01},
        "BEVEL": {"width": 0.002},
        "EDGE_SPLIT": {},
        "WELD": {"merge_threshold": 0.002},
        "TRIANGULATE": {},
        "DECIMATE": {"ratio": 0.5},
        "WIREFRAME": {"thickness": 0.005},
        "REMESH": {"mode": "VOXEL", "voxel_size": 0.02},
    }
    assert np.abs(posed - rest).max() > 0.3
    tree = KDTree(len(posed))
    for row, place in enumerate(posed.tolist()):
        tree.insert(place, row)
    tree.balance()
    for kind, values in settings.items():
        modifier = item.modifiers.new(kind, kind)
        for name, value in values.items():
            setattr(modifier, name, value)
        bench.measured[kind] = max(tree.find(place)[2] for place in seen(item)[::31].tolist())
        item.modifiers.remove(modifier)
        assert bench.measured[kind] < 0.04, (kind, bench.measured)


def case_weights_that_are_put_together_are_those_that_were_sent(bench: Bench) -> None:
    count = 3000
    mesh = bpy.data.meshes.new("Points")
    mesh.vertices.add(count)
    item = bpy.data.objects.new("Points", mesh)
    values = np.random.default_rng(3).random(count).astype(np.float32)
    values[:500], values[500] = 1.0, 1e-4
    group = item.vertex_groups.new(name="bone")
    group.add(list(range(count)), 0.3, "REPLACE")
    bones = np.zeros(len(values[::2]), np.int64)
    fill([group], bones, np.arange(0, count, 2), values[::2])
    found = np.array([vertex.groups[0].weight for vertex in mesh.vertices])
    assert np.abs(found[::2] - values[::2]).max() < 2.0**-24 and (found[1::2] == np.float32(0.3)).all()
    assert (found[:500:2] == 1.0).all()
