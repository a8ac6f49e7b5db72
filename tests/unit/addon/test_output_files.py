# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, humanoids, VRM's JSON and printers' files: what of Output knows no Blender."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest

from blender_addon.output.glb import join_glb, split_glb
from blender_addon.output.mesh_files import Solid, stl_bytes, threemf_bytes
from blender_addon.output.naming import bone_names, humanoid_bones, humanoid_parents, missing_bones
from blender_addon.output.solid import is_watertight, sized, solids_of, volume_of, welded
from blender_addon.output.vrm import VrmMeta, vrm_bytes
from blender_addon.skeleton_map import (
    GODOT_NAMES,
    UNITY_NAMES,
    UNREAL_NAMES,
    VRM_BONES,
    VRM_REQUIRED,
    role_of_name,
)

BODY = (
    *("hips", "spine", "chest", "neck", "head"),
    *(
        f"{side}{part}"
        for side in ("left", "right")
        for part in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")
    ),
)


def cube(low: tuple[float, ...] = (0, 0, 0), edge: float = 1.0, *, is_inside_out: bool = False) -> Solid:
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float64) * edge + low
    quads = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return Solid(corners, triangles[:, ::-1] if is_inside_out else triangles)


def joined(*solids: Solid) -> Solid:
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids[:-1])])
    return Solid(
        np.concatenate([solid.vertices for solid in solids]),
        np.concatenate([solid.triangles + start for solid, start in zip(solids, starts, strict=True)]),
    )


def test_every_program_gets_its_own_names() -> None:
    names = [f"bone {number}" for number in range(len(BODY))]
    for scheme, hips, arm in (
        ("UNITY", "Hips", "LeftUpperArm"),
        ("UNREAL", "pelvis", "upperarm_l"),
        ("GODOT", "Hips", "LeftUpperArm"),
        ("VRM", "hips", "leftUpperArm"),
        ("MIXAMO", "mixamorig:Hips", "mixamorig:LeftArm"),
    ):
        found = bone_names(names, BODY, scheme)
        assert (found[0], found[BODY.index("leftUpperArm")]) == (hips, arm)
    assert bone_names(names, BODY, "KEEP") == tuple(names)


def test_unreal_numbers_its_spine_and_fingers() -> None:
    assert [UNREAL_NAMES[role] for role in ("spine", "chest", "upperChest", "neck")] == [
        *("spine_01", "spine_02", "spine_03", "neck_01")
    ]
    assert UNREAL_NAMES["rightThumbDistal"] == "thumb_03_r" and UNREAL_NAMES["leftLittleProximal"] == "pinky_01_l"
    assert UNREAL_NAMES["rightToes"] == "ball_r" and UNREAL_NAMES["rightShoulder"] == "clavicle_r"
    assert len(set(UNREAL_NAMES.values())) == len(UNREAL_NAMES) == len(VRM_BONES) + 1


def test_thumbs_differ_between_unity_and_godot() -> None:
    assert UNITY_NAMES["leftThumbMetacarpal"] == "LeftThumbProximal"
    assert GODOT_NAMES["leftThumbMetacarpal"] == "LeftThumbMetacarpal"


def test_no_two_bones_have_one_name() -> None:
    names = ("pelvis", "hair.L", "hair_L", "hips", "spine")
    assert bone_names(names, ("", "chain", "chain", "hips", "spine"), "UNREAL") == (
        *("pelvis_1", "hair_L", "hair_L_1", "pelvis", "spine_01"),
    )
    long = "x" * 63
    found = bone_names([long, "hips"], ["chain", "hips"], "KEEP")
    assert found == (long, "hips")
    assert len(set(bone_names([long, long], ["", ""], "GODOT"))) == 2
    assert max(map(len, bone_names([long, long], ["", ""], "GODOT"))) <= 63


def test_a_second_bone_of_a_role_keeps_its_name() -> None:
    assert bone_names(["a", "b"], ["leftHand", "leftHand"], "UNITY") == ("LeftHand", "b")


def test_names_of_programs_and_artists_are_known() -> None:
    for role, name in UNREAL_NAMES.items():
        assert role_of_name(name) == role
    for name, role in (
        *(("UpperArm.L", "leftUpperArm"), ("upperleg.r", "rightUpperLeg"), ("thigh.L", "leftUpperLeg")),
        *(("Abdomen", "spine"), ("Palm.R", "rightHand"), ("toes.l", "leftToes"), ("Bone", "")),
        *(("front_upper_leg.L", "frontLeftUpperLeg"), ("back_paw_R", "backRightPaw"), ("tail_03", "tail3")),
        *(("backRightLowerLeg", "backRightLowerLeg"), ("neck_02", "neck2"), ("tail_of_coat", "")),
    ):
        assert role_of_name(name) == role, name


def test_what_a_humanoid_lacks_is_said() -> None:
    assert missing_bones(BODY) == []
    assert missing_bones([role for role in BODY if role not in ("spine", "leftFoot")]) == ["spine", "leftFoot"]
    assert set(missing_bones([])) == VRM_REQUIRED


def test_an_upper_chest_alone_is_the_chest_and_broken_fingers_are_left_out() -> None:
    roles = [*(role for role in BODY if role != "chest"), "upperChest", "leftIndexIntermediate", "leftMiddleProximal"]
    found = humanoid_bones(roles)
    assert found["chest"] == roles.index("upperChest") and "upperChest" not in found
    assert "leftMiddleProximal" in found and "leftIndexIntermediate" not in found


