# SPDX-License-Identifier: GPL-3.0-or-later
"""Quadric edge collapse (Garland and Heckbert, 1997), here or in a process of its own.

The library holds Python's lock until it is done: no other thread of its process runs meanwhile, the one that hears a
cancel neither. As a program it reads an npz of `vertices` and `faces` and writes the reduced ones:
python decimation.py MOST_FACES < mesh.npz > reduced.npz
"""

from __future__ import annotations

import io
import subprocess
import sys
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
    pending: bytes | None = _pack(vertices, faces)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            while True:
                look_up()
                try:
                    answer, told = child.communicate(pending, timeout=LOOK_EVERY_S)
                    break
                except subprocess.TimeoutExpired:
                    pending = None
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        last = (told.decode(errors="replace").strip().splitlines() or [""])[-1]
        raise MemoryError(f"The process that reduces the surface ended with code {child.returncode}. {last}".strip())
    return _unpack(answer)


def _pack(vertices: np.ndarray, faces: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, vertices=vertices, faces=faces)
    return stream.getvalue()


def _unpack(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    with np.load(io.BytesIO(content)) as stored:
        return stored["vertices"], stored["faces"]


if __name__ == "__main__":
    sys.stdout.buffer.write(_pack(*collapse_edges(*_unpack(sys.stdin.buffer.read()), int(sys.argv[1]))))
