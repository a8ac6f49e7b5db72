# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Blender worker says of input that it cannot use, and what it leaves behind when it is cut short."""

from __future__ import annotations

import base64
import importlib.util
import json
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference_server.blender_worker.failures import WorkerFailure
from inference_server.blender_worker.precheck import check_content
from inference_server.core.exchange import PARTIAL_PREFIX, Exchange, write_exchange
from tests.integration.blender_worker_cases import (
    TIMEOUT_S,
    bind_request,
    command_for,
    environment,
    export_request,
    picture,
    run_worker,
    skin_arrays,
)

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)], np.int32)


def obj(corners: np.ndarray, faces: np.ndarray = FACES) -> bytes:
    lines = [f"v {x} {y} {z}" for x, y, z in corners.tolist()] + [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    return "\n".join(lines).encode() + b"\n"


def stl(corners: np.ndarray) -> bytes:
    facets = [struct.pack("<12fH", 0, 0, 0, *corners[face].ravel(), 0) for face in FACES]
    return bytes(80) + struct.pack("<I", len(facets)) + b"".join(facets)


def ply(corners: np.ndarray, form: str, promised_faces: int = len(FACES)) -> bytes:
    header = f"ply\nformat {form} 1.0\nelement vertex {len(corners)}\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz")
    header += f"element face {promised_faces}\nproperty list uchar int vertex_indices\nend_header\n"
    if form == "ascii":
        rows = [" ".join(map(str, row)) for row in corners.tolist()] + [f"3 {a} {b} {c}" for a, b, c in FACES.tolist()]
        return header.encode() + "\n".join(rows).encode() + b"\n"
    order = "<" if form == "binary_little_endian" else ">"
    faces = b"".join(struct.pack(f"{order}B3i", 3, *face) for face in FACES.tolist())
    return header.encode() + corners.astype(f"{order}f4").tobytes() + faces


def gltf(corners: np.ndarray, faces: np.ndarray = FACES, is_binary: bool = True) -> bytes:
    buffer = corners.tobytes() + faces.astype(np.uint32).tobytes()
    link = {} if is_binary else {"uri": "data:application/octet-stream;base64," + base64.b64encode(buffer).decode()}
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "scene": 0,
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "buffers": [{"byteLength": len(buffer), **link}],
        "bufferViews": [
            {"buffer": 0, "byteLength": corners.nbytes},
            {"buffer": 0, "byteOffset": corners.nbytes, "byteLength": faces.size * 4},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(corners), "type": "VEC3"},
            {"bufferView": 1, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
        ],
    }
    text = json.dumps(document).encode()
    if not is_binary:
        return text
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(buffer), b"BIN\0") + buffer
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def spoiled(value: float) -> np.ndarray:
    corners = CORNERS.copy()
    corners[2, 1] = value
    return corners


SOUND = {
    "a.ply": ply(CORNERS, "ascii"),
    "l.ply": ply(CORNERS, "binary_little_endian"),
    "b.ply": ply(CORNERS, "binary_big_endian"),
    "m.glb": gltf(CORNERS),
    "m.gltf": gltf(CORNERS, is_binary=False),
    "m.stl": stl(CORNERS),
    "m.obj": obj(CORNERS),
}
UNREADABLE = {
    "empty.fbx": (b"", "MeshInvalid"),
    "picture.glb": (picture(8), "UnsupportedMedia"),
    "picture.obj": (picture(8), "UnsupportedMedia"),
    "picture.ply": (picture(8), "UnsupportedMedia"),
    "text.fbx": (b"hello", "UnsupportedMedia"),
    "text.gltf": (b"hello", "UnsupportedMedia"),
    "headless.ply": (b"ply\nformat ascii 1.0\nelement vertex 3\n", "MeshInvalid"),
    "lying.ply": (ply(CORNERS, "ascii", promised_faces=4_000_000_000), "MeshInvalid"),
    "short.glb": (gltf(CORNERS)[:-60], "MeshInvalid"),
    "nan_a.ply": (ply(spoiled(np.nan), "ascii"), "MeshInvalid"),
    "inf_l.ply": (ply(spoiled(np.inf), "binary_little_endian"), "MeshInvalid"),
    "nan_b.ply": (ply(spoiled(np.nan), "binary_big_endian"), "MeshInvalid"),
    "nan.glb": (gltf(spoiled(np.nan)), "MeshInvalid"),
    "inf.gltf": (gltf(spoiled(-np.inf), is_binary=False), "MeshInvalid"),
}
# What only Blender itself can tell.
REFUSED = {
    "nan.obj": (obj(spoiled(np.nan)), "MeshInvalid", "not finite"),
    "inf.stl": (stl(spoiled(np.inf)), "MeshInvalid", "not finite"),
    "points.obj": (obj(CORNERS, FACES[:0]), "MeshInvalid", "no faces"),
    "stray.glb": (gltf(CORNERS, FACES + 1000), "MeshInvalid", "damaged"),
    "short.fbx": (b"Kaydara FBX Binary  \0\x1a\0" + bytes(4) + b"\xff" * 60, "MeshInvalid", "damaged"),
    "mesh.blend": (b"BLENDER", "UnsupportedMedia", "not a mesh file"),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_pass_the_check(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(SOUND[name])
    check_content(tmp_path / name)


@pytest.mark.parametrize("name", UNREADABLE)
def test_the_check_refuses(tmp_path: Path, name: str) -> None:
    content, code = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WorkerFailure) as caught:
        check_content(tmp_path / name)
    assert caught.value.code == code
    assert name in caught.value.message and caught.value.hint


@pytest.mark.parametrize("name", REFUSED)
def test_read_reports_what_it_cannot_use(tmp_path: Path, name: str) -> None:
    content, code, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "run").mkdir()
    exit_code, result = run_worker(tmp_path / "run", "read", Exchange(document={"path": str(tmp_path / name)}))
    error = result.document["error"]
    assert (exit_code, error["code"]) == (1, code)
    assert words in error["message"] and error["hint"]
    assert "Traceback" not in error["message"] and "\n" not in error["message"]


