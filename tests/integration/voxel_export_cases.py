# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asserted of the export of voxel figures as mesh files inside Blender; test_voxelize.py runs the cases."""

from __future__ import annotations

import json
import os
import re
import struct
import tempfile
import zlib
from pathlib import Path

import bpy
import numpy as np

from blender_addon.voxel.vox_scene import DEFAULT_PALETTE, VoxModel, VoxPlacement, VoxScene
from blender_addon.voxel.vox_write import write_vox
from tests.integration.voxel_cases import arm, bend, choose, voxelize, world_points

Painted = tuple[np.ndarray, np.ndarray]  # middles (F, 3) and sRGB bytes (F, 3) of faces


def exported(kind: str, **settings: object) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / f"limb.{kind.lower()}"
    assert bpy.ops.figurine.export_voxel_mesh(filepath=str(path), format=kind, **settings) == {"FINISHED"}
    assert not [found for found in path.parent.iterdir() if ".part" in found.name]
    return path, folder


def shown(item: bpy.types.Object) -> Painted:
    """The faces as they are posed."""
    bpy.context.view_layer.update()
    picture = next(node.image for node in item.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    texels = np.round(np.array(picture.pixels[:]).reshape(16, 16, 4) * 255).astype(int)
    points = world_points(item)
    places, colours = [], []
    for polygon in item.data.polygons:
        u, v = item.data.uv_layers.active.data[polygon.loop_start].uv
        places.append(points[list(polygon.vertices)].mean(0))
        colours.append(texels[int(v * 16), int(u * 16), :3])
    return np.array(places), np.array(colours)


def read_ply(path: Path) -> Painted:
    """By the format's description: 15 bytes a vertex, 17 a square."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    vertices, faces = (int(found) for found in re.findall(rb"element \w+ (\d+)", head))
    points = np.array([struct.unpack_from("<3f", body, 15 * row) for row in range(vertices)])
    colours = [tuple(body[15 * row + 12 : 15 * row + 15]) for row in range(vertices)]
    places, found = [], []
    for face in range(faces):
        count, *corners = struct.unpack_from("<B4i", body, 15 * vertices + 17 * face)
        assert count == 4
        (colour,) = {colours[corner] for corner in corners}
        places.append(points[corners].mean(0))
        found.append(colour)
    assert len(body) == 15 * vertices + 17 * faces
    return np.array(places), np.array(found)


def read_obj(path: Path) -> Painted:
    """Y up, turned back; colours from the picture that the material file names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    points = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)[:, [0, 2, 1]] * (1, -1, 1)
    uvs = np.array([line.split()[1:] for line in lines if line.startswith("vt ")], float)
    (material,) = (line.split()[1] for line in lines if line.startswith("mtllib "))
    (picture,) = re.findall(r"map_Kd (\S+)", (path.parent / material).read_text(encoding="utf-8"))
    content = (path.parent / picture).read_bytes()
    rows = zlib.decompress(content[content.index(b"IDAT") + 4 : content.index(b"IEND") - 8])
    texels = np.frombuffer(rows, np.uint8).reshape(16, 49)[:, 1:].reshape(16, 16, 3)
    found, colours = [], []
    for line in lines:
        if line.startswith("f "):
            corners, places = zip(*(map(int, word.split("/")) for word in line.split()[1:]), strict=True)
            u, v = uvs[places[0] - 1]
            found.append(points[np.array(corners) - 1].mean(0))
            colours.append(texels[int((1 - v) * 16), int(u * 16)])
    return np.array(found), np.array(colours)


def case_colours_arrive_in_every_mesh_file() -> None:
    _, rig = arm()
    made = voxelize(rig="BLOCKY")
    for degrees in (0, 50):
        bend(rig, degrees)
        choose(made)
        places, colours = shown(made)
        assert len(np.unique(colours, axis=0)) == 2
        for kind, read in (("PLY", read_ply), ("OBJ", read_obj)):
            path, folder = exported(kind)
            with folder:
                seen = read(path)
            np.testing.assert_allclose(seen[0], places, atol=1e-4)
            np.testing.assert_array_equal(seen[1], colours)


def case_a_glb_of_voxels_keeps_bones_and_palette() -> None:
    arm()
    made = voxelize(rig="SMOOTH")
    wanted = np.unique(shown(made)[1], axis=0)
    path, folder = exported("GLB")
    assert bpy.context.selected_objects == [made]
    with folder:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.import_scene.gltf(filepath=str(path))
    (item,) = (found for found in bpy.data.objects if found.vertex_groups)
    assert {group.name for group in item.vertex_groups} == {"lower", "upper"}
    assert item.find_armature() is not None
    item.data.uv_layers.active_index = 0
    np.testing.assert_array_equal(np.unique(shown(item)[1], axis=0), wanted)


