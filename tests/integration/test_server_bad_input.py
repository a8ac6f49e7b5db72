# SPDX-License-Identifier: GPL-3.0-or-later
"""Every bad input of the command line, sent to the server: a typed error, and the queue goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from inference_server import errors
from tests.integration.server_process import Server
from tests.integration.test_bad_input import BAD_MESHES, BAD_SKELETONS, bad_pictures

pytestmark = pytest.mark.blender

OF_THE_PICTURE = ("source.png", "normalized.png", "normalize.json")
TETRAHEDRON = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 2 3 4\nf 1 3 4\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("bad") / "home") as running:
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


def test_after_all_that_a_good_picture_goes_through(server: Server) -> None:
    assert server.wait(server.submit())["state"] == "done"