def test_bind_refuses_a_file_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "m.stl"
    path.write_bytes(SOUND["m.stl"])
    read = Exchange(
        document={"objects": [{"name": "m", "vertex_count": 5}]}, arrays={"vertices": np.vstack([CORNERS, CORNERS[:1]])}
    )
    (tmp_path / "run").mkdir()
    exit_code, result = run_worker(tmp_path / "run", "bind", bind_request(path, read))
    assert (exit_code, result.document["error"]["code"]) == (1, "MeshInvalid")
    assert "changed" in result.document["error"]["message"]


def test_export_refuses_what_blender_would_repair(tmp_path: Path) -> None:
    request = export_request(
        vertices=CORNERS, faces=FACES[[0, 0, 1, 2]], uv=np.zeros((4, 3, 2), np.float32), **skin_arrays(np.arange(4.0))
    )
    (tmp_path / "run").mkdir()
    exit_code, result = run_worker(tmp_path / "run", "export", request)
    assert (exit_code, result.document["error"]["code"]) == (1, "MeshInvalid")


@pytest.mark.parametrize(("names", "words"), [(["a", "b", "b", "c"], "one name"), (["a", "b", "c", "d" * 300], "ddd")])
def test_bones_that_blender_would_rename_are_reported(tmp_path: Path, names: list[str], words: str) -> None:
    request = export_request()
    (tmp_path / "run").mkdir()
    exit_code, result = run_worker(
        tmp_path / "run", "export", replace(request, document={**request.document, "bones": names})
    )
    assert (exit_code, result.document["error"]["code"]) == (1, "ExportCrashed")
    assert words in result.document["error"]["message"]


def test_the_worker_ends_with_its_parents_pipe(tmp_path: Path) -> None:
    with _started(tmp_path) as worker:
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(TIMEOUT_S) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["request"]


def test_a_killed_worker_leaves_no_result(tmp_path: Path) -> None:
    with _started(tmp_path) as worker:
        worker.kill()
        worker.wait(TIMEOUT_S)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[-1] == "request" and all(name.startswith(PARTIAL_PREFIX) for name in left[:-1])


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """The result's folder is a file system of half a megabyte; the texture alone is larger."""
    write_exchange(tmp_path / "request", export_request(base_color=picture(512, noise_seed=1)))
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = 'mount -t tmpfs -o size=512k tmpfs "$0"'
    if shutil.which("unshare") is None or _sandboxed(mount, [str(disk)]).returncode != 0:
        pytest.skip("no private file system can be mounted here")
    command = command_for("export", tmp_path / "request", disk / "result")
    script = f'{mount} && "$@" >&2; echo $?; ls -A "$0"; cat "$0/result/document.json"'
    done = _sandboxed(script, [str(disk), *command])
    exit_code, listing, document = done.stdout.split("\n", 2)
    assert (exit_code, listing) == ("1", "result"), done.stderr[-2000:]
    assert json.loads(document)["document"]["error"]["code"] == "DiskFull"


def _sandboxed(script: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a shell script as root of a namespace of its own, whose mounts end with it."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT_S,
        check=False,
    )


@contextmanager
def _started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An export that has begun to work: its scratch folder is there."""
    write_exchange(folder / "request", export_request())
    with subprocess.Popen(
        command_for("export", folder / "request", folder / "result"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as worker:
        deadline = time.monotonic() + TIMEOUT_S
        while not any(path.name.startswith(PARTIAL_PREFIX) for path in folder.iterdir()):
            assert worker.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        yield worker


def test_a_wrong_call_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "inference_server.blender_worker", "sing", "a", "b"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(),
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert b"export|read|bind|paint" in done.stderr
