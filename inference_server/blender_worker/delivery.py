# SPDX-License-Identifier: GPL-3.0-or-later
"""From the finished scene to the result folder's content."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import bpy

from inference_server.blender_worker import preview, writers
from inference_server.blender_worker.request import Labels
from inference_server.core.exchange import Exchange
from inference_server.core.types import Float32

PREVIEW_FILE = "preview.png"


class Clock:
    """Seconds since the last note, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def note(self, name: str) -> None:
        """File the time since the last note under this name."""
        now_s = time.perf_counter()
        self.seconds[name] = round(now_s - self._last_s, 3)
        self._last_s = now_s


class Delivery:
    """Writes the scene: STEM.fbx, STEM.glb, preview.png."""

    def __init__(self, labels: Labels, scratch: Path, clock: Clock) -> None:
        self.labels = labels
        self.scratch = scratch
        self.clock = clock

    def write(self, triangles: Float32, arrays: Mapping[str, Float32]) -> Exchange:  # triangles: (T, 3, 3)
        """The files, these arrays beside them, and the document {blender, files, seconds, lost_pictures}.

        lost_pictures: names of those that FBX could not take along. Raises WorkerFailure ExportCrashed where a file
        is empty.
        """
        fbx, glb = (self.scratch / f"{self.labels.stem}.{suffix}" for suffix in ("fbx", "glb"))
        picture = self.scratch / PREVIEW_FILE
        writers.write_fbx(fbx)
        self.clock.note("fbx")
        writers.write_glb(glb)
        self.clock.note("glb")
        preview.render_preview(picture, self.labels.preview_px, triangles)
        self.clock.note("preview")
        files = {path.name: path for path in (fbx, glb, picture)}
        document = {
            "blender": bpy.app.version_string,
            "files": list(files),
            "seconds": self.clock.seconds,
            "lost_pictures": writers.lost_pictures(fbx),
        }
        return Exchange(document=document, arrays=dict(arrays), files=files)