def case_an_stl_is_in_millimetres_of_the_scenes_unit() -> None:
    arm()
    voxelize(rig="NONE")
    for settings, scale in (({"mm": True}, 1000.0), ({"mm": False}, 1.0)):
        path, folder = exported("STL", **settings)
        with folder:
            content = path.read_bytes()
        (count,) = struct.unpack_from("<I", content, 80)
        assert len(content) == 84 + 50 * count
        rows = np.frombuffer(content[84:], np.dtype([("normal", "<f4", 3), ("at", "<f4", (3, 3)), ("x", "<u2")]))
        np.testing.assert_allclose(np.ptp(rows["at"].reshape(-1, 3)[:, 2]), 8 * scale, rtol=1e-5)
        a, b, c = np.moveaxis(rows["at"].astype(float), 1, 0)
        assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), rows["normal"]) > 0).all()
        assert np.einsum("ij,ij->i", np.cross(a, b), c).sum() > 0


def case_a_mirrored_figure_is_not_inside_out() -> None:
    arm()
    made = voxelize(rig="NONE")
    made.scale.x = -1
    bpy.context.view_layer.update()
    path, folder = exported("STL", mm=False)
    with folder:
        rows = np.frombuffer(path.read_bytes()[84:], np.dtype([("n", "<f4", 3), ("at", "<f4", (3, 3)), ("x", "<u2")]))
    a, b, c = np.moveaxis(rows["at"].astype(float), 1, 0)
    assert np.einsum("ij,ij->i", np.cross(a, b), c).sum() > 0


def case_a_figure_of_instances_is_exported_with_all_its_faces() -> None:
    arm()
    made = voxelize(rig="NONE", shape="SPHERE", size=8)
    before = _inputs(made)
    assert before
    path, folder = exported("PLY")
    with folder:
        head = path.read_bytes().partition(b"end_header")[0]
    (count,) = re.findall(rb"element face (\d+)", head)
    assert int(count) > 50 * 8 * 4
    path, folder = exported("GLB")
    with folder:
        content = path.read_bytes()
    described = json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])
    (mesh,) = described["meshes"]
    corners = sum(described["accessors"][part["indices"]]["count"] for part in mesh["primitives"])
    assert corners == 6 * int(count)
    assert _inputs(made) == before


def _inputs(made: bpy.types.Object) -> dict[str, object]:
    """What is set at the sockets of its Geometry Nodes."""
    return {
        entry.identifier: _input(modifier, entry.identifier)
        for modifier in made.modifiers
        if modifier.type == "NODES"
        for entry in modifier.node_group.interface.items_tree
        if entry.item_type == "SOCKET" and entry.in_out == "INPUT"
    }


def _input(modifier: bpy.types.NodesModifier, identifier: str) -> object:
    if bpy.app.version >= (5, 2):
        return getattr(getattr(modifier.properties.inputs, identifier, None), "value", None)
    return modifier.get(identifier)


def case_only_a_figure_of_voxels_is_exported_and_a_bad_place_is_said() -> None:
    arm()
    assert not bpy.ops.figurine.export_voxel_mesh.poll()
    voxelize()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(b"")
        for kind in ("PLY", "OBJ", "GLB", "STL"):
            try:
                bpy.ops.figurine.export_voxel_mesh(filepath=str(Path(folder) / "file" / "x.ply"), format=kind)
            except RuntimeError as error:
                assert str(error).count("\n") <= 1, error
            else:
                raise AssertionError(f"{kind} was not refused")
        assert [found.name for found in Path(folder).iterdir()] == ["file"]


def case_what_is_hidden_in_a_vox_file_is_left_out() -> None:
    cube = VoxModel((1, 1, 1), np.array([[0, 0, 0, 1]], np.uint8))
    bar = VoxModel((3, 1, 1), np.array([[x, 0, 0, 2] for x in range(3)], np.uint8))
    backwards = ((-1, 0, 0), (0, 1, 0), (0, 0, 1))
    places = VoxPlacement(0, (0, 0, 0)), VoxPlacement(0, (9, 9, 9), "", is_hidden=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two.vox"
        scene = VoxScene((cube, bar), (*places, VoxPlacement(1, (1, 0, 0), "", backwards)), DEFAULT_PALETTE)
        path.write_bytes(write_vox(scene))
        assert bpy.ops.figurine.import_vox(filepath=str(path), pitch=0.5) == {"FINISHED"}
    points = world_points(bpy.context.object)
    np.testing.assert_allclose([points.min(0), points.max(0)], [[0, 0, 0], [2, 0.5, 0.5]])


def case_an_earlier_vox_file_stays_until_the_new_one_is_whole() -> None:
    arm()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "limb.vox"
        path.write_bytes(b"earlier")
        path.with_name(f".limb.vox.{os.getpid()}.part").mkdir()  # where the new one would be written
        try:
            bpy.ops.figurine.export_vox(filepath=str(path), size=8)
        except RuntimeError as error:
            assert "cannot be written" in str(error)
        else:
            raise AssertionError("it was not refused")
        assert path.read_bytes() == b"earlier"