def test_feet_that_hang_on_nothing_are_put_below_their_legs() -> None:
    parents = [-1] * len(BODY)
    found = humanoid_parents(parents, BODY)

    def above(role: str) -> str:
        return BODY[found[BODY.index(role)]]

    assert found[0] == -1
    assert (above("leftFoot"), above("rightHand"), above("head")) == ("leftLowerLeg", "rightLowerArm", "neck")
    assert (above("leftUpperArm"), above("leftUpperLeg"), above("spine")) == ("chest", "hips", "hips")


def test_bones_between_stay_and_hips_below_their_spine_are_lifted() -> None:
    roles = ("spine", "hips", "twist", "chest", *BODY[3:])
    parents = [-1, 0, 0, 2, *([3] * len(BODY[3:]))]
    found = humanoid_parents(parents, roles)
    assert found[1] == -1 and found[0] == 1 and found[2:4] == (0, 2)


def test_a_glb_is_taken_apart_and_put_together() -> None:
    rest = struct.pack("<I4s", 4, b"BIN\x00") + b"\x01\x02\x03\x04"
    document = {"asset": {"version": "2.0"}, "name": "Füchslein"}
    content = join_glb(document, rest)
    assert len(content) % 4 == 0 and struct.unpack_from("<I", content, 8) == (len(content),)
    assert split_glb(content) == (document, rest)


def test_a_vrm_names_joints_and_not_meshes_of_the_same_name() -> None:
    document = {
        "nodes": [{"name": "head", "mesh": 0}, {"name": "head"}, {"name": "hips"}],
        "skins": [{"joints": [2, 1]}],
        "extensionsUsed": ["KHR_materials_specular"],
    }
    meta = VrmMeta("Fox", ("Ada",), contact="ada@example.org")
    found, _ = split_glb(vrm_bytes(join_glb(document, b""), {"hips": "hips", "head": "head"}, meta))
    extension = found["extensions"]["VRMC_vrm"]
    assert extension["humanoid"] == {"humanBones": {"hips": {"node": 2}, "head": {"node": 1}}}
    assert found["extensionsUsed"] == ["KHR_materials_specular", "VRMC_vrm"]
    assert extension["meta"]["contactInformation"] == "ada@example.org"
    assert "version" not in extension["meta"] and extension["meta"]["allowRedistribution"] is False


@pytest.mark.parametrize("spoil", ["hole", "flip", "double"])
def test_only_a_closed_surface_is_watertight(spoil: str) -> None:
    triangles = cube().triangles
    assert is_watertight(triangles)
    if spoil == "hole":
        triangles = triangles[1:]
    elif spoil == "flip":
        triangles = np.concatenate([triangles[:1, ::-1], triangles[1:]])
    else:
        triangles = np.concatenate([triangles, triangles])
    assert not is_watertight(triangles)


def test_hollows_and_crumbs_are_not_printed() -> None:
    whole = joined(
        cube(edge=10.0), cube((2, 2, 2), 3.0, is_inside_out=True), cube((20, 0, 0), 0.01), cube((30, 0, 0), 5.0)
    )
    found, pieces = solids_of(whole)
    assert pieces == 2 and len(found.triangles) == 24 and len(found.vertices) == 16
    assert volume_of(found) == pytest.approx(1125.0)


def test_a_print_stands_on_zero_exactly_as_high_as_asked() -> None:
    found = sized(cube((3, 4, 5), 7.0), 120.0)
    np.testing.assert_allclose([found.vertices.min(0), found.vertices.max(0)], [[-60, -60, 0], [60, 60, 120]])
    assert found.vertices[:, 2].max() == 120.0


def test_what_a_file_cannot_tell_apart_is_one_vertex() -> None:
    solid = cube(edge=10.0)
    near = np.concatenate([solid.vertices, solid.vertices[:1] + 1e-6])
    triangles = np.concatenate([solid.triangles, [[0, 8, 1], [8, 0, 1]]])
    found = welded(Solid(near, triangles))
    assert len(found.vertices) == 8 and len(found.triangles) == 12 and is_watertight(found.triangles)


def test_an_stl_is_binary_with_normals_outwards() -> None:
    content = stl_bytes(cube(edge=2.0))
    assert struct.unpack_from("<I", content, 80) == (12,) and len(content) == 84 + 12 * 50
    rows = np.frombuffer(content[84:], np.dtype([("normal", "<f4", 3), ("at", "<f4", (3, 3)), ("x", "<u2")]))
    outwards = rows["at"].mean(axis=1) - 1.0
    assert (np.einsum("ij,ij->i", outwards, rows["normal"]) > 0.5).all()


def test_a_3mf_is_the_same_file_each_time_and_escapes_its_name() -> None:
    content = threemf_bytes(cube(), 'A "<Fox>"')
    assert content == threemf_bytes(cube(), 'A "<Fox>"')
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        model = package.read("3D/3dmodel.model").decode()
    assert 'unit="millimeter"' in model and "&lt;Fox&gt;" in model
    assert model.count("<vertex ") == 8 and model.count("<triangle ") == 12
