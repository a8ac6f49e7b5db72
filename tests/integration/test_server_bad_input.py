# SPDX-License-Identifier: GPL-3.0-or-later
"""Every bad input of the command line, sent to the server: a typed error, and the queue goes on."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from inference_server import errors
from tests.integration.jobs import share_stages
from tests.integration.server_process import Server
from tests.integration.test_bad_input import BAD_MESHES, BAD_SKELETONS, bad_pictures

pytestmark = pytest.mark.blender

OF_THE_PICTURE = ("source.png", "normalized.png", "normalize.json")
TETRAHEDRON = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 2 3 4\nf 1 3 4\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(share_stages(tmp_path_factory.mktemp("bad") / "home")) as running:
        yield running


def outcome(server: Server, files: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """The error, whether the server refused the request or the worker the job."""
    answer = server.request("POST", "/v1/jobs", files=files)
    if answer.status_code == 202:
        job = server.wait(answer.json()["id"])
        assert job["state"] == "failed"
        error: dict[str, Any] = job["error"]
        assert not [artifact for artifact in job["artifacts"] if artifact["name"] not in OF_THE_PICTURE]
    else:
        assert 400 <= answer.status_code < 500, answer.text
        error = answer.json()["error"]
    assert issubclass(getattr(errors, error["code"]), errors.InputError), error
    assert error["message"] and error["hint"] and "Traceback" not in json.dumps(error)
    return error


@pytest.mark.parametrize("case", bad_pictures())
def test_bad_picture(case: str, server: Server) -> None:
    content, _ = bad_pictures()[case]
    error = outcome(server, {"image": ("artist.png", content)})
    assert str(server.home) not in json.dumps(error)


def test_a_pixel_bomb_is_never_decoded(server: Server) -> None:
    content, _ = bad_pictures()["above 64 megapixels by its header"]
    assert outcome(server, {"image": ("bomb.png", content)})["code"] == "ImageTooLarge"


@pytest.mark.parametrize("case", BAD_MESHES)
def test_bad_mesh(case: str, server: Server) -> None:
    error = outcome(server, {"mesh": ("mesh.obj", BAD_MESHES[case][0].encode())})
    assert str(server.home) not in json.dumps(error)


@pytest.mark.parametrize("case", BAD_SKELETONS)
def test_skeleton_that_is_no_tree(case: str, server: Server) -> None:
    document = {"format": "figurine-rig", "version": 1, "kind": "generic", "bones": BAD_SKELETONS[case]}
    files = {"mesh": ("mesh.obj", TETRAHEDRON), "skeleton": ("rig.json", json.dumps(document).encode())}
    error = outcome(server, files)
    assert error["code"] == "SkeletonInvalid"
    assert str(server.home) not in json.dumps(error)


def glb_of(face_count: int) -> bytes:
    """A complete file of so many triangles on four vertices."""
    places = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], "<f4").tobytes()
    corners = np.tile(np.array([0, 1, 2, 0, 1, 3, 1, 2, 3, 0, 2, 3], "u1"), face_count // 4).tobytes()
    views = [{"buffer": 0, "byteLength": 48}, {"buffer": 0, "byteOffset": 48, "byteLength": len(corners)}]
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 1]},
            {"bufferView": 1, "componentType": 5121, "count": len(corners), "type": "SCALAR"},
        ],
        "bufferViews": views,
        "buffers": [{"byteLength": 48 + len(corners)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", 48 + len(corners), 0x004E4942)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks) + 48 + len(corners)) + chunks + places + corners


def test_three_million_faces_are_refused_before_blender_reads_them(server: Server) -> None:
    error = outcome(server, {"mesh": ("city.glb", glb_of(3_000_000))})
    assert error["code"] == "MeshInvalid"
    assert error["message"] == "city.glb has 3,000,000 triangles; 2,000,000 are the most."


PLY_OF_FACES = "ply\nformat ascii 1.0\nelement vertex 3\n{}element face 2000001\n{}end_header\n"


def test_a_ply_header_tells_of_too_many_faces(server: Server) -> None:
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    content = PLY_OF_FACES.format(axes, "property list uchar int vertex_indices\n")
    error = outcome(server, {"mesh": ("city.ply", content.encode() + b"\n" * 2_000_002)})
    assert "has 2,000,001 triangles" in error["message"]


def sheet_of(place: str) -> bytes:
    """8 by 8 squares in one plane. place: of a vertex, from its column and row."""
    places = "".join(f"v {place.format(a=a, b=b)}\n" for a in range(9) for b in range(9))
    corners = (9 * a + b + 1 for a in range(8) for b in range(8))
    return (places + "".join(f"f {at} {at + 1} {at + 10} {at + 9}\n" for at in corners)).encode()


@pytest.mark.parametrize("place", ["{a} 0 {b}", "{a} {b} 0", "{a} {b} {a}"], ids=["lying", "standing", "askew"])
def test_a_flat_sheet_is_rigged_and_told(server: Server, place: str) -> None:
    settings = json.dumps({"engine": "draft", "outputs": "rig"})
    answer = server.request(
        "POST", "/v1/jobs", files={"mesh": ("sheet.obj", sheet_of(place))}, data={"settings": settings}
    )
    job = server.wait(answer.json()["id"])
    assert job["state"] == "done", job["error"]
    told = [warning["sentence"] for warning in job["warnings"] if warning["stage"] == "rig"]
    assert sum("flat sheet" in sentence for sentence in told) == 1, told
    rig = json.loads(server.request("GET", f"/v1/jobs/{job['id']}/artifacts/rig.json").content)
    assert rig["bones"] and [bone["parent"] for bone in rig["bones"]].count(None) == 1


def test_an_already_rigged_mesh_asks_and_goes_on_with_the_answer(server: Server) -> None:
    first = server.wait(server.submit())
    glb = server.request("GET", f"/v1/jobs/{first['id']}/artifacts/figure.glb").content
    bones = json.loads(server.request("GET", f"/v1/jobs/{first['id']}/artifacts/rig.json").content)["bones"]
    answer = server.request("POST", "/v1/jobs", files={"mesh": ("mine.glb", glb)})
    asked = server.wait(answer.json()["id"])
    assert asked["state"] == "failed" and asked["stages"] == []
    assert asked["error"] == {
        "code": "AlreadyRigged",
        "message": f"The mesh has a rig already, of {len(bones)} bones.",
        "hint": "Choose whether to keep it or to replace it (setting existing_rig).",
        "retryable": False,
    }
    body = {"stage": "rig", "settings": {"existing_rig": "keep", "outputs": "rig"}}
    answer = server.request("POST", f"/v1/jobs/{asked['id']}/rerun", json=body)
    kept = server.wait(answer.json()["id"])
    assert kept["state"] == "done", kept["error"]
    again = json.loads(server.request("GET", f"/v1/jobs/{kept['id']}/artifacts/rig.json").content)["bones"]
    assert {(bone["name"], bone["parent"]) for bone in again} == {(bone["name"], bone["parent"]) for bone in bones}
    places = {bone["name"]: bone["head"] for bone in bones}
    for bone in again:
        assert bone["head"] == pytest.approx(places[bone["name"]], abs=1e-4)


def test_after_all_that_a_good_picture_goes_through(server: Server) -> None:
    assert server.wait(server.submit())["state"] == "done"
