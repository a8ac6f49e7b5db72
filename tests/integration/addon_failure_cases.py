# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the add-on's importer: results that cannot be imported leave no trace and say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

from blender_addon.errors import ImportFailed
from blender_addon.importer import ImportOptions, import_result
from tests.integration.addon_contents import data_blocks, figure_of
from tests.integration.addon_scene import Bench, add_cube, user_state

MODES = ("OBJECT", "EDIT", "POSE", "SCULPT")


def refuse(bench: Bench, folder: Path, words: str, modes: tuple[str, ...] = ("EDIT",)) -> None:
    """The import fails with these words in its sentence, and file and user are where they were, whatever the mode."""
    for mode in modes:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        prepare(mode)
        blocks, state = data_blocks(), user_state()
        try:
            import_result(bpy.context, folder, ImportOptions(name="fox_kid"), {})
        except ImportFailed as error:
            assert words in error.message, error.message
            assert error.hint
            assert str(folder) not in error.message
            bench.measured["says"] = error.message
        else:
            raise AssertionError("it was imported")
        assert data_blocks() == blocks, (mode, blocks, data_blocks())
        assert user_state() == state, (mode, state, user_state())


def prepare(mode: str) -> None:
    """Someone at work: other objects selected, two of them in this mode where it can have two, an orphan about."""
    bpy.data.materials.new("an orphan")
    add_cube("fox_kid")
    collection = bpy.data.collections.new("theirs")
    bpy.context.scene.collection.children.link(collection)
    layer = bpy.context.view_layer
    layer.active_layer_collection = layer.layer_collection.children["theirs"]
    if mode == "POSE":
        rig = bpy.data.objects.new("their rig", bpy.data.armatures.new("their rig"))
        collection.objects.link(rig)
        layer.objects.active = rig
        rig.select_set(True)
    else:
        add_cube("another")
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode=mode)
    add_selected_empty(collection)


def add_selected_empty(collection: bpy.types.Collection) -> None:
    empty = bpy.data.objects.new("Empty", None)
    collection.objects.link(empty)
    empty.select_set(True)


