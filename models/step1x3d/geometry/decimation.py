# SPDX-License-Identifier: GPL-3.0-or-later
"""Quadric edge collapse (Garland and Heckbert, 1997), here or in a process of its own.

The library holds Python's lock until it is done: no other thread of its process runs meanwhile, the one that hears a
cancel neither. As a program it reads an npz of `vertices` and `faces` and writes the reduced ones:
python decimation.py MOST_FACES < mesh.npz > reduced.npz
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable

import igl
import numpy as np

LOOK_EVERY_S = 0.1


def collapse_edges(vertices: np.ndarray, faces: np.ndarray, most_faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Collapse those edges alone whose neighbours stay two-sided, so that a closed mesh stays closed.

    vertices: (V, 3) float32. faces: (F, 3) int32. Returns the same with at most as many faces, where holes and parts
    allow it.
    """
    reduced, triangles, _, _ = igl.qslim(vertices.astype(np.float64), faces.astype(np.int64), most_faces)
    return reduced.astype(np.float32), triangles.astype(np.int32)


def collapse_edges_apart(
    vertices: np.ndarray, faces: np.ndarray, most_faces: int, look_up: Callable[[], None]
) -> tuple[np.ndarray, np.ndarray]:
    """`collapse_edges` in a child process. look_up: called ten times a second; what it raises ends the child.

    Raises MemoryError where the child comes to no end: for a mesh that was made here, it lacks nothing else.
    """
    command = [sys.executable, "-P", __file__, str(most_faces)]
    with tempfile.TemporaryFile() as given:  # a pipe would have to be fed between the looks
        np.savez(given, vertices=vertices, faces=faces)
        given.seek(0)
        with subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            answer, told = _wait(child, look_up)
    if child.returncode:
        last = (told.decode(errors="replace").strip().splitlines() or [""])[-1]
        raise MemoryError(f"The process that reduces the surface ended with code {child.returncode}. {last}".strip())
    return _unpack(answer)


def _wait(child: subprocess.Popen[bytes], look_up: Callable[[], None]) -> tuple[bytes, bytes]:
    """What it wrote to its two streams, when it has ended. It does not outlive what looking up raises."""
    try:
        while True:
            look_up()
            with contextlib.suppress(subprocess.TimeoutExpired):
                return child.communicate(timeout=LOOK_EVERY_S)
    except BaseException:
        child.kill()
        raise


def _pack(vertices: np.ndarray, faces: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, vertices=vertices, faces=faces)
    return stream.getvalue()


def _unpack(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    with np.load(io.BytesIO(content)) as stored:
        return stored["vertices"], stored["faces"]


if __name__ == "__main__":
    sys.stdout.buffer.write(_pack(*collapse_edges(*_unpack(sys.stdin.buffer.read()), int(sys.argv[1]))))
