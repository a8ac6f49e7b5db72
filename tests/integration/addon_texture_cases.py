# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture Selected Mesh, asserted inside Blender with a real server; test_texture_mesh.py runs it."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from tests.integration.addon_session import Session
from tests.integration.layout_recorder import draw
from tests.integration.texture_mesh_scene import contents, make_object, picture


def texture_selected_mesh(session: Session) -> None:
    """Grey with a reason, then a job, then the texture on the very object, and nothing else in the file."""
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    session.use_own_server()
    assert "Select a mesh: it becomes the active object." in draw("FIGURINE_PT_texture").text
    ball = make_object()
    bpy.context.view_layer.objects.active = ball
    assert "Choose a picture first" in draw("FIGURINE_PT_texture").text
    path = session.folder / "halves.png"
    _save(picture(), path)
    request = session.request
    request.picture, request.engine, request.texture_px = str(path), "draft", "1024"
    mirror = ball.modifiers.new("Mirror", "MIRROR")
    assert "gets its shape from a modifier (Mirror)" in draw("FIGURINE_PT_texture").text
    ball.modifiers.remove(mirror)
    assert "Ball, seen from the front (-Y)" in draw("FIGURINE_PT_texture").text
    before = contents(ball)
    assert bpy.ops.figurine.texture_mesh() == {"FINISHED"}
    session.tick_until(lambda: session.job() is not None and session.job().is_imported)
    assert contents(ball) == before
    assert ball.material_slots[-1].material.name == "Ball_textured"
    assert [layer.name for layer in ball.data.uv_layers] == ["Mine", "Figurine"]
    session.stop_server()


def _save(rgba: np.ndarray, path: Path) -> None:  # rgba: (H, W, 4) uint8, top row first
    image = bpy.data.images.new("halves", rgba.shape[1], rgba.shape[0], alpha=True)
    image.pixels.foreach_set((rgba[::-1] / 255).astype(np.float32).reshape(-1))
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