def spoil_rig(bench: Bench, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy whose rig.json was changed."""
    folder = bench.copy("fox_kid")
    document = json.loads((folder / "rig.json").read_text(encoding="utf-8"))
    change(document)
    (folder / "rig.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def rewrite_fbx(bench: Bench, change: Callable[[bpy.types.Object], None], **options: Any) -> Path:
    """A copy whose FBX was opened in Blender, changed and exported again."""
    folder = bench.copy("fox_kid")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    change(bench.bring("fox_kid"))
    settings = {"bake_anim": False, "path_mode": "COPY", "embed_textures": True} | options
    bpy.ops.export_scene.fbx(filepath=str(next(folder.glob("*.fbx"))), **settings)
    return folder


def case_no_fbx(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    next(folder.glob("*.fbx")).unlink()
    refuse(bench, folder, "no FBX file", MODES)


def case_two_fbx(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    (folder / "other.fbx").write_bytes(b"")
    refuse(bench, folder, "2 FBX files")


def case_no_folder(bench: Bench) -> None:
    refuse(bench, bench.scratch / "gone", "no FBX file")


def case_no_rig_json(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    (folder / "rig.json").unlink()
    refuse(bench, folder, "rig.json is missing")


def case_broken_documents(bench: Bench) -> None:
    for name in ("rig.json", "report.json"):
        for content in (
            b"",
            b"{",
            b"[]",
            b"\xff\xfe",
            b'{"format": "figurine-rig", "version": 2, "bones": []}',
            b"[" * 99999,
        ):
            folder = bench.copy("fox_kid")
            (folder / name).write_bytes(content)
            refuse(bench, folder, name)


def case_broken_bones(bench: Bench) -> None:
    def change(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
        return lambda document: document["bones"][3].update({key: value})

    for key, value in {"name": 7, "head": [0, 1], "tail": [0, 0, float("nan")], "roll": "x"}.items():
        refuse(bench, spoil_rig(bench, change(key, value)), "rig.json has a bone that cannot be read")
    refuse(bench, spoil_rig(bench, change("parent", "nobody")), "names a parent")
    refuse(bench, spoil_rig(bench, change("parent", "upper_chest")), "names a parent")
    refuse(bench, spoil_rig(bench, change("parent", None)), "does not hold one skeleton")


def case_rig_json_of_another_figure(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    (folder / "rig.json").write_bytes((bench.folder("pup") / "rig.json").read_bytes())
    refuse(bench, folder, "other names", MODES)

    def shift(document: dict[str, Any]) -> None:
        for bone in document["bones"]:
            bone["head"][0] += 0.3

    def hang(document: dict[str, Any]) -> None:
        document["bones"][5]["parent"] = "hips"

    refuse(bench, spoil_rig(bench, shift), "somewhere else")
    refuse(bench, spoil_rig(bench, hang), "hangs on another bone")


def case_a_truncated_fbx(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    path = next(folder.glob("*.fbx"))
    content = path.read_bytes()
    for share in (0.0, 1e-5, 0.001, 0.05, 0.3, 0.6, 0.9, 0.99, 0.9997):  # behind that is nothing but padding
        path.write_bytes(content[: int(share * len(content))])
        refuse(bench, folder, "", ("EDIT", "POSE") if share == 0.6 else ("OBJECT",))


def case_files_that_are_no_fbx(bench: Bench) -> None:
    folder = bench.copy("fox_kid")
    path = next(folder.glob("*.fbx"))
    glb = next(folder.glob("*.glb")).read_bytes()
    for content in (
        glb,
        b"; FBX 7.4.0 project file\nObjects: {\n}\n",
        b"Kaydara FBX Binary  \x00\x1a\x00" + b"\x00" * 100,
    ):
        path.write_bytes(content)
        refuse(bench, folder, "")


def case_bytes_that_were_flipped(bench: Bench) -> None:
    """Damage in the middle is either refused, or harmless."""
    folder = bench.copy("lantern")
    path = next(folder.glob("*.fbx"))
    content = path.read_bytes()
    for place in range(2000, len(content), len(content) // 12):
        path.write_bytes(content[:place] + bytes(64) + content[place + 64 :])
        bpy.ops.wm.read_factory_settings(use_empty=True)
        prepare("EDIT")
        blocks, state = data_blocks(), user_state()
        try:
            import_result(bpy.context, folder, ImportOptions(name="lantern"), {})
        except ImportFailed:
            assert data_blocks() == blocks
            assert user_state() == state


def case_an_fbx_without_armature(bench: Bench) -> None:
    def remove_rig(rig: bpy.types.Object) -> None:
        figure = figure_of(rig)
        figure.modifiers.clear()
        figure.parent = None
        bpy.data.objects.remove(rig)

    refuse(bench, rewrite_fbx(bench, remove_rig), "0 armatures", MODES)


def case_an_fbx_without_mesh(bench: Bench) -> None:
    refuse(bench, rewrite_fbx(bench, lambda rig: bpy.data.objects.remove(figure_of(rig))), "0 meshes")


def case_an_fbx_of_another_program(bench: Bench) -> None:
    """Another skeleton, other objects about: cameras, empties."""

    def rename(rig: bpy.types.Object) -> None:
        for bone in rig.data.bones:
            bone.name = f"mixamorig:{bone.name}"

    refuse(bench, rewrite_fbx(bench, rename, add_leaf_bones=True), "other names")

    def add_camera(rig: bpy.types.Object) -> None:
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        bpy.context.scene.collection.objects.link(camera)

    refuse(bench, rewrite_fbx(bench, add_camera, add_leaf_bones=True), "other objects")


def case_a_mesh_that_is_not_bound(bench: Bench) -> None:
    def unbind(rig: bpy.types.Object) -> None:
        figure_of(rig).modifiers.clear()

    refuse(bench, rewrite_fbx(bench, unbind, add_leaf_bones=True), "not bound")


def case_a_missing_texture(bench: Bench) -> None:
    refuse(
        bench,
        rewrite_fbx(bench, lambda rig: None, add_leaf_bones=True, path_mode="STRIP", embed_textures=False),
        "texture",
    )

    def drop_material(rig: bpy.types.Object) -> None:
        figure_of(rig).data.materials.clear()

    refuse(bench, rewrite_fbx(bench, drop_material, add_leaf_bones=True), "texture", MODES)


def case_an_empty_texture(bench: Bench) -> None:
    """The picture is there and holds nothing that can be read."""
    folder = bench.copy("fox_kid")
    path = next(folder.glob("*.fbx"))
    content = path.read_bytes()
    start = content.index(b"\x89PNG\r\n\x1a\n")
    end = content.index(b"IEND", start)
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])
    refuse(bench, folder, "texture")


def case_a_scene_of_another_file(bench: Bench) -> None:
    library = str(bench.scratch / "library.blend")
    bpy.context.scene.name = "theirs"
    bpy.ops.wm.save_as_mainfile(filepath=library, copy=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(library, link=True) as (there, here):
        here.scenes = there.scenes
    bpy.context.window.scene = next(scene for scene in bpy.data.scenes if scene.library)
    before = data_blocks()
    try:
        bench.bring("fox_kid")
    except ImportFailed as error:
        assert "linked from another file" in error.message
    else:
        raise AssertionError("it was imported")
    assert data_blocks() == before


def case_an_error_in_the_middle_of_the_settling(bench: Bench) -> None:
    """Whatever breaks, and be it our own mistake, nothing stays: here a fact that Blender cannot keep."""
    prepare("EDIT")
    blocks, state = data_blocks(), user_state()
    try:
        import_result(bpy.context, bench.folder("fox_kid"), ImportOptions(name="fox_kid"), {"job": Vector})  # type: ignore[dict-item]
    except TypeError:
        assert data_blocks() == blocks
        assert user_state() == state
    else:
        raise AssertionError("it was kept")
